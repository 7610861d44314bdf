"""Points by lot: each comes with its own date, is spent oldest date first, and lapses on it."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class LotState(StrEnum):
    pending = "pending"
    available = "available"
    spent = "spent"
    expired = "expired"
    clawed_back = "clawed_back"


NEXT: dict[LotState, set[LotState]] = {
    LotState.pending: {LotState.available, LotState.clawed_back},
    LotState.available: {LotState.spent, LotState.expired, LotState.clawed_back},
    # Points of an order that was cancelled come back into the lots they were taken from.
    LotState.spent: {LotState.available},
    LotState.expired: set(),
    LotState.clawed_back: set(),
}


class EntryKind(StrEnum):
    earned = "earned"
    released = "released"
    clawed_back = "clawed_back"
    merged = "merged"
    spent = "spent"
    returned = "returned"
    expired = "expired"
    adjusted = "adjusted"
    granted = "granted"
    imported = "imported"
    exchanged = "exchanged"


class HoldState(StrEnum):
    held = "held"
    spent = "spent"
    returned = "returned"


class PointLot(Base):
    """`earned` is what the lot is worth after refunds, `points` what is left of it to spend.

    `rate_bp` is how many points a yuan earned when it came. `order_id` is empty for points that no
    order earned. A member's available lots add up to its points, or to 0 where it owes some.
    """

    __tablename__ = "point_lots"
    __table_args__ = (
        UniqueConstraint("order_id"),
        Index("ix_point_lots_due", "state", "available_at"),
        Index("ix_point_lots_over", "state", "expires_at"),
    )

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    earned: Mapped[int]
    points: Mapped[int]
    rate_bp: Mapped[int] = mapped_column(default=10_000)
    state: Mapped[LotState] = mapped_column(State(LotState), default=LotState.pending)
    earned_at: Mapped[datetime]
    available_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    reminded_at: Mapped[datetime | None]


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
    reason: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]


class PointHold(Base):
    """Points that an order keeps: taken when it is placed, spent when it is paid.

    `parts` says from which lots: [[lot, points], …]; `returned` counts what refunds gave back.
    """

    __tablename__ = "point_holds"
    __table_args__ = (
        UniqueConstraint("order_id"),
        CheckConstraint("returned >= 0 AND returned <= points", name="returned"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    points: Mapped[int]
    returned: Mapped[int] = mapped_column(default=0)
    parts: Mapped[list[Any]] = mapped_column(JSON)
    state: Mapped[HoldState] = mapped_column(State(HoldState), default=HoldState.held)
    at: Mapped[datetime]


class PointGoods(Base):
    """What points buy: a coupon of a template. `left` NULL: as many as are asked for."""

    __tablename__ = "point_goods"
    __table_args__ = (
        Index(None, "merchant_id", "on_sale", "points"),
        CheckConstraint("points > 0", name="points"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    template_id: Mapped[int] = mapped_column(ForeignKey("coupon_templates.id"))
    points: Mapped[int]
    left: Mapped[int | None]
    per_member: Mapped[int] = mapped_column(default=1)
    on_sale: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class PointExchange(Base):
    """One thing bought with points. `number` counts a member's of these goods, from 1."""

    __tablename__ = "point_exchanges"
    __table_args__ = (UniqueConstraint("goods_id", "member_id", "number"),)

    id: Mapped[Id]
    goods_id: Mapped[int] = mapped_column(ForeignKey("point_goods.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    number: Mapped[int]
    points: Mapped[int]
    coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupons.id"))
    at: Mapped[datetime]
