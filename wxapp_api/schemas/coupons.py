"""Coupons and the templates that can be claimed."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from wxapp_api.schemas.common import (
    Fen,
    IdIn,
    IdOut,
    In,
    Moment,
    Out,
    PageQuery,
    Params,
    no_control_characters,
)


class CouponsQuery(PageQuery):
    state: Literal["usable", "used", "expired"] = "usable"


class TemplatesQuery(PageQuery):
    claimable: str = Field("", max_length=5, description="kept for readers; always on")


class CouponPath(Params):
    coupon_id: IdIn


class TemplatePath(Params):
    template_id: IdIn


class GiftPath(Params):
    gift_id: IdIn


class SecretPath(Params):
    secret: Annotated[str, StringConstraints(min_length=20, max_length=64)]


class CodeIn(In):
    code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=64)]


class GiftIn(In):
    words: Annotated[
        str,
        StringConstraints(strip_whitespace=True, max_length=60),
        AfterValidator(no_control_characters),
    ] = ""


class TermsOut(Out):
    """What a coupon is worth and where, in numbers and in words."""

    name: str
    kind: Literal["amount", "percent", "exchange", "nth", "delivery"]
    face_fen: Fen = Field(description="amount coupons")
    off_bp: int = Field(description="percent coupons: basis points taken off, 1500 = 8.5 折")
    cap_fen: int | None
    min_spend_fen: Fen
    face_text: str = Field(description="¥8 / 8.5 折")
    condition_text: str = Field(description="满 20 可用")
    scope_text: str = Field(description="全部门店 / 静安寺店 · 杨枝甘露 · 周末")
    stacking_text: str = Field(description="不和其他优惠同用; empty: one of its kind an order")
    uses_total: int = Field(description="1: an ordinary coupon")


class TemplateOut(TermsOut):
    id: IdOut
    valid_text: str = Field(description="领取后 7 天内可用")
    left: int | None = Field(description="null: no total limit")
    claimed: int = Field(description="by the caller")
    per_member_limit: int
    claimable: bool = Field(description="by the caller, now")


class CouponOut(TermsOut):
    id: IdOut
    template_id: IdOut
    state: Literal["issued", "locked", "redeemed", "expired", "void"]
    state_text: str = Field(description="可使用 / 已锁定 / 已使用 / 已过期 / 已作废")
    usable: bool = Field(description="now: issued, begun and not expired")
    valid_from: Moment
    expires_at: Moment
    order_no: str | None = Field(description="the order that holds or used it")
    redeemed_at: Moment | None
    store_name: str = Field(description="where it was used")
    discount_fen: int | None = Field(description="what it saved, the last time")
    uses_left: int
    uses_text: str = Field(description="共 10 次，还剩 7 次; empty for a single use")
    source_text: str = Field(description="关注见面礼")
    giftable: bool = Field(description="may be given to a friend now")


class CouponCounts(Out):
    usable: int
    used: int
    expired: int


class CouponsOut(Out):
    items: list[CouponOut]
    next: str | None
    counts: CouponCounts


class CodeOut(Out):
    """The rotating code: `token` goes into the QR, `code_text` is what a clerk can type."""

    coupon: CouponOut
    token: str
    code: str
    code_text: str = Field(description="4827 1093 56")
    expires_at: Moment
    seconds_left: int
    step_seconds: int


class GiftOut(Out):
    """A coupon on its way to a friend, as the caller may see it."""

    id: IdOut
    state: Literal["offered", "accepted", "withdrawn", "lapsed"]
    state_text: str = Field(description="等朋友来领 / 已被领走 / 已取回 / 没人领，已退回")
    mine: bool = Field(description="the caller gave it")
    from_name: str
    to_name: str = Field(description="empty: nobody has taken it")
    words: str
    expires_at: Moment
    coupon: TermsOut
    coupon_expires_at: Moment


class GiftOfferedOut(GiftOut):
    secret: str = Field(description="for the link; told once")
    path: str = Field(description="the page that the link opens")


class GiftsOut(Out):
    items: list[GiftOut]
