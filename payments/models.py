"""Tables of payments, and the maps of their moves."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class BillState(StrEnum):
    open = "open"
    paid = "paid"
    void = "void"


NEXT_BILL = {
    BillState.open: {BillState.paid, BillState.void},
    BillState.paid: set(),
    BillState.void: set(),
}


class Channel(StrEnum):
    wechat = "wechat"
    none = "none"


class AttemptState(StrEnum):
    created = "created"
    pending = "pending"
    succeeded = "succeeded"
    closed = "closed"
    failed = "failed"
    succeeded_late = "succeeded_late"


NEXT_ATTEMPT = {
    AttemptState.created: {
        AttemptState.pending,
        AttemptState.succeeded,
        AttemptState.closed,
        AttemptState.failed,
        AttemptState.succeeded_late,
    },
    AttemptState.pending: {
        AttemptState.succeeded,
        AttemptState.closed,
        AttemptState.failed,
        AttemptState.succeeded_late,
    },
    AttemptState.closed: {AttemptState.succeeded_late},
    AttemptState.failed: {AttemptState.succeeded_late},
    AttemptState.succeeded: set(),
    AttemptState.succeeded_late: set(),
}

UNSETTLED = (AttemptState.created, AttemptState.pending)
PAID = (AttemptState.succeeded, AttemptState.succeeded_late)


class RefundState(StrEnum):
    requested = "requested"
    processing = "processing"
    succeeded = "succeeded"
    failed = "failed"


NEXT_REFUND = {
    RefundState.requested: {RefundState.processing, RefundState.succeeded, RefundState.failed},
    RefundState.processing: {RefundState.succeeded, RefundState.failed},
    RefundState.succeeded: set(),
    # A human finishes an abnormal refund at the channel.
    RefundState.failed: {RefundState.succeeded},
}


class Bill(Base):
    """What an order asks to be paid, once."""

    __tablename__ = "bills"
    __table_args__ = (CheckConstraint("amount_fen >= 0", name="amount"),)

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), unique=True)
    amount_fen: Mapped[int]
    currency: Mapped[str] = mapped_column(Code(3), default="CNY")
    state: Mapped[BillState] = mapped_column(State(BillState), default=BillState.open)
    created_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]


class PaymentAttempt(Base):
    """One try to pay a bill through a channel, under a number that the channel knows too.

    `live` is true or NULL, so that the unique key allows one live attempt and any number of past
    ones on every database. The one that succeeded stays live: a paid bill takes no other.
    `refunded_fen` counts what was asked back, and is taken by a guarded update.
    """

    __tablename__ = "payment_attempts"
    __table_args__ = (
        UniqueConstraint("bill_id", "live"),
        UniqueConstraint("channel", "transaction_id"),
        Index(None, "state", "created_at"),
        CheckConstraint("refunded_fen >= 0 AND refunded_fen <= amount_fen", name="refunded"),
    )

    id: Mapped[Id]
    out_trade_no: Mapped[str] = mapped_column(Code(32), unique=True)
    bill_id: Mapped[int] = mapped_column(ForeignKey("bills.id"))
    live: Mapped[bool | None]
    channel: Mapped[Channel] = mapped_column(State(Channel))
    mchid: Mapped[str] = mapped_column(Code(32), default="")
    appid: Mapped[str] = mapped_column(Code(64), default="")
    openid: Mapped[str] = mapped_column(Code(64), default="")
    amount_fen: Mapped[int]
    currency: Mapped[str] = mapped_column(Code(3), default="CNY")
    refunded_fen: Mapped[int] = mapped_column(default=0)
    state: Mapped[AttemptState] = mapped_column(State(AttemptState), default=AttemptState.created)
    prepay_id: Mapped[str | None] = mapped_column(Code(64))
    prepaid_at: Mapped[datetime | None]
    transaction_id: Mapped[str | None] = mapped_column(Code(64))
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class Refund(Base):
    """Money on its way back. The number stays the same however often it is asked for.

    `error` says in the channel's word why it failed or waits.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        Index(None, "order_id", "id"),
        Index(None, "attempt_id"),
        CheckConstraint("amount_fen > 0", name="amount"),
    )

    id: Mapped[Id]
    out_refund_no: Mapped[str] = mapped_column(Code(32), unique=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("payment_attempts.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    amount_fen: Mapped[int]
    state: Mapped[RefundState] = mapped_column(State(RefundState), default=RefundState.requested)
    reason: Mapped[str] = mapped_column(default="")
    actor: Mapped[str] = mapped_column(Code(64))
    refund_id: Mapped[str | None] = mapped_column(Code(64))
    error: Mapped[str] = mapped_column(Code(64), default="")
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("refunds.id"), unique=True)
    requested_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class LedgerEntry(Base):
    """One side of a posting. Positive: the account owes us more or we hold more; negative: less.

    The entries of one cause (`payment:7`, `refund:3`) sum to zero.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        UniqueConstraint("cause", "account"),
        Index(None, "account", "at"),
        Index(None, "order_id"),
    )

    id: Mapped[Id]
    cause: Mapped[str] = mapped_column(Code(64))
    account: Mapped[str] = mapped_column(Code(64))
    amount_fen: Mapped[int]
    currency: Mapped[str] = mapped_column(Code(3), default="CNY")
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    at: Mapped[datetime]
