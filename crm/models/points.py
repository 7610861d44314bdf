"""Points by lot: each purchase earns one, pending until its refund window is over."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class LotState(StrEnum):
    pending = "pending"
    available = "available"


NEXT: dict[LotState, set[LotState]] = {
    LotState.pending: {LotState.available},
    LotState.available: set(),
}


class EntryKind(StrEnum):
    earned = "earned"
    released = "released"
    clawed_back = "clawed_back"
    merged = "merged"


class PointLot(Base):
    """`points` is what is left of the lot after refunds."""

    __tablename__ = "point_lots"
    __table_args__ = (
        UniqueConstraint("order_id"),
        Index("ix_point_lots_due", "state", "available_at"),
    )

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    points: Mapped[int]
    state: Mapped[LotState] = mapped_column(State(LotState), default=LotState.pending)
    earned_at: Mapped[datetime]
    available_at: Mapped[datetime]


class PointEntry(Base):
    """One movement, never changed. The sums of `points` and `pending` are the two balances."""

    __tablename__ = "point_entries"
    __table_args__ = (
        UniqueConstraint("cause"),
        Index("ix_point_entries_member", "member_id", "at", "id"),
    )

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    lot_id: Mapped[int | None] = mapped_column(ForeignKey("point_lots.id"), index=True)
    kind: Mapped[EntryKind] = mapped_column(State(EntryKind))
    points: Mapped[int] = mapped_column(default=0)
    pending: Mapped[int] = mapped_column(default=0)
    cause: Mapped[str] = mapped_column(Code(64))
    at: Mapped[datetime]
