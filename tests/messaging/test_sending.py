"""Outbound messages: once per key, along the map, never resent unless WeChat would notice."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import clock
from core.config import current_config
from core.database import reading, transaction
from gateways.wechat.errors import WechatError
from messaging import grants, remote, rules, sending, templates
from messaging.models import Channel as Ch
from messaging.models import (
    ChatMessage,
    MessageWindow,
    OutboundMessage,
    OutboundState,
    SubscribeGrant,
)
from messaging.words import gift_message
from sandbox.demo_config import MINI, OFFICIAL, SUBSCRIBE_TEMPLATES, TEMPLATES
from tests.factories.messaging import make_grant, make_message, make_window
from tests.wechat_world import Shop

READY_WORDS = {"character_string1": "A217", "thing2": "杨枝甘露", "thing3": "静安寺店"}
READY, COUPON = SUBSCRIBE_TEMPLATES["order_ready"], SUBSCRIBE_TEMPLATES["coupon_arrived"]


def state_of(message: OutboundMessage) -> tuple[str, int | None, str]:
    with reading() as session:
        found = sending.get_message(session, message.id)
        return found.state.value, found.errcode, found.reason


def prepared(shop: Shop, person: str = "aqing", **values: object) -> OutboundMessage:
    with transaction() as session:
        return make_message(session, shop.openid(person), now=clock.now(), **values)  # type: ignore[arg-type]


def open_window(shop: Shop, person: str = "aqing", remaining: int = 5) -> None:
    with transaction() as session:
        make_window(session, shop.openid(person), remaining=remaining, opened_at=clock.now())


def test_a_key_is_used_once(session: Session, now: datetime) -> None:
    values = {"key": "welcome:1", "appid": "wx", "openid": "o", "kind": "notice", "now": now}
    first = sending.prepare(
        session, channel=Ch.customer_service, payload={"type": "text", "text": "一"}, **values
    )
    again = sending.prepare(
        session, channel=Ch.customer_service, payload={"type": "text", "text": "二"}, **values
    )

    assert first is not None
    assert again is None
    assert session.scalar(select(func.count()).select_from(OutboundMessage)) == 1


@pytest.mark.parametrize(
    ("channel", "kind", "payload", "moment", "said"),
    [
        (Ch.template, "campaign", {"data": {"thing1": "新品上市"}}, "order_ready", "模板消息只能"),
        (Ch.template, "reminder", {"data": {"thing1": "快过期"}}, None, "模板消息只能"),
        (Ch.template, "order", {"data": {"thing1": "送您一张优惠券"}}, "order_ready", "「优惠券」"),
        (Ch.template, "order", {"data": {"a": "满·减 到店", "b": "即享"}}, None, "「满减」"),
        (Ch.template, "order", {"data": {"thing1": "红 包 等你"}}, "order_ready", "「红包」"),
        (Ch.template, "order", {"data": {"thing1": "订单已完成"}}, "order_ready", ""),
        (Ch.subscribe, "campaign", {"data": {}}, "order_ready", "不是用来通知优惠券"),
        (Ch.subscribe, "campaign", {"data": {}}, None, "不是用来通知优惠券"),
        (Ch.subscribe, "campaign", {"data": {}}, "coupon_arrived", ""),
        (Ch.subscribe, "reminder", {"data": {}}, "coupon_expiring", ""),
        (Ch.subscribe, "order", {"data": {}}, "order_ready", ""),
        (Ch.customer_service, "campaign", {"type": "text", "text": "优惠券"}, None, ""),
    ],
)
def test_no_coupon_and_no_advert_in_service_templates(
    channel: Ch, kind: str, payload: dict[str, object], moment: str | None, said: str
) -> None:
    if not said:
        rules.refuse_marketing(channel, kind, payload, moment=moment)
        return

    with pytest.raises(rules.MarketingInTemplate) as refused:
        rules.refuse_marketing(channel, kind, payload, moment=moment)

    assert said in refused.value.detail


def test_a_template_is_known_by_the_moment_it_is_bound_to(shop: Shop) -> None:
    assert templates.moment_of(MINI, COUPON) == "coupon_arrived"
    assert templates.moment_of(MINI, READY) == "order_ready"
    assert templates.moment_of(OFFICIAL, TEMPLATES["new_order"]) == "new_order"
    assert templates.moment_of(MINI, "somebody-elses") is None
    assert templates.is_for_marketing("coupon_arrived")
    assert not templates.is_for_marketing("order_ready")
    assert not templates.is_for_marketing(None)


def test_a_message_reaches_the_chat_once(shop: Shop) -> None:
    shop.follow("aqing")
    open_window(shop)
    message = prepared(shop)

    assert remote.deliver(message.id) is OutboundState.sent
    assert remote.deliver(message.id) is OutboundState.sent

    assert [m["text"] for m in shop.chat("aqing") if m["text"] == "你好"] == ["你好"]
    with reading() as session:
        logged = session.scalars(select(ChatMessage).where(ChatMessage.text == "你好")).one()
        assert (logged.direction, logged.kind) == ("out", "customer_service")


def test_without_a_window_nothing_is_asked(shop: Shop) -> None:
    message = prepared(shop)

    assert remote.deliver(message.id) is OutboundState.failed

    assert state_of(message) == ("failed", None, "window_closed")


def test_wechats_refusal_is_final_and_closes_our_window(shop: Shop) -> None:
    open_window(shop)  # we think so; WeChat does not: nobody ever wrote
    message = prepared(shop)

    assert remote.deliver(message.id) is OutboundState.failed

    assert state_of(message)[0] == "failed"
    assert state_of(message)[1] in (45015, 45047)
    with reading() as session:
        assert list(session.scalars(select(MessageWindow.remaining))) == [0]


def test_busy_wechat_is_asked_again_and_nothing_is_lost(shop: Shop) -> None:
    shop.follow("aqing")
    open_window(shop, remaining=1)
    message = prepared(shop)
    shop.fault(api="api.custom_send", kind="error", errcode=-1)

    with pytest.raises(WechatError):
        remote.deliver(message.id)

    assert state_of(message) == ("prepared", None, "wechat_busy")
    assert remote.deliver(message.id) is OutboundState.sent


def test_no_answer_is_unknown_and_never_sent_again(shop: Shop) -> None:
    shop.follow("aqing")
    open_window(shop)
    message = prepared(shop)
    shop.fault(api="api.*_send", kind="drop_after", times=1)

    assert remote.deliver(message.id) is OutboundState.unknown
    assert remote.deliver(message.id) is OutboundState.unknown

    assert state_of(message) == ("unknown", None, "no_answer")
    assert len([m for m in shop.chat("aqing") if m["text"] == "你好"]) == 1
    with reading() as session:
        assert sending.list_to_ask_again(session, now=clock.now()) == []


def test_a_template_message_without_answer_is_asked_for_again_and_shown_once(shop: Shop) -> None:
    shop.follow("aqing")
    message = prepared(
        shop,
        channel=Ch.template,
        kind="order",
        payload={"template_id": TEMPLATES["order_ready"], "data": READY_WORDS},
    )
    shop.fault(api="api.*_send", kind="drop_after", times=1)

    assert remote.deliver(message.id) is OutboundState.unknown
    with reading() as session:
        assert sending.list_to_ask_again(session, now=clock.now()) == [message.id]
        late = clock.now() + timedelta(minutes=10)
        assert sending.list_to_ask_again(session, now=late) == []
    assert remote.deliver(message.id) is OutboundState.sent

    assert len([m for m in shop.chat("aqing") if m["kind"] == "template"]) == 1


def test_a_subscribe_message_spends_its_grant(shop: Shop) -> None:
    openid = shop.openid("aqing", MINI)
    with transaction() as session:
        make_grant(session, openid, READY, remaining=2)
    payload = {"template_id": READY, "data": READY_WORDS, "page": "pages/home/home"}
    with transaction() as session:
        messages = [
            make_message(
                session,
                openid,
                appid=MINI,
                channel=Ch.subscribe,
                kind="order",
                payload=payload,
                now=clock.now(),
            )
            for _ in range(3)
        ]
    shop.app_post("people/aqing/subscribe", {"appid": MINI, "answers": {READY: "accept"}})

    states = [remote.deliver(message.id) for message in messages]

    # WeChat knows of one grant, we thought of two; its word counts and takes the rest away.
    assert states == [OutboundState.sent, OutboundState.failed, OutboundState.failed]
    assert state_of(messages[1]) == ("failed", 43101, "")
    assert state_of(messages[2]) == ("failed", None, "not_granted")
    with reading() as session:
        assert grants.count(session, appid=MINI, openid=openid, template_id=READY) == 0
        assert list(session.scalars(select(SubscribeGrant.remaining))) == [0]


def test_what_was_cut_off_becomes_unknown(session: Session, now: datetime) -> None:
    message = make_message(session, "oAqing", now=now)
    assert sending.start(session, message.id, now=now)
    later = now + timedelta(minutes=5)

    assert sending.settle_stuck(session, before=now, now=later) == 0
    assert sending.settle_stuck(session, before=later, now=later) == 1

    assert sending.get_message(session, message.id).state is OutboundState.unknown
    assert not sending.start(session, message.id, now=later)
    assert not sending.record_result(session, message.id, OutboundState.sent, now=later)


def about_a_coupon(picture: str = "a-picture") -> dict[str, object]:
    mini = next(iter(current_config().wechat.mini_programs))
    return gift_message(
        "送你一张券",
        way="去用券 →",
        page="pages/coupons/coupons",
        title="¥10 老客回店券，满 30 可用",
        picture=picture,
        mini=mini,
        base_url="https://shop.test",
    )


def test_a_coupon_comes_as_words_and_a_card_that_opens_it(shop: Shop) -> None:
    shop.follow("aqing")
    open_window(shop)
    message = prepared(shop, payload=about_a_coupon())

    assert remote.deliver(message.id) is OutboundState.sent

    text, card = shop.chat("aqing")[-2:]
    assert (text["kind"], text["text"]) == ("text", "送你一张券")
    assert (card["kind"], card["title"]) == ("mini", "¥10 老客回店券，满 30 可用")
    assert card["path"] == "/pages/coupons/coupons"
    with reading() as session:
        left = sorted(session.scalars(select(MessageWindow.remaining)))
        assert left == [1, 5]  # of the three that following gives, and of five for a message


def test_the_last_message_of_a_window_carries_the_link(shop: Shop) -> None:
    shop.follow("aqing")
    with transaction() as session:
        session.execute(update(MessageWindow).values(remaining=0))
    open_window(shop, remaining=1)
    message = prepared(shop, payload=about_a_coupon())

    assert remote.deliver(message.id) is OutboundState.sent

    last = shop.chat("aqing")[-1]["text"]
    assert last.startswith("送你一张券\n<a ")
    assert 'data-miniprogram-path="pages/coupons/coupons"' in last


def test_a_refused_card_becomes_the_link_and_the_words_stay_sent(shop: Shop) -> None:
    shop.follow("aqing")
    open_window(shop)
    nameless = about_a_coupon()
    nameless["card"] = {**nameless["card"], "appid": ""}  # type: ignore[dict-item]
    message = prepared(shop, payload=nameless)

    assert remote.deliver(message.id) is OutboundState.sent

    words, link = (entry["text"] for entry in shop.chat("aqing")[-2:])
    assert words == "送你一张券"
    assert link.startswith("<a ")


def test_without_a_picture_there_is_no_card(shop: Shop) -> None:
    payload = about_a_coupon(picture="")

    assert sorted(payload) == ["text", "type"]
    assert str(payload["text"]).endswith("去用券 →</a>")
