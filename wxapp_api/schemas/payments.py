"""Paying an order."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateways.pay.records import Show, Way
from wxapp_api.schemas.common import In, Out, Params


class PaymentIn(In):
    """`way`: how the payer meets the channel; left out, the usual one of the channel.

    `balance_fen` of the amount come from the stored balance; the channel `balance` takes all of it
    from there, and nobody has to be asked.
    """

    channel: Literal["wechat", "alipay", "unionpay", "balance"] = "wechat"
    balance_fen: int = Field(0, ge=0)
    bill: int | None = Field(None, ge=1, description="its number; needed where several are open")
    way: Literal["mini", "jsapi", "native", "h5", "page", "wap"] | None = None

    def usual_way(self) -> Way:
        if self.way is not None:
            return Way(self.way)
        return Way.mini if self.channel == "wechat" else Way.wap


class PaymentHeader(Params):
    """`Idempotency-Key` is welcome, not needed: the same bill has one live sheet anyway."""

    idempotency_key: Annotated[
        str | None, StringConstraints(min_length=8, max_length=128, pattern=r"^[\x21-\x7e]+$")
    ] = Field(None, alias="Idempotency-Key")


class PaymentOut(Out):
    """What the payer is to see next. `sheet`: `params` is what `wx.requestPayment` takes;
    `redirect`: go to `params.url`; `form`: post the others to `params.url`; `qr`: show
    `params.code_url`; `done`: it is paid."""

    show: Show
    params: dict[str, str]
