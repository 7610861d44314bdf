"""WeChat could not tell somebody of a service card: the event that says so."""

from dataclasses import dataclass
from typing import Any

SYSTEM, CONTENT, NO_TEMPLATE, REFUSED, TOO_OFTEN = -10001, -10002, -1003, -1004, -1005
_OF_A_PAYMENT = "p1."
"""What WeChat puts before a transaction's number in its events, and takes without."""


@dataclass(frozen=True)
class CardLost:
    openid: str
    code: str
    status: int
    error: int


def read_lost(fields: dict[str, Any]) -> CardLost:
    code = str(fields.get("notify_code") or "").strip().removeprefix(_OF_A_PAYMENT)
    openid = str(fields.get("openid") or fields.get("FromUserName") or "").strip()
    return CardLost(
        openid, code, _number(fields.get("card_status")), _number(fields.get("fail_ret"))
    )


def _number(value: Any) -> int:
    text = str(value or "0").strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 9 else 0
