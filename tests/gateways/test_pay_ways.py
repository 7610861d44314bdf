"""Every way of WeChat Pay, against the sandbox: for a merchant, and by a service provider."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from core import config
from gateways.http import Http
from gateways.pay.errors import ChannelRefused
from gateways.pay.records import Ask, Show, Way
from gateways.wechat import pay_keys
from gateways.wechat.errors import WechatUnavailable
from gateways.wechat.pay import PayMerchant
from gateways.wechat.pay_hosts import PayHosts
from sandbox import keys, live
from sandbox.pay import sheet
from sandbox.people import openid_of
from sandbox.settings import Settings
from tests.sandbox.conftest import MCHID, MINI, Shop, config_path, merchant_keys

from tests.sandbox.conftest import base_settings, shop  # isort: skip

__all__ = ["base_settings", "config_path", "merchant_keys", "shop"]
SUB = "1900009999"
BACK = "https://shop.test/m/#/order?no=A1"


@pytest.fixture(params=["", SUB], ids=["merchant", "provider"])
def running(
    request: pytest.FixtureRequest, base_settings: Settings, shop: Shop
) -> Iterator[live.Live]:
    merchant = replace(
        base_settings.merchants[MCHID], subs=frozenset(filter(None, [request.param]))
    )
    chosen = replace(base_settings, merchants={MCHID: merchant}, refund_gap_seconds=0.0)
    with live.running(chosen, deliver=shop) as sandbox:
        yield sandbox


Make = Callable[..., PayMerchant]


@pytest.fixture
def make(running: live.Live, merchant_keys: keys.Keys) -> Make:
    def of(*, bases: list[str] | None = None, **changed: Any) -> PayMerchant:
        merchant = running.world.settings.merchants[MCHID]
        values: dict[str, Any] = {
            "mchid": MCHID,
            "serial_no": merchant_keys.merchant_serial,
            "private_key_path": merchant_keys.merchant_key,
            "api_v3_key": SecretStr(merchant.api_v3_key),
            "public_key_id": merchant_keys.public_key_id,
            "public_key_path": merchant_keys.public_key,
            "sub_mchid": next(iter(merchant.subs), None),
            "h5": True,
            "code_pay": "v3",
        }
        account = config.PayMerchant(**(values | changed))
        return PayMerchant(account, Http(), PayHosts(bases or [running.url]), read_seconds=2)

    return of


def ask(way: Way, number: str = "P20261122WAYS01", **more: Any) -> Ask:
    now = datetime.now(UTC)
    values: dict[str, Any] = {
        "out_trade_no": number,
        "way": way,
        "amount_fen": 900,
        "description": "青禾茶铺",
        "notify_url": f"http://127.0.0.1:8000/pay/wechat/notify/{MCHID}",
        "asked_at": now,
        "expires_at": now + timedelta(minutes=15),
        "appid": MINI,
        "client_ip": "10.1.2.3",
        "payer": openid_of(MINI, "aqing") if way in (Way.mini, Way.jsapi) else "",
    }
    return Ask(**(values | more))


def test_the_ways_are_those_of_the_configuration(make: Make) -> None:
    every = {Way.mini, Way.jsapi, Way.native, Way.h5, Way.code}
    assert make().ways == every
    assert make(h5=False, native=False, code_pay=None).ways == {Way.mini, Way.jsapi}


def test_a_code_to_scan(make: Make, running: live.Live) -> None:
    pay, asked = make(), ask(Way.native)

    opening = pay.open(asked, asked.asked_at)
    again = pay.show(asked, opening.kept, asked.asked_at)

    assert (opening.show, opening.params) == (Show.qr, again.params)
    person = running.world.people.get("xiaozhou")
    sheet.pay_unsigned(running.world, person, opening.params["code_url"], "ok")
    known = pay.query(asked.as_asked())
    assert known is not None
    assert (known.is_paid, known.payer) == (True, openid_of(MINI, "xiaozhou"))
    assert (known.account, known.appid) == (pay.settings.account, MINI)


def test_a_browser_goes_over_and_knows_the_way_back(make: Make, running: live.Live) -> None:
    pay, asked = make(), ask(Way.h5, return_url=BACK)

    opening = pay.open(asked, asked.asked_at)

    assert opening.show is Show.redirect
    assert opening.params["url"].endswith(
        "&redirect_url=https%3A%2F%2Fshop.test%2Fm%2F%23%2Forder%3Fno%3DA1"
    )
    assert "redirect_url" not in opening.kept["h5_url"]
    assert opening.fresh_until == asked.asked_at + timedelta(minutes=4, seconds=30)


def test_the_payers_code(make: Make, running: live.Live) -> None:
    pay = make()
    code = running.world.pay_codes.new(running.world.people.get("aqing"))
    asked = ask(Way.code, auth_code=code)

    opening = pay.open(asked, asked.asked_at)

    assert opening.show is Show.done
    assert opening.transaction is not None
    assert (opening.transaction.is_paid, opening.transaction.account) == (True, pay.account)
    pay.revoke(asked.as_asked())
    over = pay.query(asked.as_asked())
    assert over is not None
    assert (over.state, over.is_over) == ("REVOKED", True)


def test_the_payers_password_is_waited_for(make: Make, running: live.Live) -> None:
    pay, person = make(), running.world.people.get("aqing")
    person.asks_password = True
    asked = ask(Way.code, auth_code=running.world.pay_codes.new(person))

    assert pay.open(asked, asked.asked_at).show is Show.waiting
    pay.revoke(asked.as_asked())

    over = pay.query(asked.as_asked())
    assert over is not None
    assert (over.is_over, person.balance_fen) == (True, 100_000)


def test_codes_are_a_no_where_nobody_switched_them_on(make: Make) -> None:
    pay, asked = make(code_pay=None), ask(Way.code, auth_code="130000000000000000")
    with pytest.raises(ChannelRefused):
        pay.open(asked, asked.asked_at)


@pytest.mark.parametrize("way", [Way.mini, Way.native, Way.h5])
def test_what_is_closed_is_over(make: Make, way: Way) -> None:
    pay, asked = make(), ask(way)
    pay.open(asked, asked.asked_at)

    pay.close(asked.as_asked())

    known = pay.query(asked.as_asked())
    assert known is not None
    assert known.is_over


def test_the_other_host_is_asked_when_one_is_down(make: Make, running: live.Live) -> None:
    pay, asked = make(bases=["http://127.0.0.1:9", running.url]), ask(Way.native)
    assert pay.open(asked, asked.asked_at).show is Show.qr


def test_an_answer_that_was_cut_off_is_asked_for_at_the_other(
    make: Make, running: live.Live
) -> None:
    pay, asked = make(bases=[running.url, running.url]), ask(Way.native)
    running.world.faults.add({"api": "pay.native", "kind": "drop_before"})
    assert pay.open(asked, asked.asked_at).show is Show.qr


def test_a_code_that_may_have_been_charged_is_not(make: Make, running: live.Live) -> None:
    pay = make(bases=[running.url, running.url])
    code = running.world.pay_codes.new(running.world.people.get("aqing"))
    asked = ask(Way.code, auth_code=code)
    running.world.faults.add({"api": "pay.codepay", "kind": "drop_before"})

    with pytest.raises(WechatUnavailable) as caught:
        pay.open(asked, asked.asked_at)

    assert caught.value.sent
    assert pay.query(asked.as_asked()) is None


@pytest.mark.parametrize("mode", ["public key", "certificate"])
def test_signatures_and_seals_are_tried_out(make: Make, running: live.Live, mode: str) -> None:
    chosen = {"public_key_id": None, "public_key_path": None} if mode == "certificate" else {}
    if mode == "certificate":
        merchant = replace(running.world.settings.merchants[MCHID], public_key_id=None)
        running.world.settings = replace(running.world.settings, merchants={MCHID: merchant})
    assert make(**chosen).try_out("邻里", datetime.now(UTC)) is True


def test_a_new_certificate_of_the_platform_is_fetched_when_it_first_signs(
    make: Make, running: live.Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = replace(running.world.settings.merchants[MCHID], public_key_id=None)
    running.world.settings = replace(running.world.settings, merchants={MCHID: merchant})
    pay, asked = make(public_key_id=None, public_key_path=None), ask(Way.native)
    pay.open(asked, asked.asked_at)
    old = running.world.settings.platform
    running.world.settings = replace(running.world.settings, platform=old.renewed())

    with pytest.raises(WechatUnavailable):  # strangers could make us ask: once a minute at most
        pay.query(asked.as_asked())
    monkeypatch.setattr(pay_keys, "_NOT_AGAIN", timedelta(0))
    known = pay.query(asked.as_asked())

    assert known is not None
    assert old.serial != running.world.settings.platform.serial
    assert pay.try_out("邻里", datetime.now(UTC)) is True


def test_a_key_of_somebody_else_is_found_out(make: Make, merchant_keys: keys.Keys) -> None:
    wrong = make(private_key_path=merchant_keys.brand_key)
    with pytest.raises(ChannelRefused) as caught:
        wrong.try_out("邻里", datetime.now(UTC))
    assert caught.value.pay_code == "SIGN_ERROR"
