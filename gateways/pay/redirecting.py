"""Where a refund goes that the payer's account did not take: not every channel can be asked."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from gateways.pay.records import RefundResult


@dataclass(frozen=True)
class Card:
    """A payer's own bank card. Told to the channel under seal, and kept nowhere."""

    bank: str
    number: str = field(repr=False)
    holder: str = field(repr=False)


@runtime_checkable
class Redirects(Protocol):
    def redirect_refund(
        self, refund_id: str, out_refund_no: str, card: Card | None, now: datetime
    ) -> RefundResult:
        """To the payer's card, or without one to our own account. Only of an abnormal refund;
        raises as all calls do."""
