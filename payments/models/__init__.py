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
    RefundedLine,
    RefundLine,
    RefundState,
)
from payments.models.settlement import (
    NEXT_DAY,
    BookProof,
    CouponTerms,
    DayState,
    Payout,
    SettlementDay,
    SettlementLine,
    SettlementTerms,
    StorePurse,
)

__all__ = [
    "NEXT_ATTEMPT",
    "NEXT_BILL",
    "NEXT_DAY",
    "NEXT_REFUND",
    "PAID",
    "UNSETTLED",
    "AttemptState",
    "Bill",
    "BillKind",
    "BillState",
    "BookProof",
    "Channel",
    "CouponTerms",
    "DayState",
    "LedgerEntry",
    "PaymentAttempt",
    "Payout",
    "Refund",
    "RefundLine",
    "RefundState",
    "RefundedLine",
    "SettlementDay",
    "SettlementLine",
    "SettlementTerms",
    "StorePurse",
]
