"""The public client library wechatpayv3 against the sandbox, in both key modes, over real HTTP."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3 import core as wechatpay_core

from sandbox import keys, live
from sandbox.settings import Settings
from tests.sandbox.conftest import MCHID, MINI, Shop, sheet

NOTIFY = f"http://127.0.0.1:8000/pay/wechat/notify/{MCHID}"
ORDER = "LL20261122A217"


class Redirected:
    """`requests` for the library, whose host is fixed: the sandbox takes its place."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __getattr__(self, method: str) -> Any:
        def send(url: str, **options: Any) -> Any:
            path = url.removeprefix("https://api.mch.weixin.qq.com")
            with requests.Session() as session:
                return getattr(session, method)(self._url + path, **options)

        return send


@pytest.fixture(params=["public key", "certificate"])
def running(
    request: pytest.FixtureRequest,
    base_settings: Settings,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[live.Live]:
    chosen = replace(base_settings, refund_seconds=0.05)
    if request.param == "certificate":
        merchant = replace(chosen.merchants[MCHID], public_key_id=None)
        chosen = replace(chosen, merchants={MCHID: merchant})
    with live.running(chosen, deliver=shop) as sandbox:
        monkeypatch.setattr(wechatpay_core, "requests", Redirected(sandbox.url))
        yield sandbox


@pytest.fixture
def client(running: live.Live, merchant_keys: keys.Keys) -> WeChatPay:
    merchant = running.world.settings.merchants[MCHID]
    public = merchant.public_key_id is not None
    return WeChatPay(
        wechatpay_type=WeChatPayType.MINIPROG,
        mchid=MCHID,
        private_key=merchant_keys.merchant_key.read_text(),
        cert_serial_no=merchant_keys.merchant_serial,
        appid=MINI,
        apiv3_key=merchant.api_v3_key,
        notify_url=NOTIFY,
        logger=logging.getLogger("wechatpayv3"),
        public_key=merchant_keys.public_key.read_text() if public else None,
        public_key_id=merchant.public_key_id,
    )


def person(running: live.Live) -> dict[str, Any]:
    people = requests.get(f"{running.url}/sandbox/api/people", timeout=20).json()["people"]
    return dict(people[0])


def order(client: WeChatPay, running: live.Live, **changes: Any) -> tuple[int, dict[str, Any]]:
    options = {
        "description": "青禾茶铺（静安寺店）",
        "out_trade_no": ORDER,
        "amount": {"total": 6600, "currency": "CNY"},
        "payer": {"openid": person(running)["openids"][MINI]},
        **changes,
    }
    status, text = client.pay(**options)
    return status, json.loads(text)


def test_the_whole_life_of_a_payment(
    client: WeChatPay, running: live.Live, merchant_keys: keys.Keys, shop: Shop
) -> None:
    status, answer = order(client, running)
    assert status == 200
    unpaid = json.loads(client.query(out_trade_no=ORDER)[1])
    assert (unpaid["trade_state"], "transaction_id" in unpaid) == ("NOTPAY", False)

    paid = requests.post(
        f"{running.url}/sandbox/api/people/aqing/pay",
        json=sheet(merchant_keys, answer["prepay_id"]),
        timeout=20,
    )
    assert paid.json()["errMsg"] == "requestPayment:ok"

    told = shop.wait_for(1)[0]
    notice = client.callback(told.headers, told.body)
    assert told.url == NOTIFY
    assert notice["event_type"] == "TRANSACTION.SUCCESS"
    assert notice["resource"]["amount"] == {
        "total": 6600,
        "currency": "CNY",
        "payer_total": 6600,
        "payer_currency": "CNY",
    }
    assert notice["resource"]["out_trade_no"] == ORDER
    found = json.loads(client.query(transaction_id=notice["resource"]["transaction_id"])[1])
    assert found["trade_state"] == "SUCCESS"
    assert {k: found[k] for k in notice["resource"]} == notice["resource"]

    amount = {"refund": 6600, "total": 6600, "currency": "CNY"}
    status, text = client.refund(out_refund_no="R1", out_trade_no=ORDER, amount=amount)
    assert (status, json.loads(text)["status"]) == (200, "PROCESSING")
    told = shop.wait_for(2)[1]
    notice = client.callback(told.headers, told.body)
    assert notice["event_type"] == "REFUND.SUCCESS"
    assert notice["resource"]["amount"]["refund"] == 6600
    status, text = client.query_refund(out_refund_no="R1")
    assert json.loads(text)["status"] == "SUCCESS"
    assert json.loads(client.query(out_trade_no=ORDER)[1])["trade_state"] == "REFUND"
    assert person(running)["balance_fen"] == 100_000


def test_close_is_reentrant_and_final(client: WeChatPay, running: live.Live) -> None:
    order(client, running)

    assert [client.close(out_trade_no=ORDER)[0] for _ in range(2)] == [204, 204]

    assert json.loads(client.query(out_trade_no=ORDER)[1])["trade_state"] == "CLOSED"
    status, answer = order(client, running)
    assert (status, answer["code"]) == (400, "ORDER_CLOSED")


def test_a_forged_notice_does_not_pass(
    client: WeChatPay, running: live.Live, merchant_keys: keys.Keys, shop: Shop
) -> None:
    fault = {"api": "pay.notify", "kind": "wrong_signature"}
    requests.post(f"{running.url}/sandbox/api/faults", json=fault, timeout=20)
    _, answer = order(client, running)

    url = f"{running.url}/sandbox/api/people/aqing/pay"
    requests.post(url, json=sheet(merchant_keys, answer["prepay_id"]), timeout=20)

    forged, true = shop.wait_for(2)[:2]
    assert client.callback(forged.headers, forged.body) is None
    assert client.callback(true.headers, true.body)["event_type"] == "TRANSACTION.SUCCESS"


def test_a_wrongly_signed_answer_does_not_pass(client: WeChatPay, running: live.Live) -> None:
    fault = {"api": "pay.prepay", "kind": "wrong_signature"}
    requests.post(f"{running.url}/sandbox/api/faults", json=fault, timeout=20)

    with pytest.raises(Exception, match="failed to verify"):
        order(client, running)


def test_a_lost_answer_has_been_done(client: WeChatPay, running: live.Live) -> None:
    fault = {"api": "pay.prepay", "kind": "drop_after"}
    requests.post(f"{running.url}/sandbox/api/faults", json=fault, timeout=20)

    with pytest.raises(requests.RequestException):
        order(client, running)

    assert json.loads(client.query(out_trade_no=ORDER)[1])["trade_state"] == "NOTPAY"
    assert order(client, running)[0] == 200
