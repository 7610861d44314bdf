"""Payments and refunds of UnionPay, each under its number and the time that it was sent with."""

import secrets
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sandbox.clock import SHANGHAI, Clock

OPEN, DONE, GOING, FAILED = "", "00", "05", "01"


@dataclass(slots=True)
class Move:
    """`kind`: 01 payment, 04 refund, 31 void. `code`: "" not tried yet, 00, 05, 01. `origin`: the
    queryId of what goes back. `expires_at` is on our clock, `at` a stamp."""

    mer_id: str
    order_id: str
    kind: str
    txn_time: str
    fen: int
    asked: dict[str, str]
    query_id: str
    trace_no: str
    expires_at: float = 0.0
    code: str = OPEN
    at: float = 0.0
    origin: str = ""


class Moves:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.moves: dict[str, Move] = {}
        self.doors: dict[str, str] = {}

    def find(self, mer_id: str, order_id: str) -> Move | None:
        return self.moves.get(f"{mer_id}|{order_id}")

    def by_query_id(self, mer_id: str, query_id: str) -> Move | None:
        mine = (each for each in self.moves.values() if each.mer_id == mer_id)
        return next((each for each in mine if each.query_id == query_id), None)

    def refunded_fen(self, query_id: str) -> int:
        back = (m for m in self.moves.values() if m.origin == query_id and m.code in (DONE, GOING))
        return sum(each.fen for each in back)

    def add(self, move: Move) -> Move:
        self.moves[f"{move.mer_id}|{move.order_id}"] = move
        return move

    def new_door(self, move: Move) -> str:
        token = secrets.token_urlsafe(12)
        self.doors[token] = f"{move.mer_id}|{move.order_id}"
        return token

    def new_query_id(self) -> str:
        now = datetime.fromtimestamp(self._clock.stamp(), SHANGHAI)
        return f"{now:%Y%m%d%H%M%S}{secrets.randbelow(10**7):07d}"

    def clear(self) -> None:
        self.moves.clear()
        self.doors.clear()

    def dump(self) -> dict[str, Any]:
        return {"moves": [asdict(each) for each in self.moves.values()], "doors": self.doors}

    def load(self, data: dict[str, Any]) -> None:
        self.clear()
        for row in data["moves"]:
            self.add(Move(**row))
        self.doors = dict(data["doors"])
