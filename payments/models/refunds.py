"""Tables of refunds, and the map of their moves."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State
from payments.models.bills import Channel


class RefundState(StrEnum):
    requested = "requested"
    processing = "processing"
    succeeded = "succeeded"
    failed = "failed"


NEXT_REFUND = {
    RefundState.requested: {RefundState.processing, RefundState.succeeded, RefundState.failed},
    RefundState.processing: {RefundState.succeeded, RefundState.failed},
    RefundState.succeeded: set(),
    # A human finishes an abnormal refund at the channel, or by hand.
    RefundState.failed: {RefundState.succeeded},
}


ABNORMAL = "ABNORMAL"
REDIRECTED = "REDIRECTED"
DONE_BEFORE = "DONE_BEFORE"
"""Word of a failed refund that took another's place which turned out to be done: nobody asks for
that money again."""
HOLDING = (ABNORMAL, REDIRECTED)
"""Words of a failed refund that still holds its money: the payer's account did not take it, or it
is on its way to another account, and nothing else may give it back."""


class Refund(Base):
    """Money on its way back to one payment: to its channel, or to the balance it came from.

    The number stays the same however often it is asked for. `batch` is the number of the first
    refund of what was asked for at once: a mixed payment, or one of several bills, goes back in
    several. `channel` is where it goes: the payment's, or `balance`. `error` says in the channel's
    word why it failed or waits. `finished_by` gave the money back otherwise, and `note` says how.
    """

    __tablename__ = "refunds"
    __table_args__ = (
        Index(None, "order_id", "id"),
        Index(None, "attempt_id"),
        Index(None, "batch"),
        Index(None, "merchant_id", "requested_at", "id"),
        Index(None, "merchant_id", "state", "requested_at", "id"),
        Index(None, "merchant_id", "channel", "requested_at", "id"),
        Index(None, "merchant_id", "actor", "requested_at", "id"),
        Index(None, "merchant_id", "store_id", "requested_at", "id"),
        Index(None, "state", "requested_at"),
        Index(None, "settled_at"),
        Index(None, "actor", "settled_at"),
        Index(None, "finished_by", "settled_at"),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint(
            "channel_fen >= 0 AND balance_fen >= 0 AND channel_fen + balance_fen = amount_fen",
            name="parts",
        ),
        CheckConstraint("delivery_fen >= 0 AND delivery_fen <= amount_fen", name="delivery"),
    )

    id: Mapped[Id]
    out_refund_no: Mapped[str] = mapped_column(Code(32), unique=True)
    batch: Mapped[str] = mapped_column(Code(32))
    attempt_id: Mapped[int] = mapped_column(ForeignKey("payment_attempts.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    channel: Mapped[Channel] = mapped_column(State(Channel))
    amount_fen: Mapped[int]
    channel_fen: Mapped[int]
    balance_fen: Mapped[int] = mapped_column(default=0)
    delivery_fen: Mapped[int] = mapped_column(default=0)
    state: Mapped[RefundState] = mapped_column(State(RefundState), default=RefundState.requested)
    reason: Mapped[str] = mapped_column(default="")
    actor: Mapped[str] = mapped_column(Code(64))
    refund_id: Mapped[str | None] = mapped_column(Code(64))
    error: Mapped[str] = mapped_column(Code(64), default="")
    finished_by: Mapped[str | None] = mapped_column(Code(64))
    note: Mapped[str] = mapped_column(String(200), default="")
    replaces_id: Mapped[int | None] = mapped_column(ForeignKey("refunds.id"), unique=True)
    requested_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]


class RefundLine(Base):
    """What of a refund is for a line of the order; `pieces` is 0 where another refund of the same
    batch carries them."""

    __tablename__ = "refund_lines"
    __table_args__ = (
        UniqueConstraint("refund_id", "order_line_id"),
        Index(None, "order_line_id"),
        CheckConstraint("pieces >= 0 AND amount_fen >= 0", name="amounts"),
    )

    id: Mapped[Id]
    refund_id: Mapped[int] = mapped_column(ForeignKey("refunds.id"))
    order_line_id: Mapped[int] = mapped_column(ForeignKey("order_lines.id"))
    pieces: Mapped[int]
    amount_fen: Mapped[int]


class RefundedLine(Base):
    """What was asked back of a line, all in all: taken by a guarded update, like an attempt's.

    There is one from the first refund of the line on; quantity and price are the line's.
    """

    __tablename__ = "refunded_lines"
    __table_args__ = (
        Index(None, "order_id"),
        CheckConstraint("pieces >= 0 AND pieces <= quantity", name="pieces"),
        CheckConstraint("amount_fen >= 0 AND amount_fen <= payable_fen", name="amount"),
    )

    order_line_id: Mapped[int] = mapped_column(ForeignKey("order_lines.id"), primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    quantity: Mapped[int]
    payable_fen: Mapped[int]
    pieces: Mapped[int] = mapped_column(default=0)
    amount_fen: Mapped[int] = mapped_column(default=0)
