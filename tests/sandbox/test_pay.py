"""WeChat Pay's refusals: signatures, strict bodies, re-entry, states, amounts."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask.testing import FlaskClient

from sandbox import keys
from sandbox.pay import signing
from tests.sandbox.conftest import (
    MCHID,
    MINI,
    OFFICIAL,
    Shop,
    act,
    merchant_signature,
    openid,
    paid_order,
    pay_call,
    prepay_body,
    sheet,
    world_of,
)

JSAPI = "/v3/pay/transactions/jsapi"
NUMBER = "LL20261122A217"


def test_every_answer_is_signed(sandbox_client: FlaskClient, merchant_keys: keys.Keys) -> None:
    raw = json.dumps(prepay_body(sandbox_client)).encode()

    answer = sandbox_client.post(
        JSAPI, data=raw, headers=merchant_signature(merchant_keys, "POST", JSAPI, raw)
    )

    heads = answer.headers
    text = f"{heads['Wechatpay-Timestamp']}\n{heads['Wechatpay-Nonce']}\n".encode()
    platform = world_of(sandbox_client).settings.platform
    key = platform.public_key_private.public_key()
    assert signing.verify(key, text + answer.data + b"\n", heads["Wechatpay-Signature"])
    assert heads["Wechatpay-Serial"] == platform.public_key_id
    assert heads["Wechatpay-Signature-Type"] == "WECHATPAY2-SHA256-RSA2048"
    assert heads["Request-ID"].endswith("-0")


def test_signatures_are_checked(sandbox_client: FlaskClient, merchant_keys: keys.Keys) -> None:
    raw = json.dumps(prepay_body(sandbox_client)).encode()
    good = merchant_signature(merchant_keys, "POST", JSAPI, raw)

    def send(headers: dict[str, str], body: bytes = raw) -> tuple[int, str]:
        answer = sandbox_client.post(JSAPI, data=body, headers=headers)
        return answer.status_code, json.loads(answer.data).get("code", "")

    def changed(old: str, new: str) -> dict[str, str]:
        return {**good, "Authorization": good["Authorization"].replace(old, new)}

    late = merchant_signature(merchant_keys, "POST", JSAPI, raw, at=time.time() - 301)
    early = merchant_signature(merchant_keys, "POST", JSAPI, raw, at=time.time() + 360)
    assert send(good, raw + b" ") == (401, "SIGN_ERROR")
    assert send(late) == (401, "SIGN_ERROR")
    assert send(early) == (401, "SIGN_ERROR")
    assert send({**good, "Authorization": ""}) == (401, "SIGN_ERROR")
    assert send(changed("WECHATPAY2-SHA256-RSA2048", "WECHATPAY2-MD5")) == (401, "SIGN_ERROR")
    assert send(changed(merchant_keys.merchant_serial, "A" * 40)) == (401, "SIGN_ERROR")
    assert send(changed(MCHID, "1900000000")) == (400, "MCH_NOT_EXISTS")
    assert send({**good, "Wechatpay-Serial": "PUB_KEY_ID_0"}) == (400, "PARAM_ERROR")
    fresh = merchant_signature(merchant_keys, "POST", JSAPI, raw)
    assert send(fresh) == (200, "")
    assert send(fresh) == (401, "SIGN_ERROR")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"colour": "green"}, 400, "PARAM_ERROR"),
        ({"amount": {"total": 6600, "tip": 1}}, 400, "PARAM_ERROR"),
        ({"amount": {"total": 0}}, 400, "PARAM_ERROR"),
        ({"amount": {"total": "6600"}}, 400, "PARAM_ERROR"),
        ({"amount": {"total": 66.0}}, 400, "PARAM_ERROR"),
        ({"amount": {"total": 6600, "currency": "USD"}}, 400, "PARAM_ERROR"),
        ({"out_trade_no": "short"}, 400, "PARAM_ERROR"),
        ({"out_trade_no": "with space 1"}, 400, "PARAM_ERROR"),
        ({"description": None}, 400, "PARAM_ERROR"),
        ({"description": "长" * 128}, 400, "PARAM_ERROR"),
        ({"notify_url": "http://shop.example.com/n"}, 400, "PARAM_ERROR"),
        ({"notify_url": "https://shop.example.com/n?a=1"}, 400, "PARAM_ERROR"),
        ({"time_expire": "2026-11-22 10:00:00"}, 400, "PARAM_ERROR"),
        ({"time_expire": "2020-01-01T00:00:00+08:00"}, 400, "PARAM_ERROR"),
        ({"payer": {"openid": "o-nobody"}}, 400, "INVALID_REQUEST"),
        ({"appid": "wx0000000000000000"}, 400, "APPID_MCHID_NOT_MATCH"),
        ({"mchid": "1900000000"}, 403, "NO_AUTH"),
    ],
)
def test_prepay_is_strict(
    sandbox_client: FlaskClient,
    merchant_keys: keys.Keys,
    changes: dict[str, Any],
    status: int,
    code: str,
) -> None:
    body = {k: v for k, v in prepay_body(sandbox_client, **changes).items() if v is not None}

    seen, answer = pay_call(sandbox_client, merchant_keys, "POST", JSAPI, body)

    assert (seen, answer["code"]) == (status, code)
    assert world_of(sandbox_client).ledger.orders == {}


def test_ordering_again_needs_the_same_words(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys
) -> None:
    body = prepay_body(sandbox_client)
    first = pay_call(sandbox_client, merchant_keys, "POST", JSAPI, body)[1]["prepay_id"]

    again = pay_call(sandbox_client, merchant_keys, "POST", JSAPI, body)[1]["prepay_id"]
    dearer = {**body, "amount": {"total": 6601, "currency": "CNY"}}
    status, refused = pay_call(sandbox_client, merchant_keys, "POST", JSAPI, dearer)

    assert again != first
    assert (status, refused["code"]) == (400, "INVALID_REQUEST")
    act(sandbox_client, "people/aqing/pay", **sheet(merchant_keys, again))
    status, refused = pay_call(sandbox_client, merchant_keys, "POST", JSAPI, body)
    assert (status, refused["code"]) == (403, "OUT_TRADE_NO_USED")
    target = f"/v3/pay/transactions/out-trade-no/{NUMBER}/close"
    status, refused = pay_call(sandbox_client, merchant_keys, "POST", target, {"mchid": MCHID})
    assert (status, refused["code"]) == (403, "TRADE_ERROR")


def test_an_unknown_order_is_not_found(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys
) -> None:
    target = f"/v3/pay/transactions/out-trade-no/LL-unknown?mchid={MCHID}"

    status, answer = pay_call(sandbox_client, merchant_keys, "GET", target)

    assert (status, answer["code"]) == (404, "ORDER_NOT_EXIST")


def pay(client: FlaskClient, person: str = "aqing", **body: Any) -> tuple[int, str]:
    answer = client.post(f"/sandbox/api/people/{person}/pay", json=body)
    data = answer.get_json()
    return answer.status_code, data.get("errMsg") or data["title"]


def test_the_sheet_checks_what_it_is_handed(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys, shop: Shop
) -> None:
    body = prepay_body(sandbox_client)
    prepay_id = pay_call(sandbox_client, merchant_keys, "POST", JSAPI, body)[1]["prepay_id"]
    good = sheet(merchant_keys, prepay_id)
    shown = sandbox_client.get(f"/sandbox/api/prepay?prepay_id={prepay_id}").get_json()

    assert (shown["amount_fen"], shown["payee"], shown["state"]) == (6600, "青禾茶铺", "NOTPAY")
    assert pay(sandbox_client, **{**good, "timeStamp": "1"})[0] == 409
    assert pay(sandbox_client, **{**good, "appid": OFFICIAL})[0] == 409
    assert pay(sandbox_client, **sheet(merchant_keys, "wx-unknown"))[0] == 409
    assert pay(sandbox_client, "xiaozhou", **good)[0] == 409
    assert pay(sandbox_client, **good, outcome="cancel") == (200, "requestPayment:fail cancel")
    assert pay(sandbox_client, **good, outcome="insufficient")[0] == 409
    assert shop.told == []
    assert pay(sandbox_client, **good) == (200, "requestPayment:ok")
    assert pay(sandbox_client, **good)[0] == 409
    shop.wait_for(1)
    people = sandbox_client.get("/sandbox/api/people").get_json()["people"]
    assert people[0]["balance_fen"] == 100_000 - 6_600


def test_time_expire_ends_paying_but_not_the_order(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys
) -> None:
    soon = (datetime.now(UTC) + timedelta(minutes=15)).isoformat()
    body = prepay_body(sandbox_client, time_expire=soon)
    prepay_id = pay_call(sandbox_client, merchant_keys, "POST", JSAPI, body)[1]["prepay_id"]

    act(sandbox_client, "clock", advance_seconds=901)

    assert pay(sandbox_client, **sheet(merchant_keys, prepay_id))[0] == 409
    target = f"/v3/pay/transactions/out-trade-no/{NUMBER}?mchid={MCHID}"
    answer = pay_call(sandbox_client, merchant_keys, "GET", target)[1]
    assert answer["trade_state"] == "NOTPAY"
    act(sandbox_client, "clock", advance_seconds=7 * 86_400)
    answer = pay_call(sandbox_client, merchant_keys, "GET", target)[1]
    assert answer["trade_state"] == "CLOSED"


def refund(
    client: FlaskClient, files: keys.Keys, number: str, fen: int, total: int = 6600, **more: Any
) -> tuple[int, dict[str, Any]]:
    amount = {"refund": fen, "total": total, "currency": "CNY"}
    body = {"out_trade_no": NUMBER, "out_refund_no": number, "amount": amount, **more}
    return pay_call(client, files, "POST", "/v3/refund/domestic/refunds", body)


def test_refunds_never_exceed_the_payment(
    make_world: Callable[..., FlaskClient], merchant_keys: keys.Keys
) -> None:
    client = make_world(refund_seconds=0.0, refund_gap_seconds=0.0)
    paid_order(client, merchant_keys)

    first = refund(client, merchant_keys, "R1", 4000)
    again = refund(client, merchant_keys, "R1", 4000)
    other = refund(client, merchant_keys, "R1", 4001)
    too_much = refund(client, merchant_keys, "R2", 2601)
    wrong_total = refund(client, merchant_keys, "R3", 100, total=6500)
    rest = refund(client, merchant_keys, "R4", 2600)

    assert (first[0], again[0], rest[0]) == (200, 200, 200)
    assert first[1]["refund_id"] == again[1]["refund_id"]
    assert (other[0], other[1]["code"]) == (400, "INVALID_REQUEST")
    assert (too_much[0], too_much[1]["code"]) == (400, "INVALID_REQUEST")
    assert "可退 2600 分，请求 2601 分" in too_much[1]["message"]
    assert (wrong_total[0], wrong_total[1]["code"]) == (400, "INVALID_REQUEST")
    assert "原单 6600 分，请求 6500 分" in wrong_total[1]["message"]


def test_partial_refunds_are_a_minute_apart(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys
) -> None:
    paid_order(sandbox_client, merchant_keys)
    assert refund(sandbox_client, merchant_keys, "R1", 100)[0] == 200

    status, answer = refund(sandbox_client, merchant_keys, "R2", 100)

    assert (status, answer["code"]) == (429, "FREQUENCY_LIMITED")
    act(sandbox_client, "clock", advance_seconds=61)
    assert refund(sandbox_client, merchant_keys, "R2", 100)[0] == 200


def test_refunds_need_a_paid_order(sandbox_client: FlaskClient, merchant_keys: keys.Keys) -> None:
    assert refund(sandbox_client, merchant_keys, "R1", 100)[1]["code"] == "RESOURCE_NOT_EXISTS"
    pay_call(sandbox_client, merchant_keys, "POST", JSAPI, prepay_body(sandbox_client))
    assert refund(sandbox_client, merchant_keys, "R1", 100)[1]["code"] == "INVALID_REQUEST"
    target = "/v3/refund/domestic/refunds/R1"
    status, answer = pay_call(sandbox_client, merchant_keys, "GET", target)
    assert (status, answer["code"]) == (404, "RESOURCE_NOT_EXISTS")


def test_the_bank_may_refuse_a_refund(
    make_world: Callable[..., FlaskClient], merchant_keys: keys.Keys, shop: Shop
) -> None:
    client = make_world(refund_seconds=3600.0, refund_gap_seconds=0.0)
    paid_order(client, merchant_keys)
    refund(client, merchant_keys, "R1", 6600)

    act(client, f"refunds/{MCHID}/R1", status="CLOSED")

    target = "/v3/refund/domestic/refunds/R1"
    assert pay_call(client, merchant_keys, "GET", target)[1]["status"] == "CLOSED"
    assert json.loads(shop.wait_for(2)[1].body)["event_type"] == "REFUND.CLOSED"
    assert refund(client, merchant_keys, "R2", 6600)[0] == 200


def test_certificates_are_for_certificate_mode(
    make_world: Callable[..., FlaskClient], merchant_keys: keys.Keys
) -> None:
    client = make_world()
    merchants = world_of(client).settings.merchants
    status, answer = pay_call(client, merchant_keys, "GET", "/v3/certificates")
    assert (status, answer["code"]) == (404, "RESOURCE_NOT_EXISTS")

    client = make_world(merchants={MCHID: replace(merchants[MCHID], public_key_id=None)})
    status, answer = pay_call(client, merchant_keys, "GET", "/v3/certificates")

    row = answer["data"][0]
    sealed = row["encrypt_certificate"]
    pem = AESGCM(merchants[MCHID].api_v3_key.encode()).decrypt(
        sealed["nonce"].encode(), base64.b64decode(sealed["ciphertext"]), b"certificate"
    )
    assert row["serial_no"] == merchant_keys.platform_serial
    assert pem == merchant_keys.platform_certificate.read_bytes()


def test_a_fault_can_be_any_refusal(sandbox_client: FlaskClient, merchant_keys: keys.Keys) -> None:
    act(sandbox_client, "faults", api="pay.prepay", kind="error", status=429, code="RATELIMIT")

    body = prepay_body(sandbox_client)
    first = pay_call(sandbox_client, merchant_keys, "POST", JSAPI, body)
    second = pay_call(sandbox_client, merchant_keys, "POST", JSAPI, body)

    assert (first[0], first[1]["code"], second[0]) == (429, "RATELIMIT", 200)


def test_a_payment_opens_a_window(sandbox_client: FlaskClient, merchant_keys: keys.Keys) -> None:
    paid_order(sandbox_client, merchant_keys)

    windows = world_of(sandbox_client).windows.list(MINI, openid(sandbox_client, appid=MINI))

    assert [(w["kind"], w["left"]) for w in windows] == [("payment", None)]
