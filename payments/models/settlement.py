"""Tables of settlement: terms, a statement for each day, what stores are owed and were paid."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class DayState(StrEnum):
    """`open`: fees and corrections may still come; `closed`: nothing of it changes any more."""

    open = "open"
    closed = "closed"


NEXT_DAY: dict[DayState, frozenset[DayState]] = {
    DayState.open: frozenset({DayState.closed}),
    DayState.closed: frozenset(),
}


class SettlementTerms(Base):
    """What the platform keeps of a merchant's sales, and bears of its coupons, from a day on."""

    __tablename__ = "settlement_terms"
    __table_args__ = (
        UniqueConstraint("merchant_id", "since"),
        CheckConstraint("commission_bp >= 0 AND commission_bp <= 3000", name="commission"),
        CheckConstraint("coupon_platform_bp >= 0 AND coupon_platform_bp <= 10000", name="coupon"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    since: Mapped[date]
    commission_bp: Mapped[int]
    coupon_platform_bp: Mapped[int] = mapped_column(default=0)
    set_by: Mapped[str] = mapped_column(Code(64))
    set_at: Mapped[datetime]


class CouponTerms(Base):
    """What the platform bears of one template's coupons, whatever the merchant's terms say."""

    __tablename__ = "coupon_terms"
    __table_args__ = (
        CheckConstraint("platform_bp >= 0 AND platform_bp <= 10000", name="platform"),
    )

    template_id: Mapped[int] = mapped_column(ForeignKey("coupon_templates.id"), primary_key=True)
    platform_bp: Mapped[int]


class SettlementDay(Base):
    """A merchant's statement of one business day.

    `net_fen` is what the day left at the channels: taken − refunded − fee − commission − shared +
    other, which is whatever else moved money there (what reconciliation gave up or found again).
    Coupon costs move no money: they stand beside it.
    """

    __tablename__ = "settlement_days"
    __table_args__ = (UniqueConstraint("merchant_id", "day"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    day: Mapped[date]
    state: Mapped[DayState] = mapped_column(State(DayState), default=DayState.open)
    taken_fen: Mapped[int] = mapped_column(default=0)
    refunded_fen: Mapped[int] = mapped_column(default=0)
    fee_fen: Mapped[int] = mapped_column(default=0)
    commission_fen: Mapped[int] = mapped_column(default=0)
    shared_fen: Mapped[int] = mapped_column(default=0)
    coupon_cost_fen: Mapped[int] = mapped_column(default=0)
    subsidy_fen: Mapped[int] = mapped_column(default=0)
    other_fen: Mapped[int] = mapped_column(default=0)
    net_fen: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]


class SettlementLine(Base):
    """What one account moved for one kind of cause in one store on a closed day: a sum of entries.

    `store_id` is null for what belongs to no store's order. The lines of a day add up to zero.
    """

    __tablename__ = "settlement_lines"
    __table_args__ = (Index(None, "settlement_day_id", "store_id"),)

    id: Mapped[Id]
    settlement_day_id: Mapped[int] = mapped_column(ForeignKey("settlement_days.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    account: Mapped[str] = mapped_column(Code(64))
    kind: Mapped[str] = mapped_column(Code(24))
    amount_fen: Mapped[int]
    entries: Mapped[int]


class StorePurse(Base):
    """What the closed days left of a store's sales, and what of it was paid out to the store.

    `earned_fen` falls when more was given back than taken; a payout is taken by a guarded update.
    """

    __tablename__ = "store_purses"
    __table_args__ = (CheckConstraint("paid_fen >= 0", name="paid"),)

    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    earned_fen: Mapped[int] = mapped_column(default=0)
    paid_fen: Mapped[int] = mapped_column(default=0)


class Payout(Base):
    """Money that an owner paid to one of their own stores outside of Linli, as they wrote it down.

    What was written down wrongly is taken back by another row, which names it.
    """

    __tablename__ = "payouts"
    __table_args__ = (
        UniqueConstraint("merchant_id", "voucher"),
        Index(None, "merchant_id", "id"),
        CheckConstraint("amount_fen <> 0", name="amount"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    amount_fen: Mapped[int]
    voucher: Mapped[str] = mapped_column(Code(64))
    note: Mapped[str] = mapped_column(String(120), default="")
    by: Mapped[str] = mapped_column(Code(64))
    at: Mapped[datetime]
    takes_back_id: Mapped[int | None] = mapped_column(ForeignKey("payouts.id"), unique=True)


class BookProof(Base):
    """What the nightly proof found: how many of each were looked at, and which are wrong."""

    __tablename__ = "book_proofs"

    id: Mapped[Id]
    at: Mapped[datetime]
    counts: Mapped[dict[str, Any]]
    wrong: Mapped[dict[str, Any]]
