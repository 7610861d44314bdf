"""Orders, refunds and notices of WeChat Pay."""

import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import count, islice
from typing import Any

from sandbox.clock import SHANGHAI, Clock, rfc3339

PREPAY_SECONDS = 2 * 3600
LIFE_SECONDS = 7 * 86_400


@dataclass(slots=True)
class Order:
    """`expires_at`, `created_at` are on our clock; `success_at` is a stamp."""

    mchid: str
    out_trade_no: str
    appid: str
    openid: str
    total_fen: int
    request: dict[str, Any]
    created_at: float
    expires_at: float | None = None
    state: str = "NOTPAY"
    transaction_id: str = ""
    success_at: float = 0.0
    refunded_fen: int = 0
    refunds: int = 0
    last_refund_at: float = 0.0
    trade_type: str = "JSAPI"
    sub_mchid: str = ""


@dataclass(slots=True)
class Refund:
    mchid: str
    out_refund_no: str
    out_trade_no: str
    transaction_id: str
    refund_id: str
    refund_fen: int
    total_fen: int
    reason: str
    notify_url: str
    create_at: float
    status: str = "PROCESSING"
    success_at: float = 0.0
    sub_mchid: str = ""


@dataclass(slots=True)
class Notice:
    """`next_at`: when it is sent (again), on our clock; `done` or out of tries: never again."""

    id: str
    mchid: str
    url: str
    event_type: str
    original_type: str
    summary: str
    plain: dict[str, Any]
    created_at: float
    next_at: float
    tries: int = 0
    done: bool = False
    statuses: list[int] = field(default_factory=list)


class Ledger:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.attempts = count(1)  # of notices: every n-th may be a probe
        self.orders: dict[str, Order] = {}
        self.refunds: dict[str, Refund] = {}
        self.notices: dict[str, Notice] = {}
        self._prepays: dict[str, tuple[str, float]] = {}
        self._by_transaction: dict[str, str] = {}

    def find_order(self, mchid: str, out_trade_no: str) -> Order | None:
        order = self.orders.get(f"{mchid}|{out_trade_no}")
        unpaid = order is not None and order.state == "NOTPAY"
        if order and unpaid and self._clock.now() > order.created_at + LIFE_SECONDS:
            order.state = "CLOSED"
        return order

    def find_transaction(self, mchid: str, transaction_id: str) -> Order | None:
        order = self.orders.get(self._by_transaction.get(transaction_id, ""))
        return order if order and order.mchid == mchid else None

    def find_paid(self, transaction_id: str) -> Order | None:
        """By its transaction alone, as a mini-program knows a payment."""
        return self.orders.get(self._by_transaction.get(transaction_id, ""))

    def add_order(self, order: Order) -> None:
        self.orders[f"{order.mchid}|{order.out_trade_no}"] = order

    def add_paid(self, order: Order) -> None:
        """One that was paid before anybody looked."""
        self.add_order(order)
        self._by_transaction[order.transaction_id] = f"{order.mchid}|{order.out_trade_no}"

    def new_prepay(self, order: Order, *, seconds: float = PREPAY_SECONDS) -> str:
        prepay_id = "wx" + self._day() + secrets.token_hex(11)
        expires_at = self._clock.now() + seconds
        self._prepays[prepay_id] = (f"{order.mchid}|{order.out_trade_no}", expires_at)
        return prepay_id

    def open_codes(self) -> list[tuple[str, Order]]:
        """Codes that stand on some screen and wait to be scanned, with what they ask."""
        newest = islice(reversed(self._prepays), 200)
        found = ((prepay_id, self.order_of_prepay(prepay_id)) for prepay_id in newest)
        return [
            (prepay_id, order)
            for prepay_id, order in found
            if order and order.trade_type == "NATIVE" and order.state == "NOTPAY"
        ]

    def order_of_prepay(self, prepay_id: str) -> Order | None:
        key, expires_at = self._prepays.get(prepay_id, ("", 0.0))
        if expires_at <= self._clock.now():
            return None
        return self.find_order(*key.split("|", 1))

    def mark_paid(self, order: Order) -> None:
        order.state, order.success_at = "SUCCESS", self._clock.stamp()
        order.transaction_id = f"4200{self._day()}" + f"{secrets.randbelow(10**16):016d}"
        self._by_transaction[order.transaction_id] = f"{order.mchid}|{order.out_trade_no}"

    def find_refund(self, mchid: str, out_refund_no: str) -> Refund | None:
        return self.refunds.get(f"{mchid}|{out_refund_no}")

    def add_refund(self, refund: Refund) -> None:
        self.refunds[f"{refund.mchid}|{refund.out_refund_no}"] = refund

    def new_refund_id(self) -> str:
        return f"5030{self._day()}" + f"{secrets.randbelow(10**16):016d}"

    def _day(self) -> str:
        return datetime.fromtimestamp(self._clock.stamp(), SHANGHAI).strftime("%Y%m%d")

    def overview(self, limit: int) -> dict[str, Any]:
        """The newest of each, oldest first, as tests read them."""
        orders = [
            {**asdict(order), "success_time": rfc3339(order.success_at) if order.success_at else ""}
            for order in _newest(self.orders, limit)
        ]
        return {
            "orders": orders,
            "refunds": [asdict(refund) for refund in _newest(self.refunds, limit)],
            "notices": [asdict(notice) for notice in _newest(self.notices, limit)],
        }

    def clear(self) -> None:
        for store in (self.orders, self.refunds, self.notices):
            store.clear()
        self._prepays.clear()
        self._by_transaction.clear()

    def dump(self) -> dict[str, Any]:
        everything = self.overview(10**9)
        for order in everything["orders"]:
            del order["success_time"]
        return {**everything, "prepays": dict(self._prepays)}

    def load(self, data: dict[str, Any]) -> None:
        self.clear()
        for row in data["orders"]:
            order = Order(**row)
            self.add_order(order)
            if order.transaction_id:
                key = f"{order.mchid}|{order.out_trade_no}"
                self._by_transaction[order.transaction_id] = key
        for row in data["refunds"]:
            self.add_refund(Refund(**row))
        for row in data["notices"]:
            self.notices[row["id"]] = Notice(**row)
        self._prepays = {key: (row[0], row[1]) for key, row in data["prepays"].items()}


def _newest(store: dict[str, Any], limit: int) -> list[Any]:
    return list(islice(reversed(store.values()), limit))[::-1]
