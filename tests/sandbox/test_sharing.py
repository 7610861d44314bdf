"""Profit sharing: our client against the sandbox over real HTTP, in both key modes."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests

from core import config
from gateways.http import Http
from gateways.pay.sharing import Part, PartResult, Party, PartyKind
from gateways.wechat.errors import PayError, WechatUnavailable
from gateways.wechat.pay_channel import PayChannel
from gateways.wechat.pay_hosts import PayHosts
from gateways.wechat.sharing import ProfitSharing
from sandbox import live
from sandbox.pay.ledger import Order
from sandbox.settings import Settings
from sandbox.state import World
from tests.sandbox.conftest import MCHID, MINI, Shop

SUB = "1900007001"
PLATFORM = Party(PartyKind.merchant, MCHID, MINI, "邻里科技有限公司", "SERVICE_PROVIDER")


@dataclass
class Bench:
    world: World
    client: ProfitSharing
    url: str

    def paid(
        self, total_fen: int = 10_000, *, ago: float = 120, shared: bool = True, no: str = "P1"
    ) -> str:
        """A payment of the sub-merchant, as a partner prepay would have left it."""
        now = self.world.clock.now()
        request = {"sub_mchid": SUB, "settle_info": {"profit_sharing": shared}}
        order = Order(MCHID, f"{no}000000", MINI, "openid", total_fen, request, now)
        self.world.ledger.add_order(order)
        self.world.ledger.mark_paid(order)
        order.success_at -= ago
        return order.transaction_id

    def decide(self, **values: Any) -> None:
        url = f"{self.url}/sandbox/api/sharings"
        assert requests.post(url, json=values, timeout=20).status_code == 200


@pytest.fixture(params=["public key", "certificate"])
def bench(
    request: pytest.FixtureRequest, base_settings: Settings, config_path: Path, shop: Shop
) -> Iterator[Bench]:
    row = tomllib.loads(config_path.read_text())["wechat"]["pay_merchants"][0]
    chosen = replace(base_settings, refund_seconds=3_600.0)
    if request.param == "certificate":
        del row["public_key_id"], row["public_key_path"]
        merchant = replace(chosen.merchants[MCHID], public_key_id=None)
        chosen = replace(chosen, merchants={MCHID: merchant})
    with live.running(chosen, deliver=shop) as sandbox:
        account = config.PayMerchant(**(row | {"sub_mchid": SUB}))
        channel = PayChannel(account, Http(), PayHosts([sandbox.url]), read_seconds=5.0)
        client = ProfitSharing(channel, account.account, mchid=MCHID, sub_mchid=SUB)
        yield Bench(sandbox.world, client, sandbox.url)


def test_the_whole_life_of_a_sharing(bench: Bench) -> None:
    transaction, client = bench.paid(), bench.client
    client.add_party(PLATFORM)
    client.add_party(PLATFORM)
    assert bench.world.sharings.receivers == {f"{SUB}|{MCHID}": "邻里科技有限公司"}
    assert (client.most_bp(), client.unshared_fen(transaction)) == (3_000, 10_000)

    parts = [Part(PLATFORM, 60, "平台佣金")]
    asked = client.share("S1", transaction, parts)
    assert (asked.is_finished, asked.parts) == (False, (PartResult(MCHID, 60, "PENDING"),))
    assert client.share("S1", transaction, parts) == asked

    bench.decide()
    done = client.query_sharing("S1", transaction)
    assert done is not None
    assert (done.is_finished, done.parts) == (True, (PartResult(MCHID, 60, "SUCCESS"),))
    assert done.channel_no == asked.channel_no
    assert client.unshared_fen(transaction) == 9_940

    assert client.give_back("B1", "S1", MCHID, 25).result == "PROCESSING"
    bench.decide()
    back = client.query_return("B1", "S1")
    assert back is not None
    assert (back.result, back.amount_fen) == ("SUCCESS", 25)

    released = client.release("U1", transaction, "分账完成")
    assert released.parts == (PartResult(SUB, 9_940, "PENDING"),)
    assert client.unshared_fen(transaction) == 0


def test_finished_is_not_success(bench: Bench) -> None:
    transaction, client = bench.paid(), bench.client
    stranger = replace(PLATFORM, account="1900009999")
    client.add_party(PLATFORM)

    client.share("S1", transaction, [Part(PLATFORM, 60, "佣金"), Part(stranger, 40, "门店")])
    bench.decide(refuse={MCHID: "RECEIVER_RECEIPT_LIMIT"})

    done = client.query_sharing("S1", transaction)
    assert done is not None
    assert done.is_finished
    assert done.parts == (
        PartResult(MCHID, 60, "CLOSED", "RECEIVER_RECEIPT_LIMIT"),
        PartResult("1900009999", 40, "CLOSED", "NO_RELATION"),
    )
    assert client.unshared_fen(transaction) == 10_000


@pytest.mark.parametrize(
    ("ago", "shared", "amount", "code"),
    [
        (30, True, 60, "INVALID_REQUEST"),  # within the first minute
        (31 * 86_400, True, 60, "RULE_LIMIT"),
        (120, False, 60, "INVALID_REQUEST"),
        (120, True, 3_001, "RULE_LIMIT"),
        (120, True, 10_001, "NOT_ENOUGH"),
    ],
)
def test_a_sharing_against_the_rules(
    bench: Bench, ago: float, shared: bool, amount: int, code: str
) -> None:
    transaction = bench.paid(ago=ago, shared=shared)

    with pytest.raises(PayError) as refused:
        bench.client.share("S1", transaction, [Part(PLATFORM, amount, "佣金")])

    assert refused.value.pay_code == code
    assert bench.world.sharings.shares == {}


def test_the_same_number_for_something_else_is_refused(bench: Bench) -> None:
    transaction, client = bench.paid(), bench.client
    client.share("S1", transaction, [Part(PLATFORM, 60, "佣金")])

    with pytest.raises(PayError) as refused:
        client.share("S1", transaction, [Part(PLATFORM, 61, "佣金")])

    assert refused.value.pay_code == "INVALID_REQUEST"
    assert [p.amount for s in bench.world.sharings.shares.values() for p in s.portions] == [60]


def test_a_lost_answer_is_asked_for(bench: Bench) -> None:
    transaction, client = bench.paid(), bench.client
    bench.world.faults.add({"api": "pay.share", "kind": "drop_after"})

    with pytest.raises(WechatUnavailable) as lost:
        client.share("S1", transaction, [Part(PLATFORM, 60, "佣金")])

    assert lost.value.sent
    found = client.query_sharing("S1", transaction)
    assert found is not None
    assert found.parts == (PartResult(MCHID, 60, "PENDING"),)
    assert client.query_sharing("S2", transaction) is None


def test_more_cannot_come_back_than_was_shared(bench: Bench) -> None:
    transaction, client = bench.paid(), bench.client
    client.add_party(PLATFORM)
    client.share("S1", transaction, [Part(PLATFORM, 60, "佣金")])
    bench.decide()
    client.give_back("B1", "S1", MCHID, 60)

    with pytest.raises(PayError) as refused:
        client.give_back("B2", "S1", MCHID, 1)

    assert refused.value.pay_code == "NOT_ENOUGH"
    assert client.query_return("B2", "S1") is None


def test_a_deleted_receiver_gets_nothing(bench: Bench) -> None:
    transaction, client = bench.paid(), bench.client
    client.add_party(PLATFORM)
    client.delete_party(PLATFORM)
    client.delete_party(PLATFORM)

    client.share("S1", transaction, [Part(PLATFORM, 60, "佣金")])
    bench.decide()

    done = client.query_sharing("S1", transaction)
    assert done is not None
    assert done.parts == (PartResult(MCHID, 60, "CLOSED", "NO_RELATION"),)
