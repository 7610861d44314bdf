"""Tables of orders, and the maps of their moves."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class Fulfilment(StrEnum):
    """`none`: nobody makes or hands over anything."""

    pickup = "pickup"
    dine_in = "dine_in"
    none = "none"


class LineKind(StrEnum):
    """Goods, or a plan (储值, 付费会员, 次卡), which is there as soon as it is paid, or a sum that
    the counter asked for (收款)."""

    goods = "goods"
    top_up = "top_up"
    membership = "membership"
    card = "pass"
    amount = "amount"


class OrderState(StrEnum):
    placed = "placed"
    accepted = "accepted"
    preparing = "preparing"
    ready = "ready"
    completed = "completed"
    cancelled = "cancelled"


NEXT = {
    # Straight to completed goes what nobody has to make: a plan, when it is paid.
    OrderState.placed: {OrderState.accepted, OrderState.completed, OrderState.cancelled},
    OrderState.accepted: {OrderState.preparing, OrderState.ready, OrderState.cancelled},
    OrderState.preparing: {OrderState.ready, OrderState.cancelled},
    OrderState.ready: {OrderState.completed, OrderState.cancelled},
    OrderState.completed: set(),
    OrderState.cancelled: set(),
}


class PaymentState(StrEnum):
    unpaid = "unpaid"
    part_paid = "part_paid"
    paid = "paid"
    part_refunded = "part_refunded"
    refunded = "refunded"


NEXT_PAYMENT = {
    PaymentState.unpaid: {PaymentState.part_paid, PaymentState.paid},
    PaymentState.part_paid: {
        PaymentState.part_paid,
        PaymentState.paid,
        PaymentState.part_refunded,
        PaymentState.refunded,
    },
    PaymentState.paid: {PaymentState.part_refunded, PaymentState.refunded},
    PaymentState.part_refunded: {PaymentState.part_refunded, PaymentState.refunded},
    PaymentState.refunded: set(),
}


OWING = (PaymentState.unpaid, PaymentState.part_paid)


class HistoryKind(StrEnum):
    state = "state"
    payment = "payment"


class DiscountKind(StrEnum):
    promotion = "promotion"
    tier = "tier"
    coupon = "coupon"
    points = "points"


class Order(Base):
    """One order of one member in one store; of nobody known only where the counter took a sum.

    `payable_fen` = `goods_fen` − `discount_fen`, fixed. A store sees it once it is paid. `quote` is
    the explained price as the member saw it. `kind` is that of its lines: a plan (`plan_id`) is
    bought by itself, has no pickup number and is completed by its payment. `in_shares`: several
    people pay a part each, so that some of it being paid is no deposit.
    """

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("store_id", "business_day", "pickup_number"),
        Index(None, "member_id", "id"),
        Index(None, "store_id", "state", "paid_at"),
        Index(None, "store_id", "paid_at"),
        Index(None, "merchant_id", "paid_at"),
        Index(None, "payment_state", "expires_at"),
        Index(None, "coupon_id"),
        CheckConstraint("payable_fen >= 0", name="payable"),
        CheckConstraint("refunded_fen >= 0 AND refunded_fen <= paid_fen", name="refunded"),
    )

    id: Mapped[Id]
    no: Mapped[str] = mapped_column(Code(32), unique=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    fulfilment: Mapped[Fulfilment] = mapped_column(State(Fulfilment), default=Fulfilment.pickup)
    table_id: Mapped[int | None] = mapped_column(ForeignKey("store_tables.id"))
    kind: Mapped[LineKind] = mapped_column(State(LineKind), default=LineKind.goods)
    plan_id: Mapped[int | None]  # no foreign key: a plan is never deleted
    state: Mapped[OrderState] = mapped_column(State(OrderState), default=OrderState.placed)
    payment_state: Mapped[PaymentState] = mapped_column(
        State(PaymentState), default=PaymentState.unpaid
    )
    in_shares: Mapped[bool] = mapped_column(default=False)
    business_day: Mapped[date]
    pickup_number: Mapped[str | None] = mapped_column(Code(16))
    pickup_code: Mapped[str] = mapped_column(Code(16))
    goods_fen: Mapped[int]
    discount_fen: Mapped[int] = mapped_column(default=0)
    payable_fen: Mapped[int]
    paid_fen: Mapped[int] = mapped_column(default=0)
    refunded_fen: Mapped[int] = mapped_column(default=0)
    coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupons.id"))
    points_used: Mapped[int] = mapped_column(default=0)
    note: Mapped[str] = mapped_column(default="")
    quote: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    placed_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    ready_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    cancel_reason: Mapped[str] = mapped_column(default="")

    @property
    def buyer_id(self) -> int:
        """The member; for whatever only members can buy."""
        if self.member_id is None:
            raise ValueError(f"order {self.id} is of nobody known")
        return self.member_id


class OrderLine(Base):
    """A line at its fixed price; `payable_fen` = `unit_fen` × `quantity` − `discount_fen`.

    A plan's line has neither SKU nor product.
    """

    __tablename__ = "order_lines"
    __table_args__ = (
        UniqueConstraint("order_id", "position"),
        Index(None, "product_id"),
        CheckConstraint("discount_fen >= 0 AND payable_fen >= 0", name="amounts"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    position: Mapped[int]
    kind: Mapped[LineKind] = mapped_column(State(LineKind), default=LineKind.goods)
    sku_id: Mapped[int | None] = mapped_column(ForeignKey("skus.id"))
    product_id: Mapped[int | None] = mapped_column(ForeignKey("products.id"))
    name: Mapped[str] = mapped_column(String(64))
    sku_name: Mapped[str] = mapped_column(String(32), default="")
    image: Mapped[str] = mapped_column(default="")
    options: Mapped[list[Any]] = mapped_column(JSON, default=list)
    options_text: Mapped[str] = mapped_column(String(512), default="")
    quantity: Mapped[int]
    unit_fen: Mapped[int]
    amount_fen: Mapped[int]
    discount_fen: Mapped[int] = mapped_column(default=0)
    payable_fen: Mapped[int]


class OrderDiscount(Base):
    """One rule that took money off, and how it fell on the lines (same order as the lines)."""

    __tablename__ = "order_discounts"
    __table_args__ = (UniqueConstraint("order_id", "position"),)

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    position: Mapped[int]
    kind: Mapped[DiscountKind] = mapped_column(State(DiscountKind))
    ref_id: Mapped[int]
    name: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(default="")
    amount_fen: Mapped[int]
    per_line: Mapped[list[int]] = mapped_column(JSON)


class OrderHistory(Base):
    """One move: who, when, why. Placing is a move from nothing."""

    __tablename__ = "order_history"
    __table_args__ = (Index(None, "order_id", "id"),)

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    kind: Mapped[HistoryKind] = mapped_column(State(HistoryKind))
    before: Mapped[str] = mapped_column(Code(24), default="")
    after: Mapped[str] = mapped_column(Code(24))
    actor: Mapped[str] = mapped_column(Code(64))
    reason: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]


class PickupCounter(Base):
    """The last pickup number of a store on a business day."""

    __tablename__ = "pickup_counters"
    __table_args__ = (UniqueConstraint("store_id", "business_day"),)

    id: Mapped[Id]
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    business_day: Mapped[date]
    last: Mapped[int] = mapped_column(default=0)
