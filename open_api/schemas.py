"""What tills send and are answered."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from core.schemas import (
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

Text = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    AfterValidator(no_control_characters),
]


class CodePath(Params):
    code: Annotated[str, StringConstraints(min_length=4, max_length=128)]


class LookUpQuery(Params):
    store_id: IdIn | None = Field(None, description="where the code is shown")


class KeyHeader(Params):
    """`Idempotency-Key`: the same one again is answered the same and counts once."""

    idempotency_key: Annotated[
        str, StringConstraints(min_length=8, max_length=64, pattern=r"^[\x21-\x7e]+$")
    ] = Field(alias="Idempotency-Key")


class TemplatesQuery(PageQuery):
    pass


class TillTemplateOut(Out):
    id: IdOut
    name: str
    kind: str
    face_text: str = Field(description="¥8 / 8.5 折")
    condition_text: str = Field(description="满 20 可用")
    valid_text: str = Field(description="领取后 7 天内可用")
    left: int | None = Field(description="null: no total limit")
    active: bool = Field(description="gives out coupons now")


class TillTemplatesOut(Out):
    items: list[TillTemplateOut]
    next: str | None


class TillCouponOut(Out):
    """A coupon as a till may see it: nothing about the person who holds it."""

    id: IdOut
    code: str
    template_id: IdOut
    name: str
    kind: str
    face_text: str
    condition_text: str
    state: Literal["issued", "locked", "redeemed", "expired", "void"]
    usable: bool = Field(description="can be redeemed now, in one of the key's stores")
    problem: str = Field(description="why not, for the clerk; empty when usable")
    fresh: bool = Field(description="a rotating code; a bare number may be a screenshot")
    store_ids: list[IdOut] = Field(description="where, of the key's stores")
    claimed: bool = Field(description="a member holds it; false: a printed or imported code")
    valid_from: Moment
    expires_at: Moment


class RedemptionIn(In):
    code: Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=128)]
    store_id: IdIn | None = Field(None, description="needed unless the key belongs to one store")
    bill_fen: Annotated[int, Field(ge=1, le=100_000_00)] | None = Field(
        None, description="before the discount; a percent coupon needs it"
    )
    device: Annotated[str, StringConstraints(max_length=64, pattern=r"^[\x21-\x7e]*$")] = ""
    member_no: Annotated[str, StringConstraints(max_length=16)] | None = Field(
        None, description="whose a printed code becomes that is nobody's yet"
    )
    redeemed_at: Moment | None = Field(
        None, description="the till's own time when it was offline; at most 72 hours ago"
    )


class RedemptionOut(Out):
    coupon_id: IdOut
    code: str
    name: str
    state: Literal["redeemed"]
    store_id: IdOut
    redeemed_at: Moment
    discount_fen: Fen
    bill_fen: int | None
    late: bool = Field(description="told after it happened")


class UndoIn(In):
    reason: Text


class UndoneOut(Out):
    coupon_id: IdOut
    code: str
    state: Literal["issued"]


class IssueIn(In):
    template_id: IdIn
    phone: Annotated[str, StringConstraints(max_length=32)] | None = None
    member_no: Annotated[str, StringConstraints(max_length=16)] | None = None


class IssuedOut(Out):
    coupon_id: IdOut
    code: str
    name: str
    expires_at: Moment
