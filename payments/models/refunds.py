"""Table of refunds, and the map of their moves."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


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
