"""Messages to the shop, read and answered with wechatpy: modes, retries, replies, faults."""

import hashlib
import json
import time
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from wechatpy import create_reply, parse_message

from sandbox.outgoing import Answer
from sandbox.pushes import BROKEN
from tests.sandbox.conftest import (
    MINI,
    OFFICIAL,
    ORDER_READY,
    Shop,
    Told,
    act,
    chat,
    crypto,
    opened,
    unreachable,
    world_of,
)


def official(client: FlaskClient):  # type: ignore[no-untyped-def]
    return world_of(client).account(OFFICIAL)


def test_a_follow_by_code_is_read_by_wechatpy(sandbox_client: FlaskClient, shop: Shop) -> None:
    world = world_of(sandbox_client)
    qr = world.qrs.create_official(OFFICIAL, "store_jingan", None)

    result = act(sandbox_client, "people/aqing/scan", qr=qr.content)

    message = parse_message(opened(official(sandbox_client), shop.told[0]))
    assert (result["kind"], result["delivered"]) == ("follow", True)
    assert message.event == "subscribe_scan"
    assert message.scene_id == "store_jingan"
    assert message.ticket == qr.ticket
    assert message.source == shop.told[0].query["openid"]
    assert b"store_jingan" not in shop.told[0].body


def test_scanning_again_is_a_scan_event(sandbox_client: FlaskClient, shop: Shop) -> None:
    qr = world_of(sandbox_client).qrs.create_official(OFFICIAL, "store_jingan", None)
    act(sandbox_client, "people/aqing/scan", qr=qr.content)

    result = act(sandbox_client, "people/aqing/scan", qr=qr.content)

    message = parse_message(opened(official(sandbox_client), shop.told[1]))
    assert result["kind"] == "scan"
    assert (message.event, message.scene_id) == ("scan", "store_jingan")


def test_plain_mode_is_clear_and_signed(make_world: Callable[..., FlaskClient], shop: Shop) -> None:
    client = make_world(mode="plain")
    act(client, "people/aqing/follow")

    act(client, "people/aqing/say", text="今天喝什么好？")

    query = shop.told[1].query
    parts = sorted([official(client).token, query["timestamp"], query["nonce"]])
    assert query["signature"] == hashlib.sha1("".join(parts).encode()).hexdigest()
    assert "encrypt_type" not in query
    assert parse_message(shop.told[1].body).content == "今天喝什么好？"


def test_compatible_mode_has_both(make_world: Callable[..., FlaskClient], shop: Shop) -> None:
    client = make_world(mode="compatible")
    act(client, "people/aqing/follow")

    act(client, "people/aqing/say", text="在吗")

    assert parse_message(shop.told[1].body.decode()).content == "在吗"
    assert parse_message(opened(official(client), shop.told[1])).content == "在吗"


def replying(client: FlaskClient, text: str, *, seal: bool = True) -> Callable[[Told], Answer]:
    """A shop that answers every message with this text, sealed by wechatpy."""
    account = official(client)

    def answer(told: Told) -> Answer:
        message = parse_message(opened(account, told))
        plain = create_reply(text, message).render()
        if not seal:
            return Answer(200, plain)
        return Answer(200, crypto(account).encrypt_message(plain, "12345", str(int(time.time()))))

    return answer


def test_wechatpys_sealed_reply_appears_in_the_chat(
    sandbox_client: FlaskClient, shop: Shop
) -> None:
    act(sandbox_client, "people/aqing/follow")
    shop.answer = replying(sandbox_client, "天凉了，热的最好喝。")

    result = act(sandbox_client, "people/aqing/say", text="今天喝什么好？")

    assert result["reply"] == {"kind": "text", "text": "天凉了，热的最好喝。"}
    mine, reply = chat(sandbox_client)[-2:]
    assert (mine["from"], mine["text"]) == ("me", "今天喝什么好？")
    assert (reply["from"], reply["text"]) == ("account", "天凉了，热的最好喝。")


def test_a_clear_reply_in_safe_mode_is_broken(sandbox_client: FlaskClient, shop: Shop) -> None:
    act(sandbox_client, "people/aqing/follow")
    shop.answer = replying(sandbox_client, "明文", seal=False)

    result = act(sandbox_client, "people/aqing/say", text="在吗")

    assert result["delivered"] is False
    assert chat(sandbox_client)[-1]["text"] == BROKEN


@pytest.mark.parametrize("body", ["hello", "<xml><a></xml>", '{"a": 1}', "<xml></xml>"])
def test_a_malformed_reply_shows_that_the_service_is_broken(
    sandbox_client: FlaskClient, shop: Shop, body: str
) -> None:
    act(sandbox_client, "people/aqing/follow")
    shop.answer = lambda told: Answer(200, body)

    act(sandbox_client, "people/aqing/say", text="在吗")

    assert chat(sandbox_client)[-1]["text"] == BROKEN


def test_three_tries_carry_the_same_number_under_new_signatures(
    sandbox_client: FlaskClient, shop: Shop
) -> None:
    act(sandbox_client, "people/aqing/follow")
    shop.told.clear()
    shop.answer = unreachable

    result = act(sandbox_client, "people/aqing/say", text="在吗")

    account = official(sandbox_client)
    messages = [parse_message(opened(account, told)) for told in shop.told]
    assert result == {"delivered": False, "tries": 3, "status": None, "reply": None}
    assert len({message.id for message in messages}) == 1
    assert len({told.query["msg_signature"] for told in shop.told}) == 3
    assert chat(sandbox_client)[-1]["text"] == BROKEN


def test_the_second_try_may_succeed(sandbox_client: FlaskClient, shop: Shop) -> None:
    shop.answer = lambda told: Answer(500 if len(shop.told) == 1 else 200, "")

    assert act(sandbox_client, "people/aqing/follow")["tries"] == 2


def test_fault_duplicate_sends_the_same_event_again(
    sandbox_client: FlaskClient, shop: Shop
) -> None:
    act(sandbox_client, "faults", api="official.push", kind="duplicate", copies=3)

    act(sandbox_client, "people/aqing/follow")

    account = official(sandbox_client)
    assert len(shop.told) == 3
    assert len({opened(account, told) for told in shop.told}) == 1


def test_fault_drop_after_repeats_although_it_arrived(
    sandbox_client: FlaskClient, shop: Shop
) -> None:
    act(sandbox_client, "faults", api="official.push", kind="drop_after")

    assert act(sandbox_client, "people/aqing/follow")["tries"] == 2
    assert len(shop.told) == 2


def test_fault_error_loses_the_first_try(sandbox_client: FlaskClient, shop: Shop) -> None:
    act(sandbox_client, "faults", api="official.push", kind="error")

    assert act(sandbox_client, "people/aqing/follow")["tries"] == 2
    assert len(shop.told) == 1


def test_fault_wrong_signature_sends_a_forged_copy_first(
    sandbox_client: FlaskClient, shop: Shop
) -> None:
    act(sandbox_client, "faults", api="official.push", kind="wrong_signature")

    act(sandbox_client, "people/aqing/follow")

    account = official(sandbox_client)
    with pytest.raises(Exception, match="signature"):
        opened(account, shop.told[0])
    assert parse_message(opened(account, shop.told[1])).event == "subscribe"


def test_fault_delay_makes_it_late(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "faults", api="official.push", kind="delay", seconds=0.2)
    started = time.monotonic()

    act(sandbox_client, "people/aqing/follow")

    assert time.monotonic() - started >= 0.2


def test_a_mini_program_is_told_of_grants_in_json(sandbox_client: FlaskClient, shop: Shop) -> None:
    answers = {ORDER_READY: "accept"}

    act(sandbox_client, "people/aqing/subscribe", appid=MINI, answers=answers, wait=True)

    account = world_of(sandbox_client).account(MINI)
    body = json.loads(shop.told[0].body)
    query = shop.told[0].query
    plain = crypto(account).decrypt_message(
        f"<xml><ToUserName>x</ToUserName><Encrypt>{body['Encrypt']}</Encrypt></xml>",
        query["msg_signature"],
        query["timestamp"],
        query["nonce"],
    )
    event = json.loads(plain)
    assert urlpath(shop.told[0]) == f"/wechat/miniprogram/{MINI}"
    assert event["Event"] == "subscribe_msg_popup_event"
    assert event["SubscribeMsgPopupEvent"]["List"] == [
        {"TemplateId": ORDER_READY, "SubscribeStatusString": "accept", "PopupScene": "0"}
    ]


def urlpath(told: Told) -> str:
    return told.url.split("?")[0].removeprefix("http://127.0.0.1:8000")


def test_the_mode_can_change_while_it_runs(sandbox_client: FlaskClient, shop: Shop) -> None:
    act(sandbox_client, "accounts", mode="plain")

    act(sandbox_client, "people/aqing/follow")

    assert parse_message(shop.told[0].body).event == "subscribe"
    assert sandbox_client.post("/sandbox/api/accounts", json={"mode": "x"}).status_code == 400
