"""Signing in day by day, drawing lots, bringing a friend."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto import Sealed
from core.database import Base, Code, Id, State


class SignRules(Base):
    """`milestones`: [[days in a row, points, template or 0], …]; after the last they begin anew."""

    __tablename__ = "sign_rules"
    __table_args__ = (UniqueConstraint("merchant_id"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    points: Mapped[int]
    growth: Mapped[int] = mapped_column(default=0)
    milestones: Mapped[list[Any]] = mapped_column(JSON)
    is_on: Mapped[bool] = mapped_column(default=True)


class SignIn(Base):
    """Once per member and business day. `streak` counts the days in a row up to this one."""

    __tablename__ = "sign_ins"
    __table_args__ = (UniqueConstraint("member_id", "day"), Index(None, "day"))

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    day: Mapped[date]
    streak: Mapped[int]
    points: Mapped[int]
    at: Mapped[datetime]


class PrizeKind(StrEnum):
    coupon = "coupon"
    points = "points"
    text = "text"


class Lottery(Base):
    """`seed_hash` is shown from the start, `seed` when it is over: every draw can be checked."""

    __tablename__ = "lotteries"
    __table_args__ = (Index(None, "merchant_id", "ends_at"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(String(32))
    points: Mapped[int]
    per_day: Mapped[int]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    seed: Mapped[str] = mapped_column(Sealed())
    seed_hash: Mapped[str] = mapped_column(Code(64))
    is_on: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class Prize(Base):
    """`odds_bp` of 10,000 draws win it, while any are `left`; what is over wins nothing."""

    __tablename__ = "lottery_prizes"
    __table_args__ = (
        UniqueConstraint("lottery_id", "position"),
        CheckConstraint("odds_bp > 0 AND odds_bp <= 10000", name="odds"),
        CheckConstraint("stock_left >= 0", name="stock_left"),
    )

    id: Mapped[Id]
    lottery_id: Mapped[int] = mapped_column(ForeignKey("lotteries.id"))
    position: Mapped[int]
    kind: Mapped[PrizeKind] = mapped_column(State(PrizeKind))
    name: Mapped[str] = mapped_column(String(32))
    odds_bp: Mapped[int]
    stock: Mapped[int]
    stock_left: Mapped[int]
    template_id: Mapped[int | None] = mapped_column(ForeignKey("coupon_templates.id"))
    points: Mapped[int] = mapped_column(default=0)


class Draw(Base):
    """`roll` follows from the seed and `ticket`. `prize_id` empty: nothing, or it was gone."""

    __tablename__ = "lottery_draws"
    __table_args__ = (
        UniqueConstraint("lottery_id", "member_id", "day", "number"),
        Index(None, "member_id", "id"),
    )

    id: Mapped[Id]
    lottery_id: Mapped[int] = mapped_column(ForeignKey("lotteries.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    day: Mapped[date]
    number: Mapped[int]
    ticket: Mapped[str] = mapped_column(Code(64))
    roll: Mapped[int]
    prize_id: Mapped[int | None] = mapped_column(ForeignKey("lottery_prizes.id"), index=True)
    at: Mapped[datetime]


class ReferralState(StrEnum):
    """`held`: too many at once, somebody of the shop decides."""

    waiting = "waiting"
    held = "held"
    rewarded = "rewarded"
    refused = "refused"


NEXT_REFERRAL: dict[ReferralState, set[ReferralState]] = {
    ReferralState.waiting: {ReferralState.held, ReferralState.rewarded, ReferralState.refused},
    ReferralState.held: {ReferralState.waiting, ReferralState.refused},
    ReferralState.rewarded: set(),
    ReferralState.refused: set(),
}


class ReferralRules(Base):
    __tablename__ = "referral_rules"
    __table_args__ = (UniqueConstraint("merchant_id"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    inviter_points: Mapped[int]
    newcomer_points: Mapped[int]
    growth: Mapped[int] = mapped_column(default=0)
    most_a_month: Mapped[int] = mapped_column(default=20)
    held_over_a_day: Mapped[int] = mapped_column(default=5)
    is_on: Mapped[bool] = mapped_column(default=True)


class InviteCode(Base):
    """`device`: a keyed hash of what the inviter's phone last called itself."""

    __tablename__ = "invite_codes"

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    code: Mapped[str] = mapped_column(Code(16), unique=True)
    device: Mapped[str] = mapped_column(Code(64), default="")


class Referral(Base):
    """A newcomer is brought once. `reason`: why it is held or was refused, or that somebody of the
    shop has let it pass. `device`: a keyed hash of what the newcomer's phone called itself.
    """

    __tablename__ = "referrals"
    __table_args__ = (
        UniqueConstraint("newcomer_id"),
        Index(None, "inviter_id", "state", "at"),
        Index(None, "merchant_id", "state", "id"),
        Index(None, "merchant_id", "id"),
        Index(None, "merchant_id", "device"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    inviter_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    newcomer_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    state: Mapped[ReferralState] = mapped_column(
        State(ReferralState), default=ReferralState.waiting
    )
    reason: Mapped[str] = mapped_column(Code(32), default="")
    device: Mapped[str] = mapped_column(Code(64), default="")
    at: Mapped[datetime]
    rewarded_at: Mapped[datetime | None]
