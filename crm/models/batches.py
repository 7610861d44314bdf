"""Tables of coupons in bulk: batches of them, and the reminders of their end."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class BatchKind(StrEnum):
    """To members, as codes that are nobody's yet, or codes that another system gave out."""

    members = "members"
    sheet = "sheet"
    codes = "codes"


class BatchState(StrEnum):
    preparing = "preparing"
    running = "running"
    stopped = "stopped"
    done = "done"
    revoking = "revoking"
    revoked = "revoked"


NEXT_BATCH: dict[BatchState, set[BatchState]] = {
    BatchState.preparing: {BatchState.running, BatchState.revoking},
    BatchState.running: {BatchState.stopped, BatchState.done, BatchState.revoking},
    BatchState.stopped: {BatchState.running, BatchState.revoking},
    BatchState.done: {BatchState.revoking},
    BatchState.revoking: {BatchState.revoked},
    BatchState.revoked: set(),
}


class CouponBatch(Base):
    """`cursor` is the last row, of a sheet the number of codes, that was done; it moves in the
    transaction that does the work. `stop_words`: why it stands still, for people.
    `allowed_at`: when somebody made it, or let it go on.
    """

    __tablename__ = "coupon_batches"
    __table_args__ = (Index(None, "merchant_id", "id"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    template_id: Mapped[int] = mapped_column(ForeignKey("coupon_templates.id"))
    kind: Mapped[BatchKind] = mapped_column(State(BatchKind))
    name: Mapped[str] = mapped_column(String(64))
    state: Mapped[BatchState] = mapped_column(State(BatchState))
    segment_id: Mapped[int | None] = mapped_column(ForeignKey("segments.id"))
    total: Mapped[int] = mapped_column(default=0)
    issued: Mapped[int] = mapped_column(default=0)
    faulty: Mapped[int] = mapped_column(default=0)
    voided: Mapped[int] = mapped_column(default=0)
    cursor: Mapped[int] = mapped_column(default=0)
    stop_words: Mapped[str] = mapped_column(default="")
    created_by_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]
    allowed_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    revoke_reason: Mapped[str] = mapped_column(default="")


class BatchRow(Base):
    """One line of a batch: a member, or a code of another system, or what is wrong with it.

    `given` is what stood there, a phone number masked.
    """

    __tablename__ = "coupon_batch_rows"
    __table_args__ = (
        UniqueConstraint("batch_id", "number"),
        Index(None, "batch_id", "problem", "number"),
    )

    id: Mapped[Id]
    batch_id: Mapped[int] = mapped_column(ForeignKey("coupon_batches.id"))
    number: Mapped[int]
    given: Mapped[str] = mapped_column(String(64), default="")
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    code: Mapped[str | None] = mapped_column(Code(64))
    problem: Mapped[str] = mapped_column(String(32), default="")


class CouponReminder(Base):
    """That a coupon's end was near, looked at once: told, or why not. `outcome` is `told` or a
    reason of the planner's, `no_consent`, `frequency`.
    """

    __tablename__ = "coupon_reminders"

    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupons.id"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    outcome: Mapped[str] = mapped_column(Code(32))
    outbound_id: Mapped[int | None] = mapped_column(ForeignKey("outbound_messages.id"))
    at: Mapped[datetime]
