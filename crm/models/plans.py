"""What a member buys that nobody makes or hands over: stored value, membership, passes."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State
from crm.models.points import HoldState


class PlanKind(StrEnum):
    """储值, 付费会员, 次卡."""

    top_up = "top_up"
    membership = "membership"
    card = "pass"


class BalanceKind(StrEnum):
    topped_up = "topped_up"
    spent = "spent"
    returned = "returned"
    refunded = "refunded"
    merged = "merged"
    imported = "imported"


class TermState(StrEnum):
    active = "active"
    ended = "ended"
    refunded = "refunded"


NEXT_TERM: dict[TermState, set[TermState]] = {
    TermState.active: {TermState.ended, TermState.refunded},
    TermState.ended: set(),
    TermState.refunded: set(),
}


class Plan(Base):
    """An offer. `top_up`: `bonus_fen` is given on top of the price. `membership`: `days` long, with
    `coupons` of the template at once and again every 30 days. `pass`: one coupon of a template that
    has several uses.
    """

    __tablename__ = "plans"
    __table_args__ = (
        Index(None, "merchant_id", "kind", "on_sale"),
        CheckConstraint("price_fen > 0 AND bonus_fen >= 0", name="amounts"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    kind: Mapped[PlanKind] = mapped_column(State(PlanKind))
    name: Mapped[str] = mapped_column(String(32))
    price_fen: Mapped[int]
    bonus_fen: Mapped[int] = mapped_column(default=0)
    days: Mapped[int] = mapped_column(default=0)
    template_id: Mapped[int | None] = mapped_column(ForeignKey("coupon_templates.id"))
    coupons: Mapped[int] = mapped_column(default=0)
    benefits: Mapped[str] = mapped_column(default="")
    on_sale: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class BalanceLot(Base):
    """One top-up: `principal_fen` and `bonus_fen` are left of `paid_fen` and `given_fen`. No order:
    it was paid in another system, before the member came over."""

    __tablename__ = "balance_lots"
    __table_args__ = (
        UniqueConstraint("order_id"),
        Index(None, "member_id", "id"),
        CheckConstraint("principal_fen >= 0 AND principal_fen <= paid_fen", name="principal"),
        CheckConstraint("bonus_fen >= 0 AND bonus_fen <= given_fen", name="bonus"),
    )

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    paid_fen: Mapped[int]
    given_fen: Mapped[int]
    principal_fen: Mapped[int]
    bonus_fen: Mapped[int]
    at: Mapped[datetime]


class BalanceEntry(Base):
    """One movement, never changed; the sums are the member's balance and the bonus in it."""

    __tablename__ = "balance_entries"
    __table_args__ = (
        UniqueConstraint("cause"),
        Index(None, "member_id", "at", "id"),
        Index(None, "merchant_id", "at", "id"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    kind: Mapped[BalanceKind] = mapped_column(State(BalanceKind))
    principal_fen: Mapped[int]
    bonus_fen: Mapped[int]
    cause: Mapped[str] = mapped_column(Code(64))
    at: Mapped[datetime]


class BalanceHold(Base):
    """Stored value that something keeps: `parts` is [[lot, principal, bonus], …].

    `returned_fen` went back into the lots already; `back` says how, part by part like `parts`.
    """

    __tablename__ = "balance_holds"
    __table_args__ = (
        UniqueConstraint("cause"),
        Index(None, "state", "id"),
        CheckConstraint("returned_fen >= 0 AND returned_fen <= amount_fen", name="returned"),
    )

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    cause: Mapped[str] = mapped_column(Code(48))
    amount_fen: Mapped[int]
    returned_fen: Mapped[int] = mapped_column(default=0)
    parts: Mapped[list[Any]] = mapped_column(JSON)
    back: Mapped[list[Any] | None] = mapped_column(JSON(none_as_null=True))
    state: Mapped[HoldState] = mapped_column(State(HoldState), default=HoldState.held)
    at: Mapped[datetime]


class PaidTerm(Base):
    """A member's paid membership: it ends by itself and is never renewed silently.

    `given` counts the months for which coupons were given out.
    """

    __tablename__ = "paid_terms"
    __table_args__ = (
        UniqueConstraint("order_id"),
        Index(None, "member_id", "state", "ends_at"),
        Index(None, "state", "ends_at"),
        Index(None, "state", "next_gift_at"),
    )

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    plan_id: Mapped[int] = mapped_column(ForeignKey("plans.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    state: Mapped[TermState] = mapped_column(State(TermState), default=TermState.active)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    given: Mapped[int] = mapped_column(default=0)
    next_gift_at: Mapped[datetime | None]
