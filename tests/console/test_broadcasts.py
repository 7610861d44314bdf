"""群发 and 渠道 at the console, against the sandbox: written, previewed, sent, told."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from core import clock
from core.audit import AuditEntry
from core.database import reading, transaction
from core.outbox import OutboxJob, enqueue
from crm import members
from crm.segments import saving as segments
from merchants.models import Role, Staff
from merchants.queries import get_merchant
from messaging import policies, suppression
from messaging.accounts import find_official
from messaging.broadcasts.models import Broadcast, BroadcastState
from messaging.models import Suppression
from people import logins
from people.models import IdentityKind
from sandbox.demo_config import OFFICIAL
from sandbox.wechat import masses
from tests.console.conftest import HASH, Browser
from tests.factories.crm import speak_at_any_hour
from tests.factories.merchants import make_merchant, make_staff
from tests.factories.people import make_recognition
from tests.wechat_world import Shop

ALL: dict[str, Any] = {
    "rule": {"op": "and", "rules": []},
    "actor": "staff:1",
    "now": clock.now(),
}
WORDS = "冬天的第一杯，今天起上新"


@pytest.fixture
def app(shop: Shop) -> Flask:
    return shop.app


@pytest.fixture
def owner(shop: Shop) -> Browser:
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")
        speak_at_any_hour(session, merchant)
        for username, role in (("owner", Role.owner), ("manager", Role.manager)):
            who = make_staff(session, merchant, name=username, role=role)
            who.username, who.password_hash = username, HASH
    for person in ("aqing", "zhixia"):
        shop.follow(person)
    shop.drain()
    return log_in(shop, "owner")


def log_in(shop: Shop, username: str) -> Browser:
    browser = Browser(shop.app)
    with transaction() as session:
        who = session.scalars(select(Staff).where(Staff.username == username)).one()
        token = logins.open_session(
            session,
            person=None,
            identity=None,
            audience="staff",
            lifetime=timedelta(hours=1),
            now=clock.now(),
            staff_id=who.id,
        )
    browser.client.set_cookie("linli_staff", token, path="/console")
    return browser


def only() -> Broadcast:
    with reading() as session:
        return session.scalars(select(Broadcast)).one()


def test_a_broadcast_is_written_looked_at_sent_and_told(shop: Shop, owner: Browser) -> None:
    assert "还没有群发过" in owner.get("/broadcasts/").text
    fields = {"appid": OFFICIAL, "kind": "text", "audience": "followers", "text": WORDS}
    wrong = owner.post("/broadcasts/new", **{**fields, "text": " "})
    made = owner.post("/broadcasts/new", **fields)
    assert (wrong.status_code, made.status_code) == (422, 303)
    assert "写上要说的话" in wrong.text
    here = f"/broadcasts/{only().id}"

    early = owner.post(f"{here}/launch")
    nobody = owner.post(f"{here}/preview", wechat_id="")
    unknown = owner.post(f"{here}/preview", wechat_id="not-a-friend")
    seen = owner.post(f"{here}/preview", wechat_id="zhixia")

    assert (early.status_code, nobody.status_code, unknown.status_code) == (409, 422, 422)
    assert "微信找不到这个人" in unknown.text
    assert seen.status_code == 303
    assert shop.chat("zhixia")[-1]["text"] == WORDS
    page = owner.get(here).text
    assert "2<small> 人收到</small>" in page
    assert owner.get(f"{here}/launch").status_code == 200
    manager = log_in(shop, "manager")
    assert manager.post(f"{here}/launch").status_code == 403
    assert owner.post(f"{here}/launch").status_code == 303
    shop.drain()
    assert "微信还没报" in owner.get(here).text
    masses.finish(shop.world, shop.world.masses.list()[-1].msg_id)
    shop.drain()
    assert only().state is BroadcastState.finished
    assert "微信只报总数" in owner.get(here).text
    assert WORDS in owner.get("/broadcasts/").text
    assert owner.post(f"{here}/discard").status_code == 409


def test_a_segment_of_another_merchant_is_no_choice(shop: Shop, owner: Browser) -> None:
    with transaction() as session:
        rival = make_merchant(session, code="rival")
        theirs = segments.create(session, rival.id, name="对手的人群", **ALL)
        mine = segments.create(session, get_merchant(session, "qinghe").id, name="我的人群", **ALL)
    fields = {"appid": OFFICIAL, "kind": "text", "audience": "segment", "text": WORDS}

    made = owner.post("/broadcasts/new", **fields, segment=str(theirs.id))

    assert made.status_code == 422
    assert "没有这个人群" in made.text
    assert "对手的人群" not in made.text
    with reading() as session:
        assert session.scalars(select(Broadcast)).all() == []
    owner.post("/broadcasts/new", **fields, segment=str(mine.id))
    here = f"/broadcasts/{only().id}"
    changed = owner.post(f"{here}/edit", **fields, segment=str(theirs.id))
    assert (changed.status_code, only().segment_id) == (422, mine.id)
    assert "人群「我的人群」里的粉丝" in owner.get(here).text


def test_what_wechat_does_not_let_through_is_said(shop: Shop, owner: Browser) -> None:
    fields = {"appid": OFFICIAL, "kind": "text", "audience": "all", "text": WORDS}
    owner.post("/broadcasts/new", **fields)
    here = f"/broadcasts/{only().id}"
    assert "管理员确认" in owner.get(here).text
    owner.post(f"{here}/preview", wechat_id="zhixia")
    owner.post(f"{here}/launch")
    shop.drain()

    masses.finish(shop.world, shop.world.masses.list()[-1].msg_id, "err(40002)")
    shop.drain()

    assert "管理员 30 分钟内没有确认" in owner.get(here).text


def test_the_channels_page_sets_the_policy_and_asks_wechat(shop: Shop, owner: Browser) -> None:
    page = owner.get("/channels").text
    assert "这个月还剩几次群发" in page
    assert "4 次 2 人" in page
    assert "优惠券到账" in page
    good = {"customer_service": "1", "subscribe": "1", "broadcast": "1", "keep_broadcasts": "2"}

    nothing = owner.post("/channels", customer_service="0", subscribe="0", broadcast="0")
    saved = owner.post("/channels", **good)

    assert (nothing.status_code, saved.status_code) == (422, 303)
    with reading() as session:
        merchant = get_merchant(session, "qinghe")
        assert policies.policy_of(session, merchant.id).keep_broadcasts == 2
    quota = owner.get(f"/channels/{OFFICIAL}/quota").text
    assert "还剩 100，一天 100" in quota
    assert owner.get("/channels/wx0000000000000000/quota").status_code == 404
    shop.fault(api="api.quota_get", kind="error", errcode=-1)
    assert "微信没有回答" in owner.get(f"/channels/{OFFICIAL}/quota").text


def test_a_members_ways_stand_on_one_page(shop: Shop, owner: Browser) -> None:
    shop.say("aqing", "在吗")
    with transaction() as session:
        enqueue(session, "messaging.act_on_kept")
    shop.drain()
    with transaction() as session:
        merchant = get_merchant(session, "qinghe")
        known = make_recognition(
            session, kind=IdentityKind.official, openid=shop.openid("aqing"), appid=OFFICIAL
        )

        member = members.ensure(
            session, merchant_id=merchant.id, person=known.person, now=clock.now()
        )
        no = member.no

    page = owner.get(f"/members/{no}/reach").text

    assert "发过消息，还能发 5 条" in page
    assert "这个月还剩 4 次" in page
    assert owner.get("/members/000000000000/reach").status_code == 404


def test_an_article_is_taken_back_and_words_are_not(shop: Shop, owner: Browser) -> None:
    object.__setattr__(find_official(OFFICIAL), "card_media_id", "cover")
    fields = {"appid": OFFICIAL, "kind": "article", "audience": "followers"}
    owner.post("/broadcasts/new", **fields, title="冬天的第一杯", body="今天起上新")
    here = f"/broadcasts/{only().id}"
    owner.post(f"{here}/preview", wechat_id="zhixia")
    assert owner.post(f"{here}/take-back").status_code == 409
    owner.post(f"{here}/launch")
    shop.drain()
    masses.finish(shop.world, shop.world.masses.list()[-1].msg_id)
    shop.drain()
    assert "删掉这篇文章" in owner.get(here).text
    assert "不能恢复" in owner.get(f"{here}/take-back").text

    shop.fault(api="api.mass_delete", kind="error", errcode=-1, times=1)
    assert owner.post(f"{here}/take-back").status_code == 303
    assert owner.post(f"{here}/take-back").status_code == 409
    ran = shop.drain()
    assert "messaging.broadcast_take_back:later" in ran
    assert "正在请微信删掉" in owner.get(here).text
    with transaction() as session:
        session.execute(update(OutboxJob).values(run_at=clock.now()))
    shop.drain()

    assert "该内容已被发布者删除" in owner.get(here).text
    assert shop.chat("aqing")[-1]["articles"][0]["title"] == "该内容已被发布者删除"
    assert shop.world.masses.list()[-1].status == "DELETE"
    with reading() as session:
        words = session.scalars(select(AuditEntry.action)).all()
    assert words.count("broadcast.taken_back") == 1


def test_whom_wechat_says_not_to_write_to_is_listed_and_lifted(shop: Shop, owner: Browser) -> None:
    with transaction() as session:
        merchant, rival = get_merchant(session, "qinghe"), make_merchant(session, code="rival")
        for person, whose in (("aqing", merchant), ("xiaozhou", rival)):
            known = make_recognition(
                session, kind=IdentityKind.official, openid=shop.openid(person), appid=OFFICIAL
            )
            member = members.ensure(
                session, merchant_id=whose.id, person=known.person, now=clock.now()
            )
            if whose is merchant:
                no = member.no
            address = (OFFICIAL, shop.openid(person), 48002)
            suppression.note(session, [address], now=clock.now())
        rows = session.execute(select(Suppression.openid, Suppression.id))
        ids = dict(rows.all())
    mine, theirs = ids[shop.openid("aqing")], ids[shop.openid("xiaozhou")]

    page = owner.get("/channels/suppressed/").text
    reach = owner.get(f"/members/{no}/reach").text

    assert page.count("对方不收消息") == 1
    assert f"/suppressed/{mine}/lift" in page
    assert f"/suppressed/{theirs}/lift" not in page
    assert "对方不收消息（微信 48002" in reach
    assert reach.count("发不了</span>") == 4
    assert owner.post(f"/channels/suppressed/{theirs}/lift").status_code == 404
    lifted = owner.post(f"/channels/suppressed/{mine}/lift", back="member")
    assert lifted.headers["Location"].endswith(f"/members/{no}/reach")
    assert owner.get(f"/members/{no}/reach").text.count("发不了</span>") == 2
    assert owner.post(f"/channels/suppressed/{mine}/lift").status_code == 404
    assert "没有发不到的人" in owner.get("/channels/suppressed/").text
    with reading() as session:
        [left] = session.scalars(select(Suppression)).all()
        assert left.id == theirs
        audited = select(AuditEntry.actor, AuditEntry.before)
        [(actor, before)] = session.execute(
            audited.where(AuditEntry.action == "suppression.lifted")
        ).all()
    assert actor.startswith("staff:")
    assert before["reason"] == "refused"


def test_the_form_asks_what_the_choice_needs_and_shows_it(shop: Shop, owner: Browser) -> None:
    plain = owner.get("/broadcasts/new").text
    assert ("最多约 600 字" in plain, "哪个人群" in plain, "阅读原文" in plain) == (
        True,
        False,
        False,
    )
    words = {"appid": OFFICIAL, "text": WORDS, "title": "开门"}

    film = owner.post("/broadcasts/look", **words, kind="video", audience="segment").text

    assert ("哪个人群" in film, "最多约 600 字" in film) == (True, False)
    assert "还没有能用的视频" in film
    assert f'name="text" value="{WORDS}"' in film
    again = owner.post("/broadcasts/look", **words, kind="text", audience="tag").text
    assert ("哪个标签" in again, again.count(WORDS)) == (True, 2)  # typed, and in the bubble
    with reading() as session:
        assert session.scalars(select(Broadcast)).all() == []


def test_a_draft_says_why_it_cannot_be_sent_yet(shop: Shop, owner: Browser) -> None:
    fields = {"appid": OFFICIAL, "kind": "text", "audience": "followers", "text": WORDS}
    owner.post("/broadcasts/new", **fields)
    here = f"/broadcasts/{only().id}"

    page = owner.get(here).text
    assert ("先给自己发一条，看过才能发出" in page, f"{here}/launch" in page) == (True, False)
    owner.post(f"{here}/preview", wechat_id="zhixia")
    seen = owner.get(here).text
    assert ("先给自己发一条，看过才能发出" in seen, f"{here}/launch" in seen) == (False, True)
