"""What the shop has told of its payments' shipping, and how far each has come."""

from dataclasses import asdict, dataclass, field
from typing import Any

UNSHIPPED, SHIPPED, RECEIVED, SETTLED, REFUNDED = 1, 2, 3, 4, 5
DAY = 86_400.0
AUTO_CONFIRM = {1: 10 * DAY, 2: 2 * DAY, 3: 2 * DAY, 4: 2 * DAY}
"""How long after the shipping nobody has to confirm any more, by logistics type."""


@dataclass(slots=True)
class Trade:
    """`told`: how often a complete telling was taken; stamps of what has happened, 0: not yet."""

    transaction_id: str
    appid: str
    logistics: int
    mode: int
    parcels: list[dict[str, Any]]
    upload_time: str
    complete: bool = False
    told: int = 0
    shipped_at: float = 0.0
    confirmed_at: float = 0.0
    confirmed_by: int = 0
    settled_at: float = 0.0
    reminded: bool = False

    @property
    def confirms_at(self) -> float:
        return self.shipped_at + AUTO_CONFIRM[self.logistics]


@dataclass(slots=True)
class Control:
    """Whether a mini-program's payments are held back, and where WeChat's messages lead."""

    managed: bool = True
    confirmed: bool = True
    page: str = ""


@dataclass
class Shippings:
    by_transaction: dict[str, Trade] = field(default_factory=dict)
    controls: dict[str, Control] = field(default_factory=dict)

    def control(self, appid: str) -> Control:
        return self.controls.setdefault(appid, Control())

    def clear(self) -> None:
        self.by_transaction.clear()

    def dump(self) -> dict[str, Any]:
        return {
            "trades": [asdict(trade) for trade in self.by_transaction.values()],
            "controls": {appid: asdict(each) for appid, each in self.controls.items()},
        }

    def load(self, data: dict[str, Any]) -> None:
        self.by_transaction = {row["transaction_id"]: Trade(**row) for row in data["trades"]}
        self.controls = {appid: Control(**each) for appid, each in data["controls"].items()}
