"""The member: card, profile, consent, grants, events."""

import json
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from gateways.pay.records import Way
from wxapp_api.schemas.common import In, Name, Out, Params, no_control_characters


class ShopOut(Out):
    code: str
    name: str
    brand_color: str
    logo: str


class ChannelOut(Out):
    channel: Literal["wechat", "alipay", "unionpay"]
    ways: list[Way]


class ConfigOut(Out):
    merchant: ShopOut
    payments: list[ChannelOut] = Field(description="how this shop can be paid, by channel")
    subscribe_templates: dict[str, str] = Field(description="template ids by moment")


class MeOut(Out):
    id: str
    no: str
    nickname: str
    avatar: str
    phone: str = Field(description="masked; empty: none")
    tier: str = Field(description="青叶 / 银毫 / 金芽 / 墨岩")
    points: int
    points_pending: int
    coupons_count: int = Field(description="usable now")
    orders_count: int
    birthday: date | None
    gender: Literal["", "female", "male"]
    address: str = Field(description="empty: not told")
    marketing_consent: bool
    personal_recommendation: bool


class ProfileIn(In):
    """What is left out stays as it is."""

    nickname: Name | None = None
    birthday: Annotated[date, Field(strict=False)] | None = None
    gender: Literal["", "female", "male"] | None = None
    address: (
        Annotated[str, StringConstraints(max_length=100), AfterValidator(no_control_characters)]
        | None
    ) = Field(default=None, description="empty: taken back")
    marketing_consent: bool | None = None
    personal_recommendation: bool | None = None


class PhoneIn(In):
    code: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        description="of the phone number button, not of wx.login"
    )


TemplateId = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class GrantsIn(In):
    """What wx.requestSubscribeMessage answered. Unknown templates are ignored."""

    grants: dict[TemplateId, Annotated[str, StringConstraints(max_length=32)]] = Field(
        max_length=10, description="accept, reject, ban, filter"
    )


class PlaceIn(In):
    lat: float = Field(ge=-90, le=90, allow_inf_nan=False)
    lng: float = Field(ge=-180, le=180, allow_inf_nan=False)


class AskQuery(Params):
    occasion: Literal["after_pay", "after_claim", "after_pickup", "after_booking", "after_sign_in"]


class AskOut(Out):
    templates: list[str] = Field(max_length=3, description="template ids for one dialog")


Short = Annotated[str, StringConstraints(max_length=100), AfterValidator(no_control_characters)]
Word = Annotated[str, StringConstraints(max_length=32)]


def in_utc(at: datetime) -> datetime:
    """The first and last days of the calendar are in no year in UTC."""
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("不是有效的时间") from None


Count = Annotated[int, Field(ge=0, le=2**53)]
MOST_BYTES = 500


def not_too_long(data: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(data, ensure_ascii=False).encode()) > MOST_BYTES:
        raise ValueError(f"最多 {MOST_BYTES} 字节")
    return data


class EventIn(In):
    id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{8,32}$")] | None = Field(
        default=None, description="drawn by the phone: a batch may be sent again"
    )
    kind: Literal["opened", "viewed", "searched", "carted", "shared"]
    at: Annotated[AwareDatetime, Field(strict=False), AfterValidator(in_utc)]
    data: Annotated[dict[Word, Short | Count | None], AfterValidator(not_too_long)] = Field(
        default_factory=dict, max_length=10
    )


class EventsIn(In):
    events: list[EventIn] = Field(max_length=50)


class EventsOut(Out):
    recorded: int
