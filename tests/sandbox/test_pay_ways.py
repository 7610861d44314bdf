"""The other ways to pay: a code scanned, a browser, the payer's code, a service provider."""

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from flask.testing import FlaskClient

from sandbox import keys
from sandbox.settings import Settings
from tests.sandbox.conftest import (
    MCHID,
    MINI,
    act,
    merchant_signature,
    paid_order,
    pay_call,
    prepay_body,
    world_of,
)

DIRECT, PARTNER = "/v3/pay/transactions", "/v3/pay/partner/transactions"
SUB = "1900009999"
OAEP = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


def body(client: FlaskClient, way: str, **changes: Any) -> dict[str, Any]:
    asked = prepay_body(client, **changes)
    if way != "jsapi":
        del asked["payer"]
    if way == "h5":
        asked["scene_info"] = {"payer_client_ip": "10.0.0.1", "h5_info": {"type": "Wap"}}
    if way == "codepay":
        del asked["notify_url"]
        asked["scene_info"] = {"store_info": {"id": "jingan"}}
    return asked


def as_partner(asked: dict[str, Any]) -> dict[str, Any]:
    given = dict(asked)
    given["sp_appid"], given["sp_mchid"] = given.pop("appid"), given.pop("mchid")
    if "payer" in given and "openid" in given["payer"]:
        given["payer"] = {"sp_openid": given["payer"]["openid"]}
    return {**given, "sub_mchid": SUB}


@pytest.fixture
def provider(make_world: Callable[..., FlaskClient], base_settings: Settings) -> FlaskClient:
    merchant = replace(base_settings.merchants[MCHID], subs=frozenset([SUB]))
    return make_world(merchants={MCHID: merchant}, refund_gap_seconds=0.0)


def test_whoever_scans_the_code_pays(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys, world: Any
) -> None:
    asked = body(sandbox_client, "native")
    status, given = pay_call(sandbox_client, merchant_keys, "POST", f"{DIRECT}/native", asked)
    assert (status, given["code_url"][:27]) == (200, "weixin://wxpay/bizpayurl?pr")

    shown = sandbox_client.get("/sandbox/api/prepay", query_string={"prepay_id": given["code_url"]})
    assert shown.json["amount_fen"] == 6600
    act(sandbox_client, "people/zhixia/pay-scanned", code=given["code_url"])

    target = f"{DIRECT}/out-trade-no/{asked['out_trade_no']}?mchid={MCHID}"
    _, found = pay_call(sandbox_client, merchant_keys, "GET", target)
    assert (found["trade_state"], found["trade_type"]) == ("SUCCESS", "NATIVE")
    assert found["payer"]["openid"] == world.ledger.find_order(MCHID, asked["out_trade_no"]).openid
    assert world.people.get("zhixia").balance_fen == 100_000 - 6600


def test_a_browser_goes_over_and_comes_back(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys, world: Any
) -> None:
    asked = body(sandbox_client, "h5")
    _, given = pay_call(sandbox_client, merchant_keys, "POST", f"{DIRECT}/h5", asked)
    address = given["h5_url"].removeprefix(world.settings.sandbox_url)
    assert "¥66.00" in sandbox_client.get(address).text

    back = "http://127.0.0.1:8000/m/order"
    answer = sandbox_client.post(f"{address}&redirect_url={back}", data={"person": "aqing"})

    assert (answer.status_code, answer.location) == (302, back)
    assert world.ledger.find_order(MCHID, asked["out_trade_no"]).state == "SUCCESS"
    assert sandbox_client.get(address).status_code == 409


def test_a_browser_needs_an_address(sandbox_client: FlaskClient, merchant_keys: keys.Keys) -> None:
    asked = body(sandbox_client, "h5", scene_info={"payer_client_ip": "10.0.0.1"})
    asked["scene_info"] = {"payer_client_ip": "10.0.0.1"}
    status, given = pay_call(sandbox_client, merchant_keys, "POST", f"{DIRECT}/h5", asked)
    assert (status, given["detail"]["field"]) == (400, "/scene_info/h5_info")


def test_a_number_keeps_its_way(sandbox_client: FlaskClient, merchant_keys: keys.Keys) -> None:
    asked = body(sandbox_client, "native")
    pay_call(sandbox_client, merchant_keys, "POST", f"{DIRECT}/native", asked)
    other = prepay_body(sandbox_client)
    status, given = pay_call(sandbox_client, merchant_keys, "POST", f"{DIRECT}/jsapi", other)
    assert (status, given["code"]) == (400, "INVALID_REQUEST")


def test_the_payers_code_by_v3(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys, world: Any
) -> None:
    code = act(sandbox_client, "people/aqing/payment-code")["code"]
    asked = body(sandbox_client, "codepay", payer={"auth_code": code})
    asked["payer"] = {"auth_code": code}
    status, given = pay_call(sandbox_client, merchant_keys, "POST", f"{DIRECT}/codepay", asked)
    assert (status, given["trade_state"], given["trade_type"]) == (200, "SUCCESS", "MICROPAY")

    number = asked["out_trade_no"]
    ours = {"appid": MINI, "mchid": MCHID}
    close = f"{DIRECT}/out-trade-no/{number}/close"
    status, refused = pay_call(sandbox_client, merchant_keys, "POST", close, {"mchid": MCHID})
    assert (status, refused["code"]) == (400, "INVALID_REQUEST")
    reverse = f"{DIRECT}/out-trade-no/{number}/reverse"
    status, _ = pay_call(sandbox_client, merchant_keys, "POST", reverse, ours)
    assert (status, world.ledger.find_order(MCHID, number).state) == (200, "REVOKED")
    assert world.people.get("aqing").balance_fen == 100_000


def test_a_sum_above_the_limit_asks_for_the_password(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys
) -> None:
    code = act(sandbox_client, "people/aqing/payment-code")["code"]
    asked = body(sandbox_client, "codepay", amount={"total": 20_001, "currency": "CNY"})
    asked["payer"] = {"auth_code": code}
    status, given = pay_call(sandbox_client, merchant_keys, "POST", f"{DIRECT}/codepay", asked)
    assert (status, given["code"]) == (202, "USERPAYING")

    [waiting] = sandbox_client.get("/sandbox/api/people/aqing/asked").json["asked"]
    assert (waiting["amount_fen"], waiting["state"]) == (20_001, "USERPAYING")
    answered = act(sandbox_client, f"people/aqing/asked/{waiting['out_trade_no']}", outcome="ok")
    assert answered == {"state": "SUCCESS"}


@pytest.mark.parametrize("way", ["jsapi", "native", "h5"])
def test_a_service_provider_asks_for_its_merchant(
    provider: FlaskClient, merchant_keys: keys.Keys, way: str
) -> None:
    asked = as_partner(body(provider, way))
    status, _ = pay_call(provider, merchant_keys, "POST", f"{PARTNER}/{way}", asked)
    assert status == 200

    parties = f"sp_mchid={MCHID}&sub_mchid={SUB}"
    target = f"{PARTNER}/out-trade-no/{asked['out_trade_no']}?{parties}"
    _, found = pay_call(provider, merchant_keys, "GET", target)
    assert (found["sp_mchid"], found["sub_mchid"], found["trade_state"]) == (MCHID, SUB, "NOTPAY")
    assert "mchid" not in found


def test_nobody_speaks_for_a_merchant_of_somebody_else(
    provider: FlaskClient, merchant_keys: keys.Keys
) -> None:
    asked = {**as_partner(body(provider, "native")), "sub_mchid": "1900008888"}
    status, given = pay_call(provider, merchant_keys, "POST", f"{PARTNER}/native", asked)
    assert (status, given["code"]) == (403, "NO_AUTH")


def abnormal(client: FlaskClient, files: keys.Keys) -> str:
    """A refund that the bank sent back; its id."""
    asked = paid_order(client, files)
    refund = {
        "out_trade_no": asked["out_trade_no"],
        "out_refund_no": "R1",
        "amount": {"refund": 6600, "total": 6600, "currency": "CNY"},
    }
    _, given = pay_call(client, files, "POST", "/v3/refund/domestic/refunds", refund)
    act(client, f"refunds/{MCHID}/R1", status="ABNORMAL")
    return str(given["refund_id"])


def test_a_refund_that_cannot_arrive_goes_to_the_merchants_card(
    make_world: Callable[..., FlaskClient], merchant_keys: keys.Keys
) -> None:
    client = make_world(refund_seconds=3600.0)
    refund_id = abnormal(client, merchant_keys)
    target = f"/v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund"
    told = {"out_refund_no": "R1", "type": "MERCHANT_BANK_CARD"}

    status, given = pay_call(client, merchant_keys, "POST", target, told)
    assert (status, given["status"]) == (200, "PROCESSING")
    status, given = pay_call(client, merchant_keys, "POST", target, told)
    assert (status, given["code"]) == (400, "INVALID_REQUEST")


def test_a_card_is_named_under_seal_only(
    make_world: Callable[..., FlaskClient], merchant_keys: keys.Keys
) -> None:
    client = make_world(refund_seconds=3600.0)
    refund_id = abnormal(client, merchant_keys)
    target = f"/v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund"
    told = {
        "out_refund_no": "R1",
        "type": "USER_BANK_CARD",
        "bank_type": "ICBC_DEBIT",
        "bank_account": "6222020200001234567",
        "real_name": "阿青",
    }
    status, given = pay_call(client, merchant_keys, "POST", target, told)
    assert (status, given["code"]) == (400, "PARAM_ERROR")
    assert world_of(client).ledger.refunds[f"{MCHID}|R1"].status == "ABNORMAL"


def test_an_echo_comes_back_sealed_for_the_merchant(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys
) -> None:
    public: Any = serialization.load_pem_public_key(merchant_keys.public_key.read_bytes())
    sealed = base64.b64encode(public.encrypt("你好".encode(), OAEP)).decode()
    raw = f'{{"echo_message":"hello","encrypted_echo_message":"{sealed}"}}'.encode()
    headers = merchant_signature(merchant_keys, "POST", "/v3/security/echo", raw)
    headers["Wechatpay-Serial"] = merchant_keys.public_key_id

    answer = sandbox_client.post("/v3/security/echo", data=raw, headers=headers)

    own: Any = serialization.load_pem_private_key(merchant_keys.merchant_key.read_bytes(), None)
    back = base64.b64decode(answer.json["encrypted_echo_message"])
    assert answer.json["echo_message"] == "hello"
    assert own.decrypt(back, OAEP).decode() == "你好"
