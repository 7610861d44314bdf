"""The habits of notices: the ladder, probes, both keys, faults."""

import json
from collections.abc import Callable

from flask.testing import FlaskClient

from sandbox import keys
from sandbox.outgoing import Answer
from sandbox.pay.notices import LADDER
from tests.sandbox.conftest import (
    Shop,
    Told,
    act,
    paid_order,
    settled,
    unreachable,
    world_of,
)


def test_the_ladder_takes_a_day_and_ends(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys, shop: Shop
) -> None:
    shop.answer = lambda told: Answer(500, '{"code": "FAIL"}')
    paid_order(sandbox_client, merchant_keys)

    for count, wait in enumerate(LADDER, start=1):
        settled(sandbox_client, count)
        assert len(shop.told) == count
        act(sandbox_client, "clock", advance_seconds=wait + 1)
    shop.wait_for(len(LADDER) + 1)
    act(sandbox_client, "clock", advance_seconds=86_400)

    assert len(shop.told) == 16
    assert 24 * 3600 <= sum(LADDER) <= 24 * 3600 + 300
    assert len({json.loads(told.body)["id"] for told in shop.told}) == 1
    assert len({told.headers["Wechatpay-Nonce"] for told in shop.told}) == 16


def test_an_answer_ends_it(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys, shop: Shop
) -> None:
    shop.answer = lambda told: Answer(204, "") if len(shop.told) > 1 else unreachable(told)
    paid_order(sandbox_client, merchant_keys)
    settled(sandbox_client, 1)

    act(sandbox_client, "clock", advance_seconds=16)
    settled(sandbox_client, 2)

    notice = sandbox_client.get("/sandbox/api/state").get_json()["notices"][0]
    assert (notice["done"], notice["tries"], notice["statuses"]) == (True, 2, [0, 204])


def test_the_ladder_can_be_scaled(
    make_world: Callable[..., FlaskClient], merchant_keys: keys.Keys, shop: Shop
) -> None:
    client = make_world(retry_scale=0.001)
    shop.answer = unreachable

    paid_order(client, merchant_keys)

    shop.wait_for(4)


def test_a_probe_is_meant_to_fail_and_comes_again(
    make_world: Callable[..., FlaskClient], merchant_keys: keys.Keys, shop: Shop
) -> None:
    def strict(told: Told) -> Answer:
        probe = told.headers["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/")
        return Answer(401 if probe else 204, "")

    shop.answer = strict
    client = make_world(signtest_every=1, retry_scale=0.001)
    paid_order(client, merchant_keys)
    shop.wait_for(2)

    signatures = [told.headers["Wechatpay-Signature"] for told in shop.told[:2]]
    assert all(signature.startswith("WECHATPAY/SIGNTEST/") for signature in signatures)


def test_mixed_keys_use_both(
    make_world: Callable[..., FlaskClient], merchant_keys: keys.Keys, shop: Shop
) -> None:
    client = make_world(mixed_keys=True, retry_scale=0.00001)
    shop.answer = unreachable

    paid_order(client, merchant_keys)

    serials = {told.headers["Wechatpay-Serial"] for told in shop.wait_for(14)}
    assert serials == {merchant_keys.platform_serial, merchant_keys.public_key_id}


def test_fault_duplicate_sends_all_at_once(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys, shop: Shop
) -> None:
    act(sandbox_client, "faults", api="pay.notify", kind="duplicate", copies=20)

    paid_order(sandbox_client, merchant_keys)

    told = shop.wait_for(20)
    assert len({json.loads(t.body)["id"] for t in told}) == 1


def test_fault_drop_after_repeats_what_was_accepted(
    make_world: Callable[..., FlaskClient], merchant_keys: keys.Keys, shop: Shop
) -> None:
    client = make_world(retry_scale=0.001)
    act(client, "faults", api="pay.notify", kind="drop_after")

    paid_order(client, merchant_keys)

    shop.wait_for(2)


def test_fault_delay_waits_on_the_sandbox_clock(
    sandbox_client: FlaskClient, merchant_keys: keys.Keys, shop: Shop
) -> None:
    act(sandbox_client, "faults", api="pay.notify", kind="delay", seconds=600)
    paid_order(sandbox_client, merchant_keys)
    world_of(sandbox_client).timer.soon(lambda: None).result()
    assert shop.told == []

    act(sandbox_client, "clock", advance_seconds=601)

    shop.wait_for(1)
