"""A share of somebody's order, as whoever has the link sees it: the shop and the sums."""

from typing import Literal

from pydantic import Field

from wxapp_api.schemas.common import Fen, Moment, Out, Params
from wxapp_api.schemas.payments import PaymentIn


class SharePath(Params):
    token: str = Field(pattern=r"^S[0-9A-Z]{26}$")


class SharePaymentIn(PaymentIn):
    """As an order's payment; which share is always said."""

    bill: int = Field(ge=1, description="the number of the share")


class ShareOut(Out):
    bill: int
    amount_fen: Fen
    state: Literal["open", "taken", "paid"] = Field(
        description="taken: somebody else is paying it just now"
    )
    mine: bool = Field(description="paid, or being paid, by who asks")
    back: Literal["no", "coming", "done"] = Field(
        description="of a share that was paid and goes back whole: on its way, or there"
    )


class SharesOut(Out):
    shop: str
    store: str
    total_fen: Fen
    shares: list[ShareOut]
    state: Literal["open", "paid", "over"] = Field(description="over: cancelled, or out of time")
    expires_at: Moment | None = Field(description="pay before; null when there is nothing to pay")
    balance_usable: bool
