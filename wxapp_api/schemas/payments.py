"""Paying an order."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from wxapp_api.schemas.common import In, Out, Params


class PaymentIn(In):
    channel: Literal["wechat"] = "wechat"


class PaymentHeader(Params):
    """`Idempotency-Key` is welcome, not needed: the same order has one live sheet anyway."""

    idempotency_key: Annotated[
        str | None, StringConstraints(min_length=8, max_length=128, pattern=r"^[\x21-\x7e]+$")
    ] = Field(None, alias="Idempotency-Key")


class SheetOut(Out):
    """What `wx.requestPayment` takes."""

    timeStamp: str  # noqa: N815
    nonceStr: str  # noqa: N815
    package: str
    signType: Literal["RSA"]  # noqa: N815
    paySign: str  # noqa: N815


class PaymentOut(Out):
    params: SheetOut
