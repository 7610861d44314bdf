"""Orders as the member sees them."""

from typing import Literal

from pydantic import Field

from wxapp_api.schemas.common import Fen, IdOut, In, Moment, Note, Out, PageQuery, Params
from wxapp_api.schemas.quotes import CartIn, DiscountOut, LineOut

State = Literal["placed", "accepted", "preparing", "ready", "completed", "cancelled"]
PaymentState = Literal["unpaid", "part_paid", "paid", "part_refunded", "refunded"]


class OrderIn(CartIn):
    note: Note = ""
    expected_payable_fen: int | None = Field(
        None, ge=0, description="what the person saw; another price answers 409 price_changed"
    )


class OrderPath(Params):
    no: str = Field(pattern=r"^[0-9A-Za-z]{8,32}$")


class OrdersQuery(PageQuery):
    state: Literal["", "unpaid", "active", "completed", "cancelled"] = ""


class CancelIn(In):
    reason: Note = ""


class OrderStore(Out):
    id: IdOut
    name: str
    address: str
    phone: str
    lat: float
    lng: float


class OrderTable(Out):
    code: str
    name: str


class HistoryOut(Out):
    at: Moment
    who: str = Field(description="你 / 门店 / 系统")
    kind: Literal["state", "payment"]
    before: str
    after: str
    text: str = Field(description="已付款")
    reason: str


class BillOut(Out):
    """One of the sums that the order asks for; `payment` names it by its number."""

    bill: int
    kind: Literal["whole", "deposit", "rest", "share"]
    amount_fen: Fen
    state: Literal["open", "taken", "paid"] = Field(
        description="taken: somebody else is paying this share just now"
    )
    due_at: Moment | None = Field(description="may be paid until then, where that is later")


class SplitIn(In):
    shares: int = Field(ge=2, le=20, description="equal to the fen; the first bear what is over")


class PaymentPartOut(Out):
    channel: Literal["wechat", "alipay", "unionpay", "balance", "none"]
    amount_fen: Fen
    state: Literal["waiting", "paid"] = Field(
        description="waiting: opened and not paid; of the balance: kept for it"
    )


class RefundOut(Out):
    no: str
    batch: str = Field(description="the same for all that was asked for at once")
    amount_fen: Fen
    channel_fen: Fen = Field(description="of that, the way it came")
    balance_fen: Fen = Field(description="of that, to the stored balance")
    to_friend: bool = Field(description="to somebody else, who had paid a share")
    state: Literal["requested", "processing", "succeeded", "failed"]
    reason: str
    at: Moment


class OrderOut(Out):
    no: str
    state: State
    payment_state: PaymentState
    state_text: str = Field(
        description="待付款 / 待接单 / 制作中 / 可取餐 / 已完成 / 已取消 / 已退款"
    )
    fulfilment: Literal["pickup", "dine_in", "none"]
    kind: Literal["goods", "top_up", "membership", "pass", "amount"]
    store: OrderStore
    table: OrderTable | None
    pickup_number: str = Field(description="A217, large on the page")
    pickup_code: str | None = Field(description="shown at the counter; null until paid")
    lines: list[LineOut]
    discounts: list[DiscountOut]
    goods_fen: Fen
    discount_fen: Fen
    payable_fen: Fen
    paid_fen: Fen
    refunded_fen: Fen
    currency: Literal["CNY"] = "CNY"
    coupon_id: IdOut | None
    note: str
    placed_at: Moment
    expires_at: Moment | None = Field(description="pay before; null once paid")
    paid_at: Moment | None
    accepted_at: Moment | None
    ready_at: Moment | None
    completed_at: Moment | None
    cancelled_at: Moment | None
    cancel_reason: str
    ready_by: Moment | None = Field(description="when it is likely to be ready, once paid")
    can_cancel: bool
    history: list[HistoryOut]
    balance_usable: bool = Field(
        description="whether stored value may pay it, or a part of it, now"
    )
    bills: list[BillOut] = Field(
        description="one (`whole`), or deposit and rest, or a share for each who pays"
    )
    can_split: bool = Field(description="whether the table may share it now")
    split_token: str | None = Field(description="opens the page on which others pay a share")
    payments: list[PaymentPartOut] = Field(description="how it was or is being paid, by parts")
    refunds: list[RefundOut]


class OrderRow(Out):
    """One row of the list."""

    no: str
    state: State
    payment_state: PaymentState
    state_text: str
    fulfilment: Literal["pickup", "dine_in", "none"]
    kind: Literal["goods", "top_up", "membership", "pass", "amount"]
    store_id: IdOut
    store_name: str
    pickup_number: str
    title: str = Field(description="杨枝甘露 等 4 件")
    images: list[str]
    quantity: int
    payable_fen: Fen
    placed_at: Moment
    expires_at: Moment | None
