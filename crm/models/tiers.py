"""A merchant's tiers and the rules they are given by, and every move of a member between them."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class Measure(StrEnum):
    """What thresholds are compared with: fen spent and not given back, or growth (成长值)."""

    spent = "spent"
    growth = "growth"


class Fall(StrEnum):
    """How far a tier falls when it is not earned again: one step, or to what was earned."""

    one_step = "one_step"
    earned = "earned"


class Expiry(StrEnum):
    """When points lapse: never, some months after they came, or on one day of the next year."""

    never = "never"
    months = "months"
    yearly = "yearly"


class Loyalty(Base):
    """The rules of one merchant's membership; a merchant without a row has the defaults.

    `window_days` 0: all time. `valid_days` 0: a tier is for good. Growth is one per yuan kept, and
    what `growth_entries` add. `discount_alone`: a tier's discount goes with no other offer. A
    balance that falls below `balance_low_fen` is told; 0: never. `sells_top_ups`: stored value is
    on sale, though no order can be paid from it yet. `reweigh`: members are being weighed by new
    rules, "up" or, where they may fall too, "all". `revision`: another with whatever is written of
    the rules or the tiers.
    """

    __tablename__ = "loyalty"
    __table_args__ = (UniqueConstraint("merchant_id"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    measure: Mapped[Measure] = mapped_column(State(Measure), default=Measure.spent)
    window_days: Mapped[int] = mapped_column(default=0)
    valid_days: Mapped[int] = mapped_column(default=0)
    grace_days: Mapped[int] = mapped_column(default=0)
    fall: Mapped[Fall] = mapped_column(State(Fall), default=Fall.one_step)
    earn_bp: Mapped[int] = mapped_column(default=10_000)
    expiry: Mapped[Expiry] = mapped_column(State(Expiry), default=Expiry.never)
    expiry_months: Mapped[int] = mapped_column(default=12)
    expiry_month: Mapped[int] = mapped_column(default=12)
    expiry_day: Mapped[int] = mapped_column(default=31)
    remind_days: Mapped[int] = mapped_column(default=14)
    spend_rate: Mapped[int] = mapped_column(default=0)
    spend_cap_bp: Mapped[int] = mapped_column(default=5_000)
    adjust_most: Mapped[int] = mapped_column(default=1_000)
    discount_alone: Mapped[bool] = mapped_column(default=False)
    balance_low_fen: Mapped[int] = mapped_column(default=2_000)
    sells_top_ups: Mapped[bool] = mapped_column(default=False)
    reweigh: Mapped[str] = mapped_column(Code(8), default="")
    updated_at: Mapped[datetime]
    revision: Mapped[str] = mapped_column(Code(16))


class Tier(Base):
    """`threshold` is in fen or in growth, as the merchant measures. `rank` 0 is everybody's.

    `points_bp`: how many points a yuan earns, 10,000 being the usual. `discount_bp`: what it takes
    off an order; the lowest tier takes nothing.
    """

    __tablename__ = "tiers"
    __table_args__ = (
        UniqueConstraint("merchant_id", "code"),
        CheckConstraint("threshold >= 0 AND points_bp >= 0", name="amounts"),
        CheckConstraint("discount_bp >= 0 AND discount_bp < 10000", name="discount"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    code: Mapped[str] = mapped_column(Code(24))
    rank: Mapped[int]
    name: Mapped[str] = mapped_column(String(16))
    threshold: Mapped[int]
    points_bp: Mapped[int] = mapped_column(default=10_000)
    birthday_template_id: Mapped[int | None] = mapped_column(ForeignKey("coupon_templates.id"))
    benefits: Mapped[str] = mapped_column(default="")
    discount_bp: Mapped[int] = mapped_column(default=0)


class TierMove(Base):
    """One move, never changed. `reason`: paid, refunded, expired, rules, merged, hand, imported."""

    __tablename__ = "tier_moves"
    __table_args__ = (Index(None, "member_id", "id"), Index(None, "at"))

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    before: Mapped[str] = mapped_column(Code(24))
    after: Mapped[str] = mapped_column(Code(24))
    reason: Mapped[str] = mapped_column(Code(16))
    at: Mapped[datetime]


class GrowthEntry(Base):
    """Growth beside what was bought: signing in, bringing somebody, a gift. Never changed."""

    __tablename__ = "growth_entries"
    __table_args__ = (
        UniqueConstraint("cause"),
        Index(None, "member_id", "at", "growth"),
    )

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    growth: Mapped[int]
    cause: Mapped[str] = mapped_column(Code(64))
    at: Mapped[datetime]
