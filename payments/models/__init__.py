"""Tables of payments, and the maps of their moves."""

from payments.models.bills import (
    NEXT_ATTEMPT,
    NEXT_BILL,
    PAID,
    UNSETTLED,
    AttemptState,
    Bill,
    BillKind,
    BillState,
    Channel,
    PaymentAttempt,
)
from payments.models.ledger import (
    LedgerEntry,
)
from payments.models.refunds import (
    NEXT_REFUND,
    Refund,
    RefundState,
)

__all__ = [
    "NEXT_ATTEMPT",
    "NEXT_BILL",
    "NEXT_REFUND",
    "PAID",
    "UNSETTLED",
    "AttemptState",
    "Bill",
    "BillKind",
    "BillState",
    "Channel",
    "LedgerEntry",
    "PaymentAttempt",
    "Refund",
    "RefundState",
]
