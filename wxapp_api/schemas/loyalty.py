"""Membership: tier, points, stored value, plans, sign-in, lottery, invitations."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from wxapp_api.schemas.common import Fen, IdIn, IdOut, In, Moment, Out, PageQuery, Params


class TierStep(Out):
    code: str
    name: str
    threshold: int = Field(description="fen spent, or growth: see measure")
    points_bp: int = Field(description="10,000: a point a yuan")
    benefits: str
    birthday_coupon: bool
    discount_bp: int = Field(description="off every order; 500 is 9.5 折")


class MembershipOut(Out):
    """The member centre at a glance. `next_needed` is in the unit of `measure`; 0 at the top."""

    measure: Literal["spent", "growth"]
    worth: int = Field(description="what counts towards the tiers, in the measure's unit")
    tier: TierStep
    next: TierStep | None
    next_needed: int
    tier_until: Moment | None
    tiers: list[TierStep]
    earn_bp: int = Field(description="what a yuan earns in this tier; 10,000 is one point")
    points: int = Field(description="below zero: owed after a refund")
    points_pending: int
    points_expiring: int = Field(description="of those, lapse within thirty days")
    balance_fen: Fen
    balance_bonus_fen: Fen
    paid_until: Moment | None = Field(description="end of the paid membership")
    paid_name: str
    discount_alone: bool = Field(description="a tier's discount goes with no promotion or coupon")
    has_sign_in: bool
    has_lottery: bool
    has_referral: bool
    has_top_up: bool
    has_membership: bool
    has_passes: bool


class PointEntryOut(Out):
    id: IdOut
    at: Moment
    text: str = Field(description="消费得积分")
    points: int
    pending: bool = Field(description="not to be spent yet")


class BalanceEntryOut(Out):
    id: IdOut
    at: Moment
    text: str = Field(description="储值到账")
    amount_fen: int
    bonus_fen: int = Field(description="of that, given")
    order_no: str | None = Field(description="the order behind it")


class LedgerQuery(PageQuery):
    """Movements by time."""


class GoodsOut(Out):
    id: IdOut
    name: str
    points: int
    left: int | None = Field(description="null: as many as are asked for")
    taken: int
    per_member: int
    face_text: str
    condition_text: str


class GoodsPath(Params):
    goods_id: IdIn


class BoughtOut(Out):
    coupon_id: IdOut
    points: int = Field(description="what the member has now")


class PlanOut(Out):
    id: IdOut
    kind: Literal["top_up", "membership", "pass"]
    name: str
    price_fen: Fen
    bonus_fen: Fen
    days: int
    coupons: int = Field(description="how many at once and again every thirty days")
    uses: int = Field(description="of a pass")
    coupon_text: str
    worth_fen: Fen = Field(description="what its coupons take off, all together; 0: cannot be told")
    benefits: str


class PlansQuery(Params):
    kind: Literal["top_up", "membership", "pass"]


class PlanPath(Params):
    plan_id: IdIn


class SignDayOut(Out):
    """What a day brings to who leaves none out before it."""

    day: date
    points: int
    coupon: bool


class SignInOut(Out):
    """`days` are this month's and this week's; `next_days` more in a row bring `next_points` on
    top."""

    signed_today: bool
    streak: int
    today: date
    days: list[date]
    ahead: list[SignDayOut] = Field(description="from the next day that can be signed, a month")
    daily_points: int
    next_days: int
    next_points: int
    next_coupon: bool


class SignedOut(Out):
    streak: int
    points: int
    coupon: bool


class PrizeOut(Out):
    name: str
    kind: Literal["coupon", "points", "text"]
    odds_bp: int = Field(description="as published")
    odds_now_bp: int = Field(description="0 when there are none left: then it wins nothing")
    left: int


class LotteryOut(Out):
    id: IdOut
    name: str
    points: int
    have: int = Field(description="the member's points, of which a draw takes `points`")
    per_day: int
    left_today: int
    ends_at: Moment
    seed_hash: str = Field(description="SHA-256 of the seed, which is shown when it is over")
    seed: str | None
    prizes: list[PrizeOut]
    nothing_bp: int = Field(description="the rest of the whole")
    nothing_now_bp: int = Field(description="with what the prizes that are gone would have won")


class LotteryPath(Params):
    lottery_id: IdIn


class DrawOut(Out):
    prize: str | None
    position: int | None = Field(description="of the prize in the list")
    ticket: str
    roll: int = Field(description="HMAC-SHA256(seed, ticket), first 8 bytes, modulo 10,000")
    points: int = Field(description="what the member has now")


class FriendOut(Out):
    name: str
    text: str = Field(description="等首单过退款期")
    at: Moment


class ReferralOut(Out):
    code: str
    inviter_points: int
    newcomer_points: int
    friends: list[FriendOut]


Device = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{8,64}$")]


class InviteIn(In):
    code: Annotated[str, StringConstraints(min_length=4, max_length=16)]
    device: Device | None = Field(default=None, description="what this phone calls itself")


class ReferralQuery(Params):
    device: Device | None = Field(default=None, description="what this phone calls itself")
