"""Trades of Alipay: none before the payer has come to the cashier."""

import secrets
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sandbox.clock import SHANGHAI, Clock

WAITING, PAID, CLOSED = "WAIT_BUYER_PAY", "TRADE_SUCCESS", "TRADE_CLOSED"


@dataclass(slots=True)
class Trade:
    """`asked`: what the shop said of it; `refunds`: out_request_no → {fen, at}. `expires_at` is on
    our clock, other times are stamps."""

    app_id: str
    out_trade_no: str
    trade_no: str
    total_fen: int
    asked: dict[str, str]
    created_at: float
    expires_at: float
    state: str = WAITING
    paid_at: float = 0.0
    buyer_id: str = ""
    refunds: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def refunded_fen(self) -> int:
        return int(sum(each["fen"] for each in self.refunds.values()))


class Trades:
    """`doors` are addresses that lead to a trade: of its cashier, or of a QR."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.trades: dict[str, Trade] = {}
        self.doors: dict[str, dict[str, str]] = {}

    def find(self, app_id: str, number: str) -> Trade | None:
        """By our number or by Alipay's; out of time it is closed."""
        trade = self.trades.get(f"{app_id}|{number}") or next(
            (t for t in self.trades.values() if t.trade_no == number and t.app_id == app_id), None
        )
        if trade and trade.state == WAITING and self._clock.now() > trade.expires_at:
            trade.state = CLOSED
        return trade

    def add(self, trade: Trade) -> Trade:
        self.trades[f"{trade.app_id}|{trade.out_trade_no}"] = trade
        return trade

    def new_door(self, asked: dict[str, str]) -> str:
        token = secrets.token_urlsafe(12)
        self.doors[token] = asked
        return token

    def new_number(self) -> str:
        day = datetime.fromtimestamp(self._clock.stamp(), SHANGHAI).strftime("%Y%m%d")
        return f"{day}2200{secrets.randbelow(10**16):016d}"

    def clear(self) -> None:
        self.trades.clear()
        self.doors.clear()

    def dump(self) -> dict[str, Any]:
        return {"trades": [asdict(each) for each in self.trades.values()], "doors": self.doors}

    def load(self, data: dict[str, Any]) -> None:
        self.clear()
        for row in data["trades"]:
            self.add(Trade(**row))
        self.doors = dict(data["doors"])
