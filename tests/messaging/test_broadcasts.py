"""Broadcasts: looked at first, four a month each, asked under one number, totals reconciled."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.database import claim, reading, transaction
from core.outbox import enqueue
from crm import broadcasting, consent, contacts
from crm.models import MarketingContact, Member
from gateways.wechat.errors import WechatError
from merchants.models import Merchant
from messaging import broadcasts
from messaging.accounts import find_official
from messaging.broadcasts import cutting, launching, quotas, remote
from messaging.broadcasts.drafting import Draft
from messaging.broadcasts.errors import BroadcastInvalid, BroadcastMoved
from messaging.broadcasts.models import (
    Audience,
    Broadcast,
    BroadcastQuota,
    BroadcastRecipient,
    BroadcastState,
    MassSend,
    MassState,
)
from messaging.models import AccountTag
from people.models import Identity, IdentityKind
from sandbox.demo_config import OFFICIAL
from sandbox.wechat import masses
from tests.factories.campaigns import keep_awake
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant
from tests.factories.messaging import make_follower
from tests.factories.people import make_recognition
from tests.wechat_world import Shop

WORDS = "冬天的第一杯，今天起上新。"
PEOPLE = ("aqing", "xiaozhou", "zhixia")


def follow_all(shop: Shop) -> Merchant:
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")
        keep_awake(session, merchant.id)
    for person in PEOPLE:
        shop.follow(person)
    shop.drain()
    return merchant


def drafted(merchant: Merchant, **changes: Any) -> Broadcast:
    draft = Draft(
        **{"appid": OFFICIAL, "kind": "text", "audience": "followers", "text": WORDS} | changes
    )
    with transaction() as session:
        return broadcasts.create(session, merchant.id, draft, actor="staff:1", now=clock.now())


def launched(shop: Shop, broadcast: Broadcast) -> None:
    remote.preview(broadcast.id, actor="staff:1", openid=shop.openid("aqing"))
    with transaction() as session:
        fresh = session.get_one(Broadcast, broadcast.id)
        broadcasts.launch(session, fresh, actor="staff:1", now=clock.now())
    shop.drain()


def tagged_at(shop: Shop, *people: str) -> int:
    """A tag of WeChat's that they wear, and that we know."""
    tag = int(shop.world.tags.create(OFFICIAL, "常客"))
    for person in people:
        follow = shop.world.followers.find(OFFICIAL, shop.openid(person))
        assert follow is not None
        follow.tags = [tag]
    with transaction() as session:
        session.add(AccountTag(appid=OFFICIAL, name="常客", tag_id=tag))
    return tag


def member_of(session: Session, shop: Shop, person: str) -> Member:
    known = select(Identity.person_id).where(Identity.openid == shop.openid(person))
    return session.scalars(select(Member).where(Member.person_id.in_(known))).one()


def state(broadcast: Broadcast) -> tuple[str, str]:
    with reading() as session:
        found = session.get_one(Broadcast, broadcast.id)
        return found.state.value, found.reason


def only_mass() -> MassSend:
    with reading() as session:
        return session.scalars(select(MassSend)).one()


def used() -> dict[str, int]:
    with reading() as session:
        found = session.execute(
            select(BroadcastQuota.openid, BroadcastQuota.used).where(BroadcastQuota.openid != "")
        )
        return dict(found.all())


def finish(shop: Shop, status: str = "send success") -> None:
    masses.finish(shop.world, int(only_mass().msg_id), status)
    shop.drain()


def test_in_the_quiet_hours_a_broadcast_waits(shop: Shop) -> None:
    merchant = follow_all(shop)
    now = clock.now()
    hour = clock.local(now).hour
    with transaction() as session:
        quiet = (hour, (hour + 2) % 24)
        contacts.set_rules(session, merchant.id, quiet_hours=quiet, actor="staff:1", now=now)
    broadcast = drafted(merchant)

    launched(shop, broadcast)

    assert state(broadcast) == ("gathering", "")
    assert shop.world.masses.list() == []


def test_a_broadcast_is_looked_at_then_reaches_every_follower_once(shop: Shop) -> None:
    merchant = follow_all(shop)
    broadcast = drafted(merchant, page="pages/home/home")
    with transaction() as session, pytest.raises(BroadcastMoved):
        fresh = session.get_one(Broadcast, broadcast.id)
        broadcasts.launch(session, fresh, actor="staff:1", now=clock.now())

    launched(shop, broadcast)
    finish(shop)

    assert state(broadcast) == ("finished", "")
    mass = only_mass()
    assert (mass.state, mass.addressed, mass.total_count, mass.sent_count, mass.error_count) == (
        MassState.finished, 3, 3, 3, 0,
    )  # fmt: skip
    told = [m["text"] for m in shop.chat("xiaozhou") if WORDS in m.get("text", "")]
    assert len(told) == 1
    assert 'data-miniprogram-path="pages/home/home"' in told[0]
    assert len([m for m in shop.chat("aqing") if WORDS in m.get("text", "")]) == 2  # and a preview
    assert used() == {shop.openid(person): 1 for person in PEOPLE}


def test_words_that_changed_have_to_be_looked_at_again(shop: Shop) -> None:
    merchant = follow_all(shop)
    broadcast = drafted(merchant)
    remote.preview(broadcast.id, actor="staff:1", wechat_id="zhixia")
    assert state(broadcast) == ("previewed", "")

    other = Draft(OFFICIAL, "text", "followers", text="换一句")
    with transaction() as session:
        fresh = session.get_one(Broadcast, broadcast.id)
        broadcasts.change(session, fresh, other, actor="staff:1", now=clock.now())

    assert state(broadcast) == ("draft", "")
    with pytest.raises(WechatError):
        remote.preview(broadcast.id, actor="staff:1", wechat_id="nobody")
    assert state(broadcast) == ("draft", "")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"text": " "}, "text"),
        ({"text": "字" * 601}, "text"),
        ({"appid": "wx0"}, "appid"),
        ({"audience": "campaign"}, "audience"),
        ({"audience": "segment"}, "segment"),
        ({"audience": "tag"}, "tag"),
        ({"audience": "tag", "tag_id": 777}, "tag"),
        ({"kind": "article", "title": "", "body": "正文"}, "title"),
        ({"kind": "article", "title": "题", "body": "正文", "url": "javascript:1"}, "url"),
    ],
)
def test_what_is_missing_is_said(shop: Shop, changes: dict[str, Any], field: str) -> None:
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")

    with pytest.raises(BroadcastInvalid) as refused:
        drafted(merchant, **changes)

    assert field in refused.value.errors
    with reading() as session:
        assert session.scalars(select(Broadcast)).all() == []


def test_without_an_answer_it_is_asked_again_under_the_same_number(shop: Shop) -> None:
    merchant = follow_all(shop)
    broadcast = drafted(merchant)
    shop.fault(api="api.mass_send", kind="drop_after", times=1)

    launched(shop, broadcast)

    assert only_mass().state is MassState.unknown
    with pytest.raises(WechatError) as soon:
        remote.send(only_mass().id)
    assert soon.value.errcode == 45066
    shop.world.clock.offset += 61
    try:
        assert remote.send(only_mass().id) is MassState.accepted
    finally:
        shop.world.clock.offset -= 61
    finish(shop)

    assert state(broadcast) == ("finished", "")
    assert len([m for m in shop.chat("xiaozhou") if WORDS in m.get("text", "")]) == 1
    assert set(used().values()) == {1}


def test_the_event_may_be_faster_than_the_answer(shop: Shop) -> None:
    merchant = follow_all(shop)
    broadcast = drafted(merchant)
    shop.fault(api="api.mass_send", kind="drop_after", times=1)
    launched(shop, broadcast)
    sent = shop.world.masses.list()[-1]

    masses.finish(shop.world, sent.msg_id)
    shop.drain()
    assert only_mass().state is MassState.unknown
    shop.world.clock.offset += 61
    try:
        remote.send(only_mass().id)
    finally:
        shop.world.clock.offset -= 61

    assert (only_mass().state, only_mass().sent_count) == (MassState.finished, 3)
    assert state(broadcast) == ("finished", "")


def test_a_refusal_gives_everybody_their_broadcast_back(shop: Shop) -> None:
    merchant = follow_all(shop)
    refused, banned = drafted(merchant), drafted(merchant, text="另一句")
    shop.fault(api="api.mass_send", kind="error", errcode=45028, times=1)

    launched(shop, refused)
    assert state(refused) == ("failed", "")
    assert set(used().values()) == {0}
    with transaction() as session:
        session.query(BroadcastRecipient).delete()
        session.query(MassSend).delete()
    launched(shop, banned)
    assert set(used().values()) == {1}
    finish(shop, "err(20002)")

    assert state(banned) == ("failed", "")
    assert (only_mass().state, only_mass().status) == (MassState.failed, "err(20002)")
    assert set(used().values()) == {0}


def test_a_busy_wechat_is_asked_later_and_an_event_that_never_came_is_asked_after(
    shop: Shop,
) -> None:
    merchant = follow_all(shop)
    broadcast = drafted(merchant)
    shop.fault(api="api.mass_send", kind="error", errcode=-1, times=1)
    launched(shop, broadcast)
    assert only_mass().state is MassState.prepared

    assert remote.send(only_mass().id) is MassState.accepted
    mass = shop.world.masses.find(only_mass().msg_id)
    assert mass is not None
    mass.status = "SEND_SUCCESS"  # and no event is ever pushed
    with transaction() as session:
        session.get_one(MassSend, only_mass().id).changed_at = clock.now() - timedelta(hours=2)
    with transaction() as session:
        enqueue(session, "messaging.sweep_broadcasts")
    shop.drain()

    assert (only_mass().state, only_mass().sent_count) == (MassState.finished, None)
    assert state(broadcast) == ("finished", "")


def test_who_has_none_left_and_who_refuses_is_left_out(shop: Shop) -> None:
    merchant = follow_all(shop)
    with transaction() as session:
        quotas.spend(session, OFFICIAL, [shop.openid("aqing")], now=clock.now())
        claim(session, BroadcastQuota.__table__.update().values(used=4))  # type: ignore[attr-defined]
    broadcast = drafted(merchant)

    launched(shop, broadcast)

    with reading() as session:
        assert launching.count_addressed(session, broadcast.id) == {"": 2, "broadcast_spent": 1}
    finish(shop)
    assert not [m for m in shop.chat("aqing") if m.get("text") == WORDS][1:]  # only the preview
    assert used()[shop.openid("aqing")] == 4


def test_who_has_had_enough_marketing_is_left_out(shop: Shop) -> None:
    merchant = follow_all(shop)
    with transaction() as session:
        contacts.set_rules(session, merchant.id, actor="staff:1", now=clock.now(), most=1, days=7)
        member = member_of(session, shop, "aqing")
        contacts.claim_many(
            session, merchant.id, [member.id], kind="campaign", ref="9", now=clock.now()
        )
    broadcast = drafted(merchant)

    launched(shop, broadcast)

    with reading() as session:
        assert launching.count_addressed(session, broadcast.id) == {"": 2, "frequency": 1}
    assert used() == {shop.openid(person): 1 for person in PEOPLE[1:]}
    again = drafted(merchant, text="又一句")
    launched(shop, again)
    assert state(again) == ("failed", "nobody")  # everybody has had the one of this week
    assert used() == {shop.openid(person): 1 for person in PEOPLE[1:]}


def test_one_person_is_no_list(shop: Shop) -> None:
    merchant = follow_all(shop)
    for person in PEOPLE[1:]:
        shop.unfollow(person)
    broadcast = drafted(merchant)

    launched(shop, broadcast)

    assert state(broadcast) == ("failed", "nobody")
    with reading() as session:
        assert launching.count_addressed(session, broadcast.id) == {"broadcast_alone": 1}
    assert set(used().values()) == {0}
    assert shop.world.masses.list() == []


def test_to_a_tag_and_to_all_wechat_finds_the_people(shop: Shop) -> None:
    merchant = follow_all(shop)
    tag = tagged_at(shop, "zhixia", "aqing")
    tagged = drafted(merchant, audience="tag", tag_id=tag)

    launched(shop, tagged)
    finish(shop)

    assert state(tagged) == ("finished", "")
    assert used() == {shop.openid("zhixia"): 1, shop.openid("aqing"): 1}
    everybody = drafted(merchant, audience="all", text="给全部")
    launched(shop, everybody)
    assert shop.world.masses.list()[-1].to_all
    assert used() == {shop.openid("zhixia"): 2, shop.openid("aqing"): 2, shop.openid("xiaozhou"): 1}


def test_to_a_tag_who_refuses_and_who_has_had_enough_is_left_out(shop: Shop) -> None:
    merchant = follow_all(shop)
    fourth = shop.world.people.create("陈小满").id
    shop.follow(fourth)
    shop.drain()
    tag = tagged_at(shop, *PEOPLE, fourth)
    with transaction() as session:
        contacts.set_rules(session, merchant.id, actor="staff:1", now=clock.now(), most=1, days=7)
        tired = member_of(session, shop, "aqing")
        cause = {"kind": "campaign", "ref": "9", "now": clock.now()}
        contacts.claim_many(session, merchant.id, [tired.id], **cause)
        consent.change(
            session, member_of(session, shop, "zhixia"), marketing=False, now=clock.now()
        )
    broadcast = drafted(merchant, audience="tag", tag_id=tag)

    launched(shop, broadcast)
    finish(shop)

    with reading() as session:
        found = launching.count_addressed(session, broadcast.id)
        assert found == {"": 2, "no_consent": 1, "frequency": 1}
        taken = select(MarketingContact.member_id).where(MarketingContact.kind == "broadcast")
        both = {member_of(session, shop, person).id for person in ("xiaozhou", fourth)}
        assert set(session.scalars(taken)) == both
    [mass] = shop.world.masses.list()
    assert sorted(mass.touser) == sorted([shop.openid("xiaozhou"), shop.openid(fourth)])
    assert not mass.to_all
    assert used() == {shop.openid("xiaozhou"): 1, shop.openid(fourth): 1}


def test_who_refuses_while_the_list_is_drawn_up_is_left_out(shop: Shop) -> None:
    merchant = follow_all(shop)
    broadcast = drafted(merchant)
    with transaction() as session:
        session.get_one(Broadcast, broadcast.id).state = BroadcastState.gathering
        broadcasting.address(session, broadcast, 0, now=clock.now())
        consent.change(
            session, member_of(session, shop, "zhixia"), marketing=False, now=clock.now()
        )

        broadcasting.spend_slice(session, broadcast, 0, now=clock.now())

    with reading() as session:
        assert launching.count_addressed(session, broadcast.id) == {"": 2, "no_consent": 1}
    assert used() == {shop.openid("aqing"): 1, shop.openid("xiaozhou"): 1}


def test_on_an_account_that_several_share_nobody_broadcasts(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = follow_all(shop)
    monkeypatch.setitem(find_official(OFFICIAL).__dict__, "merchant", None)
    alone = drafted(merchant)
    remote.preview(alone.id, actor="staff:1", openid=shop.openid("aqing"))
    with transaction() as session:
        rival = make_merchant(session, code="rival")

    with pytest.raises(BroadcastInvalid) as refused:
        drafted(rival, text="隔壁的广告")
    with transaction() as session, pytest.raises(BroadcastInvalid):
        mine = session.get_one(Broadcast, alone.id)
        broadcasts.launch(session, mine, actor="staff:1", now=clock.now())

    assert refused.value.errors == {"appid": "选一个自己的公众号"}
    assert state(alone) == ("previewed", "")
    with reading() as session:
        assert session.scalars(select(Broadcast.id)).all() == [alone.id]
    assert shop.world.masses.list() == []


def test_an_article_becomes_a_draft_of_the_account_once(shop: Shop) -> None:
    merchant = follow_all(shop)
    object.__setattr__(find_official(OFFICIAL), "card_media_id", "cover")
    article = {"kind": "article", "title": "冬天的第一杯", "digest": "暖的", "body": "一\n<b>二"}
    broadcast = drafted(merchant, **article)

    launched(shop, broadcast)
    finish(shop)

    drafts = list(shop.world.masses._drafts.values())
    assert [draft["content"] for draft in drafts] == ["<p>一</p><p>&lt;b&gt;二</p>"]
    assert shop.chat("xiaozhou")[-1]["articles"][0]["title"] == "冬天的第一杯"


@pytest.fixture
def many(session: Session, now: datetime) -> Broadcast:
    merchant = make_merchant(session)
    broadcast = Broadcast(
        merchant_id=merchant.id,
        appid="wx7c3e1a905b2d4f60",
        name="上新",
        kind="text",
        content={"text": WORDS},
        audience=Audience.followers,
        state=BroadcastState.gathering,
        created_by="staff:1",
        created_at=now,
    )
    session.add(broadcast)
    session.flush()
    return broadcast


def test_twenty_thousand_and_one_are_cut_so_that_nobody_is_alone(
    session: Session, many: Broadcast, now: datetime
) -> None:
    launching.address(session, many.id, [f"o{number:06}" for number in range(20_001)])
    launching.address(session, many.id, ["o000000"])

    made = cutting.cut(session, many, now=now)

    sizes = [session.get_one(MassSend, mass_id).addressed for mass_id in made]
    assert sizes == [10_000, 9_999, 2]
    per_mass = session.execute(select(BroadcastRecipient.mass_send_id, BroadcastRecipient.id)).all()
    assert sorted({mass_id: 0 for mass_id, _ in per_mass}) == made
    counted = [sum(mass_id == made_id for mass_id, _ in per_mass) for made_id in made]
    assert counted == sizes


def test_a_followers_broadcast_leaves_out_who_refuses_marketing(
    session: Session, many: Broadcast, now: datetime
) -> None:
    merchant = session.get_one(Merchant, many.merchant_id)
    for consents in (True, False):
        known = make_recognition(session, kind=IdentityKind.official, openid=f"o{consents}")
        make_follower(session, merchant=merchant, identity=known.identity)
        make_member(session, merchant=merchant, person=known.person, marketing_consent=consents)
    make_follower(session, openid="oStranger")
    make_follower(session, openid="oLeft", subscribed=False)

    for _ in range(2):
        last = broadcasting.address(session, many, 0, now=now)
        assert last is not None
        assert broadcasting.address(session, many, last, now=now) is None

    found = session.scalars(select(BroadcastRecipient.openid))
    assert sorted(found) == ["oStranger", "oTrue"]


def test_the_month_is_chinas_and_a_saved_one_is_kept(session: Session, now: datetime) -> None:
    new_years_eve = datetime(2026, 12, 31, 16, 30, tzinfo=UTC)  # half past midnight in Shanghai

    assert quotas.month_of(now) == 202611
    assert quotas.month_of(new_years_eve) == 202701
    spent = [quotas.spend(session, OFFICIAL, ["o1"], now=now, keep=1) for _ in range(4)]
    assert spent == [{"o1"}, {"o1"}, {"o1"}, set()]
    assert quotas.spend(session, OFFICIAL, ["o1", "o2"], now=now) == {"o1", "o2"}
    assert quotas.spend(session, OFFICIAL, ["o1"], now=now) == set()
    assert quotas.spend(session, OFFICIAL, ["o1"], now=new_years_eve) == {"o1"}
    assert quotas.used_by(session, OFFICIAL, ["o1", "o2"], now) == {"o1": 4, "o2": 1}
