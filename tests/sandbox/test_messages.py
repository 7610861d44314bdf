"""What may be sent to whom: windows and quotas, follows, grants, field rules."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.sandbox.conftest import (
    MINI,
    OFFICIAL,
    OFFICIAL_READY,
    ORDER_READY,
    Shop,
    act,
    call,
    chat,
    opened,
    openid,
    token,
    world_of,
)

DATA = {
    "character_string1": {"value": "A217"},
    "thing2": {"value": "静安寺店"},
    "amount3": {"value": "¥66.00"},
    "time4": {"value": "2026年11月22日 15:01"},
    "phrase5": {"value": "可取餐"},
}


def send_text(client: FlaskClient, to: str = "") -> int:
    body = {
        "touser": to or openid(client),
        "msgtype": "text",
        "text": {"content": "见面礼到了"},
    }
    return int(call(client, "/cgi-bin/message/custom/send", body)["errcode"])


def send_subscribe(client: FlaskClient, **changes: Any) -> dict[str, Any]:
    body = {
        "touser": openid(client, appid=MINI),
        "template_id": ORDER_READY,
        "page": "pages/order/order?no=1",
        "data": DATA,
        **changes,
    }
    return call(client, "/cgi-bin/message/subscribe/send", body, appid=MINI)


def send_template(client: FlaskClient, **changes: Any) -> dict[str, Any]:
    body = {
        "touser": openid(client),
        "template_id": OFFICIAL_READY,
        "data": DATA,
        **changes,
    }
    return call(client, "/cgi-bin/message/template/send", body)


def test_three_messages_in_the_minute_after_a_follow(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "people/aqing/follow")

    assert [send_text(sandbox_client) for _ in range(4)] == [0, 0, 0, 45047]
    act(sandbox_client, "clock", advance_seconds=61)
    assert send_text(sandbox_client) == 45015
    assert chat(sandbox_client)[-1]["text"] == "见面礼到了"


def test_five_messages_in_48_hours_after_a_word(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "people/aqing/follow")
    act(sandbox_client, "clock", advance_seconds=61)
    act(sandbox_client, "people/aqing/say", text="在吗")

    act(sandbox_client, "clock", advance_seconds=47 * 3600)

    assert [send_text(sandbox_client) for _ in range(6)] == [0] * 5 + [45047]
    act(sandbox_client, "clock", advance_seconds=3700)
    assert send_text(sandbox_client) == 45015


def test_a_menu_click_opens_a_minute_but_a_link_does_not(sandbox_client: FlaskClient) -> None:
    buttons = [
        {"type": "click", "name": "券包", "key": "coupons"},
        {"type": "view", "name": "控制台", "url": "http://127.0.0.1:8000/console"},
    ]
    assert call(sandbox_client, "/cgi-bin/menu/create", {"button": buttons})["errcode"] == 0
    act(sandbox_client, "people/aqing/follow")
    act(sandbox_client, "clock", advance_seconds=61)

    act(sandbox_client, "people/aqing/tap", path=[1])
    assert send_text(sandbox_client) == 45015
    act(sandbox_client, "people/aqing/tap", path=[0])
    assert [send_text(sandbox_client) for _ in range(4)] == [0, 0, 0, 45047]


def test_nobody_writes_to_strangers_or_those_who_left(sandbox_client: FlaskClient) -> None:
    assert send_text(sandbox_client, "o-nobody") == 40003
    assert send_text(sandbox_client) == 45015
    act(sandbox_client, "people/aqing/follow")
    act(sandbox_client, "people/aqing/unfollow")
    assert send_text(sandbox_client) == 45015


def test_a_payment_opens_a_window_without_quota(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "people/aqing/follow")
    world = world_of(sandbox_client)
    world.windows.open(OFFICIAL, openid(sandbox_client), "payment")

    assert [send_text(sandbox_client) for _ in range(12)] == [0] * 12


def test_a_news_message_has_exactly_one_article(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "people/aqing/follow")
    article = {
        "title": "¥8 见面礼",
        "description": "满 20 可用",
        "url": "https://e.com/",
        "picurl": "",
    }
    body = {"touser": openid(sandbox_client), "msgtype": "news", "news": {"articles": [article]}}

    answer = call(sandbox_client, "/cgi-bin/message/custom/send", body)
    body["news"] = {"articles": [article, article]}
    refused = call(sandbox_client, "/cgi-bin/message/custom/send", body)

    assert (answer["errcode"], refused["errcode"]) == (0, 45008)
    assert chat(sandbox_client)[-1]["articles"][0]["title"] == "¥8 见面礼"


def test_each_accept_is_one_message(sandbox_client: FlaskClient) -> None:
    assert send_subscribe(sandbox_client)["errcode"] == 43101
    for answer in ("accept", "reject", "accept"):
        act(sandbox_client, "people/aqing/subscribe", appid=MINI, answers={ORDER_READY: answer})

    assert [send_subscribe(sandbox_client)["errcode"] for _ in range(3)] == [0, 0, 43101]
    shown = chat(sandbox_client, appid=MINI)[-1]
    assert shown["kind"] == "subscribe"
    assert shown["path"] == "/pages/order/order?no=1"
    assert ["编号", "A217"] in shown["rows"]


def test_a_refused_message_spends_no_grant(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "people/aqing/subscribe", appid=MINI, answers={ORDER_READY: "accept"})

    wrong = send_subscribe(sandbox_client, data={"thing1": {"value": "长" * 21}})

    assert wrong["errcode"] == 47003
    assert wrong["errmsg"].startswith("argument invalid! data.thing1.value invalid rid: ")
    assert send_subscribe(sandbox_client)["errcode"] == 0


def test_switching_off_in_the_settings_takes_the_grants(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "people/aqing/subscribe", appid=MINI, answers={ORDER_READY: "accept"})

    act(sandbox_client, "people/aqing/unsubscribe", appid=MINI, template_id=ORDER_READY)

    assert send_subscribe(sandbox_client)["errcode"] == 43101


def test_unknown_templates_are_refused(sandbox_client: FlaskClient) -> None:
    assert send_subscribe(sandbox_client, template_id="unknown")["errcode"] == 40037
    assert send_template(sandbox_client, template_id="unknown")["errcode"] == 43004
    act(sandbox_client, "people/aqing/follow")
    assert send_template(sandbox_client, template_id="unknown")["errcode"] == 40037


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [
        ("thing1", "二十个字以内的任何话都行", True),
        ("thing1", "字" * 21, False),
        ("thing1", "两\n行", False),
        ("number1", "12.5", True),
        ("number1", "十二", False),
        ("letter1", "abcXYZ", True),
        ("letter1", "abc1", False),
        ("symbol1", "+-*/=", True),
        ("character_string1", "LL-2026_A217", True),
        ("character_string1", "单号1", False),
        ("time1", "15:01", True),
        ("time1", "2019年10月1日 15:01", True),
        ("time1", "2019年10月1日 15:01~2019年10月1日 16:01", True),
        ("time1", "明天下午", False),
        ("date1", "2019-10-01", True),
        ("date1", "2019.10.1", True),
        ("amount1", "¥66.00", True),
        ("amount1", "66元", True),
        ("amount1", "约66", False),
        ("phone_number1", "+86-138 0000 1234", True),
        ("car_number1", "沪A12345", True),
        ("name1", "沈知夏", True),
        ("name1", "沈知夏abc", False),
        ("phrase1", "可取餐", True),
        ("phrase1", "可取餐了快来", False),
        ("phrase1", "OK", False),
        ("anything", "x", False),
    ],
)
def test_field_rules(sandbox_client: FlaskClient, key: str, value: str, fits: bool) -> None:
    act(sandbox_client, "people/aqing/subscribe", appid=MINI, answers={ORDER_READY: "accept"})

    answer = send_subscribe(sandbox_client, data={key: {"value": value}})

    assert answer["errcode"] == (0 if fits else 47003)


def test_a_template_message_needs_a_follower_and_repeats_once(sandbox_client: FlaskClient) -> None:
    assert send_template(sandbox_client)["errcode"] == 43004
    act(sandbox_client, "people/aqing/follow")

    first = send_template(sandbox_client, client_msg_id="order-1")
    again = send_template(sandbox_client, client_msg_id="order-1")
    other = send_template(sandbox_client, client_msg_id="order-2")

    assert first["msgid"] == again["msgid"] != other["msgid"]
    assert [m["kind"] for m in chat(sandbox_client)].count("template") == 2
    act(sandbox_client, "clock", advance_seconds=601)
    assert send_template(sandbox_client, client_msg_id="order-1")["msgid"] != first["msgid"]


def test_the_result_of_a_template_message_is_pushed(
    make_world: Callable[..., FlaskClient], shop: Shop
) -> None:
    client = make_world(send_events=True)
    act(client, "people/aqing/follow")

    message_id = send_template(client)["msgid"]

    event = opened(world_of(client).account(OFFICIAL), shop.wait_for(2)[1])
    assert "<![CDATA[TEMPLATESENDJOBFINISH]]>" in event
    assert f"<MsgID>{message_id}</MsgID>" in event
    assert "<Status><![CDATA[success]]></Status>" in event


def test_the_result_of_a_subscribe_message_is_pushed(
    make_world: Callable[..., FlaskClient], shop: Shop
) -> None:
    client = make_world(send_events=True, mode="plain")
    act(client, "people/aqing/subscribe", appid=MINI, answers={ORDER_READY: "accept"}, wait=True)

    send_subscribe(client)

    assert b"subscribe_msg_sent_event" in shop.wait_for(2)[1].body


def test_the_crowd_follows_and_has_grants(sandbox_client: FlaskClient) -> None:
    made = act(sandbox_client, "crowd", size=12_000, grants={ORDER_READY: 1})
    last = made["prefixes"][MINI] + f"{11_999:016d}"

    assert send_subscribe(sandbox_client, touser=last)["errcode"] == 0
    assert send_subscribe(sandbox_client, touser=last)["errcode"] == 43101
    beyond = made["prefixes"][MINI] + f"{12_000:016d}"
    assert send_subscribe(sandbox_client, touser=beyond)["errcode"] == 40003
    first = call(sandbox_client, "/cgi-bin/user/get")
    second = call(sandbox_client, "/cgi-bin/user/get", next_openid=first["next_openid"])
    assert (first["total"], first["count"], second["count"]) == (12_000, 10_000, 2_000)


def test_one_grant_is_spent_once_by_many_at_once(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "people/aqing/subscribe", appid=MINI, answers={ORDER_READY: "accept"})
    token(sandbox_client, MINI)

    with ThreadPoolExecutor(16) as pool:
        codes = list(
            pool.map(
                lambda _: send_subscribe(sandbox_client.application.test_client())["errcode"],
                range(32),
            )
        )

    assert sorted(codes) == [0] + [43101] * 31


def test_strange_bodies_are_refused_not_crashed_on(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "people/aqing/follow")
    base = {"touser": openid(sandbox_client)}
    for extra in (
        {"touser": {"a": 1}, "msgtype": "text"},
        {"msgtype": "text", "text": "words"},
        {"msgtype": "text", "text": {"content": 5}},
        {"msgtype": "news", "news": {"articles": ["x"]}},
        {"msgtype": "miniprogrampage", "miniprogrampage": {"appid": MINI, "pagepath": 5}},
        {"msgtype": "shout", "shout": {}},
    ):
        assert call(sandbox_client, "/cgi-bin/message/custom/send", {**base, **extra})["errcode"]
    assert send_template(sandbox_client, data={"thing1": "bare"})["errcode"] == 47003
    assert send_template(sandbox_client, data=[])["errcode"] == 47003


def test_a_template_takes_exactly_its_own_fields(
    make_world: Callable[..., FlaskClient],
) -> None:
    client = make_world(template_fields={ORDER_READY: {"thing1": "商品"}})
    act(client, "people/aqing/subscribe", appid=MINI, answers={ORDER_READY: "accept"})

    missing = send_subscribe(client, data={})
    strange = send_subscribe(client, data={"thing1": {"value": "奶茶"}, "thing9": {"value": "x"}})
    right = send_subscribe(client, data={"thing1": {"value": "奶茶"}})

    assert [answer["errcode"] for answer in (missing, strange, right)] == [47003, 47003, 0]
