"""Events of shipping information: reminders, the settlement of a payment, the platform's rules."""

from dataclasses import dataclass
from typing import Any

_LONGEST = 255


@dataclass(frozen=True)
class TradeTold:
    """Times in seconds; 0: not said. `confirmed_by`: 1 and 2 say who confirmed, sources disagree
    which is which, so nothing may hang on it."""

    transaction_id: str
    message: str
    shipped_at: int
    settle_by: int
    confirmed_at: int
    confirmed_by: int
    settled_at: int


EVENTS = (
    "trade_manage_remind_access_api",
    "trade_manage_remind_shipping",
    "trade_manage_order_settlement",
    "wxa_trade_controlled",
)


def read_trade(fields: dict[str, Any]) -> TradeTold:
    return TradeTold(
        str(fields.get("transaction_id") or "").strip()[:64],
        str(fields.get("msg") or "").strip()[:_LONGEST],
        _seconds(fields.get("shipped_time")),
        _seconds(fields.get("estimated_settlement_time")),
        _seconds(fields.get("confirm_receive_time")),
        _seconds(fields.get("confirm_receive_method")),
        _seconds(fields.get("settlement_time")),
    )


def _seconds(value: Any) -> int:
    text = str(value if value is not None else "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0
