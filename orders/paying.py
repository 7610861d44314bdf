"""Money and an order: paid once, refunded at most what was paid. Called by `payments` only."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, insert, literal, select
from sqlalchemy.orm import Session

from catalogue import stock
from catalogue.models import Product
from core import later, rows
from core.outbox import enqueue, enqueue_first
from coupons import locking
from coupons.models import Coupon
from crm import points, purchases
from crm.models import Purchase, PurchaseLine
from orders import selling
from orders.cancelling import give_rations_back
from orders.models import OWING, LineKind, Order, OrderLine, OrderState, PaymentState
from orders.moving import move_payment

_BOUGHT = rows.table_of(Purchase).c
_LINES = rows.table_of(OrderLine).c
_PRODUCTS = rows.table_of(Product).c
_TELL_LINES = insert(rows.table_of(PurchaseLine)).from_select(
    [
        "order_id",
        "position",
        "member_id",
        "product_id",
        "category_id",
        "paid_at",
        "quantity",
        "amount_fen",
        "counted",
    ],
    select(
        _LINES.order_id,
        _LINES.position,
        _BOUGHT.member_id,
        _LINES.product_id,
        _PRODUCTS.category_id,
        _BOUGHT.paid_at,
        _LINES.quantity,
        _LINES.payable_fen,
        literal(True),
    )
    .join_from(
        rows.table_of(OrderLine), rows.table_of(Purchase), _BOUGHT.order_id == _LINES.order_id
    )
    .join(rows.table_of(Product), _PRODUCTS.id == _LINES.product_id)
    .where(_LINES.order_id == bindparam("of_order")),
    include_defaults=False,
)
"""What was bought, for crm's memory: copied by the database, to the member of the purchase."""


class CouponBack(StrEnum):
    """Whether the coupons of an order that was refunded whole are the member's again."""

    always = "always"
    valid = "valid"  # only those that have not run out meanwhile
    never = "never"


def mark_paid(
    session: Session,
    order: Order,
    *,
    amount_fen: int,
    now: datetime,
    reason: str = "",
    held: bool = False,
) -> bool:
    """Note `amount_fen` as paid, with which all is. False: too late (cancelled, or paid before),
    refund it.

    The caller has just read `order` and holds its bill: what it shows decides what is too late.
    `held`: it was read under a lock of its own row too.
    Stock sold, coupon redeemed, the purchase counted for the member, `orders.after_paid` queued;
    all once, by the compare-and-set. Raises ValueError when the amount is not what is due: the
    caller has compared it with its bill.
    """
    if order.state is not OrderState.placed or order.payment_state not in OWING:
        return False
    whole_fen = order.paid_fen + amount_fen
    if whole_fen != order.payable_fen:
        raise ValueError(f"order {order.id}: {whole_fen} fen, {order.payable_fen} are due")
    moved = move_payment(
        session,
        order,
        PaymentState.paid,
        expected={"state": OrderState.placed},
        actor="system",
        reason=reason,
        now=now,
        held=held,
        paid_fen=whole_fen,
        paid_at=now,
    )
    if not moved:
        return False
    used: Sequence[Coupon] = ()
    if order.coupon_id is not None:
        used = locking.redeem_locked(session, order.id, order.store_id, now)
    if order.points_used:
        points.spend_held(session, order.id)
    if order.kind is not LineKind.goods:
        selling.complete_paid(session, order, now=now)
    # Stored value is no turnover before it is spent; what a stranger paid is nobody's purchase.
    counts = order.member_id is not None and order.kind is not LineKind.top_up
    if counts and purchases.record_purchase(
        session,
        order.buyer_id,
        order.id,
        order.store_id,
        whole_fen,
        now,
        used=used,
        channel=order.fulfilment.value,
    ):
        later.run(session, _TELL_LINES, {"of_order": order.id})
    stock.sell_held(session, order.id)
    key = f"orders.after_paid:{order.id}"
    enqueue_first(session, "orders.after_paid", key=key, order_id=order.id)
    return True


def mark_part_paid(
    session: Session,
    order: Order,
    *,
    amount_fen: int,
    reason: str,
    now: datetime,
    rest_by: datetime | None = None,
) -> bool:
    """Note one of several bills as paid, which is not all yet: the store hears nothing, what the
    order holds stays held. `rest_by`: until then the rest is waited for. False: too late.

    The caller holds the order's row and has compared the amount with its bill.
    """
    if order.state is not OrderState.placed or order.payment_state not in OWING:
        return False
    until = {} if rest_by is None else {"expires_at": rest_by}
    if rest_by is not None:
        key = f"orders.expire:{order.id}:rest"
        enqueue(session, "orders.expire", run_at=rest_by, key=key, order_id=order.id)
    return move_payment(
        session,
        order,
        PaymentState.part_paid,
        expected={"state": OrderState.placed},
        actor="system",
        reason=reason,
        now=now,
        held=True,
        paid_fen=order.paid_fen + amount_fen,
        **until,
    )


def record_refund(
    session: Session,
    order: Order,
    refund_fen: int,
    now: datetime,
    *,
    reason: str = "",
    coupon_back: CouponBack = CouponBack.always,
) -> bool:
    """Note `refund_fen` as refunded; False when that would be more than was paid.

    The purchase is taken back in the member's totals and points; when all of it is refunded the
    coupon is free again, as `coupon_back` says, and of the points that were spent the same part
    comes back. Once per refund: the caller's own compare-and-set decides.
    """
    session.refresh(order)
    refunded = order.refunded_fen + refund_fen
    if refunded > order.paid_fen:
        return False
    whole = refunded == order.paid_fen
    moved = move_payment(
        session,
        order,
        PaymentState.refunded if whole else PaymentState.part_refunded,
        expected={"refunded_fen": order.refunded_fen},
        actor="system",
        reason=reason,
        now=now,
        refunded_fen=refunded,
    )
    if not moved:
        return False
    if order.paid_at is None:
        return True  # never paid in full: what it held went back when it was cancelled
    if whole:
        if coupon_back is not CouponBack.never:
            why, valid = reason or "整单退款", coupon_back is CouponBack.valid
            locking.give_back(session, order.id, now, reason=why, only_valid=valid)
        give_rations_back(session, order, now)
    if order.points_used:
        points.give_back(session, order.id, part=refunded, whole=order.paid_fen, now=now)
    purchases.reverse_purchase(session, order.id, refund_fen, now)
    return True
