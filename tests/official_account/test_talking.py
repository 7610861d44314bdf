"""Words, clicks, scans by staff, and everything else WeChat may push."""

from typing import Any

import pytest
from sqlalchemy import func, select

from core import clock, lockouts
from core.audit import AuditEntry
from core.database import reading, transaction
from core.inbox import InboundEvent
from core.metrics import SECURITY_EVENTS
from core.outbox import enqueue
from coupons import codes
from coupons.models import Coupon, CouponState, CouponTemplate
from merchants import staff as merchant_staff
from merchants.models import Role, Staff, Store
from messaging import replies
from messaging.models import (
    AccountTag,
    ChatMessage,
    MessageWindow,
    OutboundMessage,
    OutboundState,
    SubscribeGrant,
)
from messaging.scenes import create_invite_scene, scene_text
from sandbox import acts, pushes
from sandbox.demo_config import MINI, OFFICIAL, SUBSCRIBE_TEMPLATES
from sandbox.wechat import crypto
from tests.factories.catalogue import make_product
from tests.factories.messaging import make_message
from tests.official_account.conftest import TeaShop
from tests.official_account.test_following import event, post


def outcome(tea: TeaShop) -> list[tuple[str, str, str]]:
    with reading() as session:
        rows = session.execute(
            select(InboundEvent.kind, InboundEvent.state, InboundEvent.outcome).order_by(
                InboundEvent.id
            )
        )
        return [(kind, state.value, word) for kind, state, word in rows]


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ("营业", "每天 9 点开门"),
        ("你们营业时间是？", "9 点到 22 点"),
        ("随便说说", "收到啦"),
    ],
)
def test_words_are_answered_and_open_the_window(tea: TeaShop, said: str, heard: str) -> None:
    tea.shop.follow("aqing")
    tea.shop.drain()

    tea.shop.say("aqing", said)

    assert tea.shop.chat("aqing")[-1]["text"] == heard
    tea.shop.drain()
    with reading() as session:
        kinds = {kind.value: left for kind, left in session.execute(_windows())}
        assert kinds["user_message"] == 5
        log = session.execute(
            select(ChatMessage.direction, ChatMessage.text).order_by(ChatMessage.id)
        ).all()
        assert [(d.value, text) for d, text in log[-2:]] == [("in", said), ("out", heard)]


def _windows() -> Any:
    return select(MessageWindow.kind, MessageWindow.remaining)


def test_a_menu_click_is_answered(tea: TeaShop) -> None:
    _publish(tea)
    tea.shop.follow("aqing")

    told = acts.tap(
        tea.shop.world,
        tea.shop.person("aqing"),
        tea.shop.world.settings.accounts[OFFICIAL],
        [2, 3],
    )

    assert told["delivered"] is True, told
    assert tea.shop.chat("aqing")[-1]["text"] == "请留言"


def _publish(tea: TeaShop) -> None:
    with transaction() as session:
        enqueue(session, "messaging.publish_menus", appid=OFFICIAL)
    assert tea.shop.drain() == ["messaging.publish_menus:done"]


def make_clerk(tea: TeaShop, person: str = "xiaozhou") -> str:
    """A clerk binds WeChat by scanning an invite; returns what the clerk was told."""
    with transaction() as session:
        now = clock.now()
        code = merchant_staff.invite(
            session,
            merchant_id=tea.merchant.id,
            name="小周",
            role=Role.clerk,
            store_ids=[tea.store.id],
            now=now,
        )
        scene = create_invite_scene(
            session,
            merchant_id=tea.merchant.id,
            appid=OFFICIAL,
            invite_code=code,
            expires_at=now + merchant_staff.LIFETIME,
            now=now,
        )
    tea.shop.drain()
    tea.shop.scan(person, scene_text(scene))
    told = tea.shop.chat(person)[-1]["text"]
    tea.shop.drain()
    tea.invite_text = scene_text(scene)  # type: ignore[attr-defined]
    return str(told)


def test_an_invite_is_not_kept_in_clear(tea: TeaShop) -> None:
    make_clerk(tea)
    tea.shop.scan("aqing", tea.invite_text)  # type: ignore[attr-defined]

    with reading() as session:
        kept = list(session.scalars(select(InboundEvent)))
    assert {row.kind for row in kept} & {"scan", "subscribe"}
    invite = tea.invite_text  # type: ignore[attr-defined]
    for row in kept:
        assert invite not in f"{row.external_id} {row.body} {row.raw}"


def test_an_invite_makes_a_clerk_who_sees_the_staff_menu(tea: TeaShop) -> None:
    _publish(tea)

    told = make_clerk(tea)

    assert told.startswith("小周，绑定成功")
    assert tea.shop.chat("xiaozhou")[-1]["text"] == told, "a clerk is not welcomed as a customer"
    with reading() as session:
        clerk = session.scalars(select(Staff)).one()
        assert merchant_staff.stores_of(session, clerk) == [tea.store.id]
        assert session.scalars(select(AccountTag.name)).one() == "店员"
    published = tea.shop.world.menus.of(OFFICIAL)
    assert published.default is not None
    assert len(published.conditional) == 1
    seen = tea.shop.wechat.server.app.test_client().get(
        f"/sandbox/api/people/xiaozhou/chat?appid={OFFICIAL}"
    )
    menu = seen.get_json()["menu"]
    assert menu["conditional"] is True
    assert [button["name"] for button in menu["button"]] == ["扫码核销", "今日订单", "店务"]

    tea.shop.scan("aqing", tea.invite_text)  # type: ignore[attr-defined]
    assert "邀请已经用过或过期" in tea.shop.chat("aqing")[-1]["text"]
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Staff)) == 1


def scan_coupon(tea: TeaShop, person: str, token: str) -> str:
    push = event(
        tea.shop,
        "scancode_waitmsg",
        person,
        EventKey="redeem",
        ScanCodeInfo={"ScanType": "qrcode", "ScanResult": token},
    )
    tea.shop.wechat.set_mode("plain")
    status, body = post(tea.shop, push)
    assert status == 200
    return body


def test_a_clerk_scans_a_coupon_and_gets_a_link_to_confirm(tea: TeaShop) -> None:
    tea.shop.scan("aqing", tea.store_scene.code)
    tea.shop.drain()
    make_clerk(tea)
    with reading() as session:
        coupon = session.scalars(select(Coupon).order_by(Coupon.id)).first()
    assert coupon is not None
    token, _ = codes.rotating(coupon.code, clock.now())

    body = scan_coupon(tea, "xiaozhou", token)

    assert "新人 8 元券" in body
    assert f"/console/redeem?token={token}" in body
    with reading() as session:
        assert session.get_one(Coupon, coupon.id).state is CouponState.issued


def test_the_chat_names_the_goods_that_a_coupon_is_for(tea: TeaShop) -> None:
    tea.shop.scan("aqing", tea.store_scene.code)
    tea.shop.drain()
    make_clerk(tea)
    with transaction() as session:
        coupon = session.scalars(select(Coupon).order_by(Coupon.id)).first()
        assert coupon is not None
        store = session.get_one(Store, tea.store.id)
        names = ("燕麦拿铁", "桂花乌龙")
        goods = [make_product(session, store, name=name).id for name in names]
        session.get_one(CouponTemplate, coupon.template_id).product_ids = goods

    body = scan_coupon(tea, "xiaozhou", codes.rotating(coupon.code, clock.now())[0])

    assert "仅限：燕麦拿铁、桂花乌龙" in body


NO_CODE = "没有扫到券码，请对准顾客手机上的券码再试一次。"
NO_COUPON = "没有这张券，看看有没有输错"


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", NO_CODE),
        ("nonsense", NO_COUPON),
        ("LL1.1.1.1", NO_COUPON),
        ("https://evil.example", NO_COUPON),
        ("9" * 300, NO_CODE),
    ],
)
def test_what_is_no_coupon_gets_a_plain_word(tea: TeaShop, token: str, said: str) -> None:
    make_clerk(tea)

    body = scan_coupon(tea, "xiaozhou", token)

    assert f"<Content><![CDATA[{said}]]></Content>" in body


def test_guessing_codes_in_the_chat_locks_the_clerk_out(tea: TeaShop) -> None:
    make_clerk(tea)
    with transaction() as session:
        clerk = session.scalars(select(Staff)).one()
        for _ in range(9):
            lockouts.fail(session, f"codes:staff:{clerk.id}", now=clock.now())

    assert NO_COUPON in scan_coupon(tea, "xiaozhou", "LL1.1.1.1")

    with reading() as session, pytest.raises(lockouts.LockedOut):
        lockouts.check(session, f"codes:staff:{clerk.id}", now=clock.now())
    with reading() as session:
        refused = select(AuditEntry).where(AuditEntry.action == "chat.refused")
        [entry] = session.scalars(refused)
    assert (entry.after, entry.reason) == ({"command": "核销", "by": "chat"}, NO_COUPON)


def test_only_staff_redeem(tea: TeaShop) -> None:
    tea.shop.follow("aqing")

    body = scan_coupon(tea, "aqing", "LL1.1.1.1")

    assert "只给店员使用" in body


@pytest.mark.parametrize(
    ("name", "fields", "word"),
    [
        ("card_pass_check", {"CardId": "x"}, "ignored"),
        ("user_authorization_revoke", {"OpenID": "x", "AppID": "y", "RevokeInfo": "1"}, "handled"),
        ("MASSSENDJOBFINISH", {"MsgID": "7", "Status": "send success"}, "handled"),
        ("SOMETHING_NEW_IN_2030", {"What": {"Ever": ["a", "b"]}}, "ignored"),
        ("LOCATION", {"Latitude": "31.2", "Longitude": "121.4", "Precision": "60"}, "handled"),
        ("VIEW", {"EventKey": "https://x", "MenuId": "1"}, "handled"),
    ],
)
def test_every_event_is_accepted_and_recorded(
    tea: TeaShop, name: str, fields: dict[str, Any], word: str
) -> None:
    status, body = post(tea.shop, event(tea.shop, name, **fields))

    assert (status, body) == (200, "success")
    assert outcome(tea) == [(name.lower(), "done", word)]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("image", {"PicUrl": "http://x/1.jpg", "MediaId": "m"}),
        ("voice", {"MediaId": "m", "Format": "amr"}),
        ("location", {"Location_X": "31", "Location_Y": "121", "Scale": "15", "Label": "店"}),
        ("link", {"Title": "t", "Description": "d", "Url": "u"}),
        ("hologram", {"Depth": "3"}),
    ],
)
def test_every_kind_of_message_is_answered(tea: TeaShop, kind: str, fields: dict[str, Any]) -> None:
    account = tea.shop.world.settings.accounts[OFFICIAL]
    push = pushes.build(
        tea.shop.world,
        account,
        tea.shop.person("aqing"),
        tea.shop.openid("aqing"),
        MsgType=kind,
        title="",
        **fields,
    )

    status, body = post(tea.shop, push)

    assert status == 200
    assert body != "success"
    assert outcome(tea) == [(kind, "received", "kept")]
    tea.shop.drain()
    assert outcome(tea) == [(kind, "done", "handled")]


def test_grants_follow_wechats_events(tea: TeaShop) -> None:
    ready, arrived = SUBSCRIBE_TEMPLATES["order_ready"], SUBSCRIBE_TEMPLATES["coupon_arrived"]
    answers = {ready: "accept", arrived: "accept"}
    tea.shop.app_post("people/aqing/subscribe", {"appid": MINI, "answers": answers, "wait": True})
    account = tea.shop.world.settings.accounts[MINI]
    whose = (tea.shop.world, account, tea.shop.person("aqing"), tea.shop.openid("aqing", MINI))

    off = {"TemplateId": ready, "SubscribeStatusString": "reject"}
    changed = pushes.build(
        *whose,
        MsgType="event",
        Event="subscribe_msg_change_event",
        SubscribeMsgChangeEvent={"List": off},
        title="",
    )
    assert post(tea.shop, changed) == (200, "success")

    with reading() as session:
        rows = session.execute(select(SubscribeGrant.template_id, SubscribeGrant.remaining))
        assert {template: left for template, left in rows} == {ready: 0, arrived: 1}  # noqa: C416


@pytest.mark.parametrize(
    ("status", "state"),
    [("success", "sent"), ("failed:user block", "failed"), ("failed: system failed", "failed")],
)
def test_a_receipt_corrects_what_we_thought(tea: TeaShop, status: str, state: str) -> None:
    with transaction() as session:
        message = make_message(session, tea.shop.openid("aqing"))
        message.state, message.remote_id = OutboundState.sent, "100200"

    answer = post(tea.shop, event(tea.shop, "TEMPLATESENDJOBFINISH", MsgID=100200, Status=status))

    assert answer == (200, "success")
    with reading() as session:
        assert session.get_one(OutboundMessage, message.id).state.value == state


def test_the_address_is_verified(tea: TeaShop) -> None:
    for appid, path in ((OFFICIAL, "official"), (MINI, "miniprogram")):
        token = tea.shop.world.settings.accounts[appid].token
        query = {"timestamp": "1714036504", "nonce": "1514711492", "echostr": "4375120948345356249"}
        query["signature"] = crypto.signature(token, query["timestamp"], query["nonce"])
        client = tea.shop.app.test_client()

        right = client.get(f"/wechat/{path}/{appid}", query_string=query)
        wrong = client.get(f"/wechat/{path}/{appid}", query_string={**query, "nonce": "1"})

        assert (right.status_code, right.data) == (200, b"4375120948345356249")
        assert right.mimetype == "text/plain"
        assert wrong.status_code == 403
        assert client.get(f"/wechat/{path}/wxnobody000", query_string=query).status_code == 404


def test_a_repeated_message_hears_the_same_and_counts_once(tea: TeaShop) -> None:
    account = tea.shop.world.settings.accounts[OFFICIAL]
    person, openid = tea.shop.person("aqing"), tea.shop.openid("aqing")
    push = pushes.build(
        tea.shop.world, account, person, openid, MsgType="text", Content="营业", title=""
    )
    tea.shop.wechat.set_mode("plain")

    heard = [post(tea.shop, push)]
    with transaction() as session:
        replies.set_answer(session, appid=OFFICIAL, kind=replies.KEYWORD, word="营业", text="改了")
    heard.append(post(tea.shop, push))
    tea.shop.drain()
    heard.append(post(tea.shop, push))
    tea.shop.drain()

    assert ["每天 9 点开门" in body for status, body in heard if status == 200] == [True] * 3
    with reading() as session:
        log = list(session.scalars(select(ChatMessage.text).order_by(ChatMessage.id)))
    assert log == ["营业", "每天 9 点开门"]
    assert outcome(tea) == [("text", "done", "handled")]


def test_many_messages_are_acted_upon_by_few_jobs(tea: TeaShop) -> None:
    tea.shop.follow("aqing")
    tea.shop.drain()
    with transaction() as session:
        session.query(ChatMessage).delete()

    for said in ("一", "二", "三"):
        tea.shop.say("aqing", said)
    ran = tea.shop.drain()

    assert set(ran) == {"messaging.act_on_kept:done"}
    assert len(ran) <= 2  # one at once, one for whoever comes in the next half second
    with reading() as session:
        log = list(session.scalars(select(ChatMessage.text).order_by(ChatMessage.id)))
    assert log == ["一", "收到啦", "二", "收到啦", "三", "收到啦"]


@pytest.mark.parametrize(("expected", "pushed"), [("safe", "plain"), ("plain", "safe")])
def test_what_the_accounts_mode_does_not_allow_is_refused(
    tea: TeaShop, expected: str, pushed: str
) -> None:
    tea.shop.wechat.set_mode(expected)
    tea.shop.wechat.push_in(pushed)
    counted = SECURITY_EVENTS.labels("wrong_callback_mode")
    before = counted._value.get()

    for appid, name in ((OFFICIAL, "subscribe"), (MINI, "subscribe_msg_popup_event")):
        account = tea.shop.world.settings.accounts[appid]
        person, openid = tea.shop.person("aqing"), tea.shop.openid("aqing", appid)
        fields = {"MsgType": "event", "Event": name, "title": ""}
        push = pushes.build(tea.shop.world, account, person, openid, **fields)
        status, body = post(tea.shop, push)
        assert status == 403
        assert "wrong_callback_mode" in body

    assert counted._value.get() == before + 2
    assert outcome(tea) == []


def test_yesterdays_message_is_refused(tea: TeaShop) -> None:
    tea.shop.wechat.set_mode("plain")
    account = tea.shop.world.settings.accounts[OFFICIAL]
    query, body, _ = pushes.sealed(tea.shop.world, event(tea.shop, "subscribe"))
    query["timestamp"] = str(int(query["timestamp"]) - 86_400)
    query["signature"] = crypto.signature(account.token, query["timestamp"], query["nonce"])

    answer = tea.shop.app.test_client().post(
        account.callback_path, query_string=query, data=body, content_type="text/xml"
    )

    assert answer.status_code == 403
    assert answer.get_json()["code"] == "stale_message"
    assert outcome(tea) == []
