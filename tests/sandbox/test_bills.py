"""Bill files over real HTTP: what the sandbox writes is what the client reads, or it is refused."""

import io
import itertools
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from core.config import PayMerchant
from gateways.http import Http
from gateways.pay.bills import BadBill, BillKind, BillNotReady, FundKind, RowKind
from gateways.pay.errors import ChannelUnavailable
from gateways.wechat.pay_bills import PayBills
from gateways.wechat.pay_channel import PayChannel
from gateways.wechat.pay_hosts import PayHosts
from sandbox import live
from sandbox.clock import SHANGHAI
from sandbox.pay.ledger import Order, Refund
from tests.sandbox.conftest import MCHID, MINI

DAY = datetime.now(SHANGHAI).date() - timedelta(days=2)
NUMBERS = itertools.count(1)


@pytest.fixture
def bills(live_sandbox: live.Live, config_path: Path) -> PayBills:
    account = tomllib.loads(config_path.read_text())["wechat"]["pay_merchants"][0]
    return PayBills(
        PayChannel(PayMerchant(**account), Http(), PayHosts([live_sandbox.url]), read_seconds=5.0)
    )


def at(hour: int, minute: int = 0, second: int = 0, day: date = DAY) -> float:
    moment = datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=SHANGHAI)
    return moment.timestamp()


def pay(sandbox: live.Live, fen: int, when: float, *, back: int = 0) -> str:
    """A payment that the sandbox knows of, perhaps with a refund an hour later."""
    number = f"P{next(NUMBERS):012d}"
    order = Order(MCHID, number, MINI, "oPayer", fen, {"description": "茶,`一杯"}, when)
    order.state, order.success_at, order.transaction_id = "SUCCESS", when, f"4200{number}"
    sandbox.world.ledger.add_order(order)
    if back:
        sandbox.world.ledger.add_refund(
            Refund(
                *(MCHID, f"R{number}", number, order.transaction_id, f"5030{number}"),
                *(back, fen, "", "", when + 3600, "SUCCESS"),
            )
        )
    return number


def spoil(sandbox: live.Live, **wrongs: Any) -> None:
    answer = requests.post(f"{sandbox.url}/sandbox/api/bills", json=wrongs, timeout=10)
    assert answer.status_code == 200, answer.text


def fetched(bills: PayBills, kind: BillKind = BillKind.trade) -> Iterator[Any]:
    file = io.BytesIO()
    known = bills.fetch(DAY, kind, file)
    assert known is not None
    assert known.size == len(file.getvalue())
    file.seek(0)
    return bills.rows(file) if kind is BillKind.trade else bills.funds(file)


def test_a_day_of_payments_and_refunds_comes_back_to_the_fen(
    live_sandbox: live.Live, bills: PayBills
) -> None:
    first = pay(live_sandbox, 2600, at(0, 0, 0), back=600)
    last = pay(live_sandbox, 1, at(23, 59, 59))
    pay(live_sandbox, 500, at(0, day=DAY + timedelta(days=1)))
    pay(live_sandbox, 500, at(23, 59, 59, day=DAY - timedelta(days=1)))
    rows = list(fetched(bills))
    assert [
        (row.kind, row.our_no, row.channel_no, row.amount_fen, row.fee_fen) for row in rows
    ] == [
        (RowKind.payment, first, f"4200{first}", 2600, 14),
        (RowKind.refund, f"R{first}", f"5030{first}", 600, -3),
        (RowKind.payment, last, f"4200{last}", 1, 0),
    ]
    assert (rows[0].at, rows[0].rate) == (datetime.fromtimestamp(at(0), UTC), 540)
    moved = [(row.kind, row.amount_fen) for row in fetched(bills, BillKind.fund)]
    assert moved == [
        (FundKind.payment, 2600),
        (FundKind.fee, -14),
        (FundKind.refund, -600),
        (FundKind.fee, 3),
        (FundKind.payment, 1),
    ]


def test_a_quiet_day_has_no_bill(bills: PayBills) -> None:
    assert bills.fetch(DAY, BillKind.trade, io.BytesIO()) is None


def test_a_bill_that_is_being_written_comes_later(live_sandbox: live.Live, bills: PayBills) -> None:
    fault = {"api": "pay.tradebill", "kind": "error", "status": 400, "code": "STATEMENT_CREATING"}
    requests.post(f"{live_sandbox.url}/sandbox/api/faults", json=fault, timeout=10)
    with pytest.raises(BillNotReady):
        bills.fetch(DAY, BillKind.trade, io.BytesIO())


def test_what_is_wrong_with_a_file_is_noticed(live_sandbox: live.Live, bills: PayBills) -> None:
    number = pay(live_sandbox, 2600, at(12))
    spoil(live_sandbox, wrong_hash=True)
    with pytest.raises(BadBill, match="announced as"):
        fetched(bills)
    spoil(live_sandbox, wrong_totals=True)
    with pytest.raises(BadBill, match="rows"):
        list(fetched(bills))
    spoil(live_sandbox, missing=[number], extra={"X1": 700}, bom=True)
    assert [(row.our_no, row.amount_fen) for row in fetched(bills)] == [("X1", 700)]
    spoil(live_sandbox, amounts_fen={number: 2599}, fees_fen={number: 20})
    assert [(row.amount_fen, row.fee_fen) for row in fetched(bills)] == [(2599, 20)]
    spoil(live_sandbox)
    assert [(row.amount_fen, row.fee_fen) for row in fetched(bills)] == [(2600, 14)]


def test_a_download_is_signed_and_good_for_half_a_minute(
    live_sandbox: live.Live, bills: PayBills, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay(live_sandbox, 2600, at(12))
    store = live_sandbox.world.bills
    token = store.keep(b"anything")
    url = f"{live_sandbox.url}/v3/billdownload/file?token={token}"
    headers = {"User-Agent": "x", "Accept": "*/*"}
    assert requests.get(url, headers=headers, timeout=10).status_code == 401
    assert store.find(token) == b"anything"
    now = live_sandbox.world.clock.now()
    monkeypatch.setattr(store._clock, "now", lambda: now + 31)
    assert store.find(token) is None
    keep = store.keep
    monkeypatch.setattr(store, "keep", lambda content: keep(content) + "gone")
    with pytest.raises(ChannelUnavailable):
        bills.fetch(DAY, BillKind.trade, io.BytesIO())


def test_a_large_file_is_never_held_in_memory(live_sandbox: live.Live, bills: PayBills) -> None:
    """A megabyte unpacked arrives in pieces: what is written at once stays small."""
    numbers = [pay(live_sandbox, 100, at(12)) for _ in range(20)]
    for number in numbers:
        order = live_sandbox.world.ledger.find_order(MCHID, number)
        assert order is not None
        order.request["description"] = "茶" * 20_000

    class Pieces(io.BytesIO):
        most = 0

        def write(self, data: Any, /) -> int:
            self.most = max(self.most, len(data))
            return super().write(data)

    file = Pieces()
    assert bills.fetch(DAY, BillKind.trade, file) is not None
    file.seek(0)
    assert [row.our_no for row in bills.rows(file)] == numbers
    assert file.most <= 64 * 1024
