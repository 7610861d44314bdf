"""Tables of reconciliation: what others say of a day, and where that is not what we say."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State
from gateways.pay.bills import RowKind


class StatementKind(StrEnum):
    """`trade` and `fund` are files of a channel; the others are our own books, merchant by
    merchant: orders against payments, coupons and stored value against orders."""

    trade = "trade"
    fund = "fund"
    orders = "orders"
    coupons = "coupons"
    balance = "balance"


class StatementState(StrEnum):
    wanted = "wanted"
    fetched = "fetched"
    matched = "matched"
    differs = "differs"


NEXT_STATEMENT = {
    StatementState.wanted: {StatementState.fetched},
    StatementState.fetched: {StatementState.matched, StatementState.differs},
    StatementState.matched: {StatementState.differs, StatementState.wanted},
    StatementState.differs: {StatementState.matched, StatementState.wanted},
}


class StatementDay(Base):
    """One day of one account, as its channel tells it. `day` is Beijing's.

    `merchant_id`: whose account it is; none where merchants share it. `error`: why it is not
    there. Of what the file itself says: `fee_fen` without the fees that came back, `settled_fen`
    what is left of payments after refunds and fees, `other_fen` what moved for other reasons.
    """

    __tablename__ = "statement_days"
    __table_args__ = (
        UniqueConstraint("channel", "account", "day", "kind"),
        Index(None, "merchant_id", "day"),
        Index(None, "state", "day"),
    )

    id: Mapped[Id]
    channel: Mapped[str] = mapped_column(Code(16))
    account: Mapped[str] = mapped_column(Code(32))
    day: Mapped[date]
    kind: Mapped[StatementKind] = mapped_column(State(StatementKind))
    merchant_id: Mapped[int | None] = mapped_column(ForeignKey("merchants.id"))
    state: Mapped[StatementState] = mapped_column(
        State(StatementState), default=StatementState.wanted
    )
    error: Mapped[str] = mapped_column(Code(64), default="")
    hash: Mapped[str] = mapped_column(Code(64), default="")
    rows: Mapped[int] = mapped_column(default=0)
    paid_fen: Mapped[int] = mapped_column(default=0)
    refunded_fen: Mapped[int] = mapped_column(default=0)
    fee_fen: Mapped[int] = mapped_column(default=0)
    settled_fen: Mapped[int] = mapped_column(default=0)
    other_fen: Mapped[int] = mapped_column(default=0)
    fetched_at: Mapped[datetime | None]
    matched_at: Mapped[datetime | None]
    told_at: Mapped[datetime | None]


class StatementLine(Base):
    """One row of a trade bill, as it came; see `gateways.pay.bills.BillRow`."""

    __tablename__ = "statement_lines"
    __table_args__ = (
        UniqueConstraint("day_id", "kind", "channel_no"),
        Index(None, "day_id", "our_no"),
    )

    id: Mapped[Id]
    day_id: Mapped[int] = mapped_column(ForeignKey("statement_days.id"))
    kind: Mapped[RowKind] = mapped_column(State(RowKind, 8))
    channel_no: Mapped[str] = mapped_column(Code(64))
    our_no: Mapped[str] = mapped_column(Code(64))
    payment_no: Mapped[str] = mapped_column(Code(64))
    amount_fen: Mapped[int]
    settled_fen: Mapped[int]
    fee_fen: Mapped[int]
    rate: Mapped[int | None]
    state: Mapped[str] = mapped_column(Code(24))
    at: Mapped[datetime]


class StatementTotal(Base):
    """What one merchant's part of a day adds up to: the bill's rows, our payments, their orders."""

    __tablename__ = "statement_totals"
    __table_args__ = (UniqueConstraint("day_id", "merchant_id"), Index(None, "merchant_id"))

    id: Mapped[Id]
    day_id: Mapped[int] = mapped_column(ForeignKey("statement_days.id"))
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    bill_payments: Mapped[int] = mapped_column(default=0)
    bill_paid_fen: Mapped[int] = mapped_column(default=0)
    bill_refunds: Mapped[int] = mapped_column(default=0)
    bill_refunded_fen: Mapped[int] = mapped_column(default=0)
    fee_fen: Mapped[int] = mapped_column(default=0)
    payments: Mapped[int] = mapped_column(default=0)
    paid_fen: Mapped[int] = mapped_column(default=0)
    refunds: Mapped[int] = mapped_column(default=0)
    refunded_fen: Mapped[int] = mapped_column(default=0)
    orders: Mapped[int] = mapped_column(default=0)
    ordered_fen: Mapped[int] = mapped_column(default=0)


class Difference(StrEnum):
    """`long`: they have it, we have not; `short`: we have it, they have not."""

    long = "long"
    short = "short"
    amount = "amount"
    state = "state"
    fee = "fee"


class About(StrEnum):
    payment = "payment"
    refund = "refund"
    day = "day"
    order = "order"
    coupon = "coupon"
    balance = "balance"


class DiscrepancyState(StrEnum):
    """`waiting`: it happened close to midnight, and tomorrow's bill may well have it."""

    waiting = "waiting"
    open = "open"
    fixed = "fixed"
    accepted = "accepted"


NEXT_DISCREPANCY = {
    DiscrepancyState.waiting: {
        DiscrepancyState.open,
        DiscrepancyState.fixed,
        DiscrepancyState.accepted,
    },
    DiscrepancyState.open: {
        DiscrepancyState.waiting,
        DiscrepancyState.fixed,
        DiscrepancyState.accepted,
    },
    DiscrepancyState.fixed: {DiscrepancyState.open, DiscrepancyState.waiting},
    # What was given up for lost may turn up, whole or in part.
    DiscrepancyState.accepted: {DiscrepancyState.fixed, DiscrepancyState.open},
}
UNSOLVED = (DiscrepancyState.waiting, DiscrepancyState.open)


class Discrepancy(Base):
    """Something of a day on which two books do not agree, and what became of it.

    `ref` is our number or, where we have none, the channel's. `act`, `actor` and `note`: how it
    was closed and by whom; `system` is a later match that found nothing wrong any more. `lost_fen`:
    what was booked as lost for it while it is accepted.
    """

    __tablename__ = "discrepancies"
    __table_args__ = (
        UniqueConstraint("day_id", "kind", "about", "ref"),
        Index(None, "merchant_id", "state", "id"),
        Index(None, "merchant_id", "kind", "state", "id"),
    )

    id: Mapped[Id]
    day_id: Mapped[int] = mapped_column(ForeignKey("statement_days.id"))
    merchant_id: Mapped[int | None] = mapped_column(ForeignKey("merchants.id"))
    kind: Mapped[Difference] = mapped_column(State(Difference))
    about: Mapped[About] = mapped_column(State(About))
    ref: Mapped[str] = mapped_column(Code(64))
    line_id: Mapped[int | None]  # no foreign key: a bill that is fetched anew has new lines
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("payment_attempts.id"))
    refund_id: Mapped[int | None] = mapped_column(ForeignKey("refunds.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    ours_fen: Mapped[int | None]
    theirs_fen: Mapped[int | None]
    lost_fen: Mapped[int] = mapped_column(default=0)
    at: Mapped[datetime]
    state: Mapped[DiscrepancyState] = mapped_column(
        State(DiscrepancyState), default=DiscrepancyState.open
    )
    found_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    act: Mapped[str] = mapped_column(Code(24), default="")
    actor: Mapped[str] = mapped_column(Code(64), default="")
    note: Mapped[str] = mapped_column(default="")
