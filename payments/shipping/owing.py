"""Which payments have to be told, and what of them: rows are made, handed over, shipped, corrected.

Every verb that leaves something to be told queues the job that tells it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import rows
from core.config import current_config
from core.database import claim
from core.errors import Conflict, NotFound
from core.outbox import enqueue
from gateways.pay.records import Way
from gateways.pay.shipping import Logistics, Parcel
from orders.models import Order, OrderLine, OrderState, PaymentState
from payments.models import AttemptState, Bill, Channel, PaymentAttempt
from payments.shipping import wishes
from payments.shipping.models import (
    NEXT_SHIPPING,
    PaymentShipping,
    ShippingControl,
    ShippingSetting,
    ShippingState,
    TellAt,
)
from payments.shipping.wishes import Wish

PAID_IN_FULL = (PaymentState.paid, PaymentState.part_refunded)


class CorrectionUsed(Conflict):
    code = "correction_used"
    title = "发货信息只能改一次，这一单已经改过了"


class NotCorrectable(Conflict):
    code = "not_correctable"
    title = "现在不能改这一单的发货信息，刷新看看"


def owe(session: Session, order: Order, *, now: datetime) -> int:
    """Have each payment of the order that is held back told; how many are new. Safe to repeat.

    Goods that are fetched wait until they are handed over, or not, as the merchant has it. A
    deposit waits from its own payment on, whose clock runs at the platform: its rest may be weeks
    away. Shares are minutes apart, and wait for the last.
    """
    in_full = order.payment_state in PAID_IN_FULL
    if not in_full and (order.payment_state is not PaymentState.part_paid or order.in_shares):
        return 0
    found = [each for each in _paid(session, order.id) if _is_held_back(session, each.appid)]
    if not found:
        return 0
    logistics = wishes.HANDED_OVER[order.fulfilment.value]
    wish = Wish(logistics, (Parcel(_describe(session, order)),))
    ready = in_full and is_ready(session, order, logistics)
    fresh = 0
    for attempt in found:
        row = _row(order, attempt, wish, now) | {
            "state": ShippingState.due if ready else ShippingState.waiting
        }
        if (id_ := rows.add_new(session, PaymentShipping, row)) is not None:
            fresh += 1
            if ready:
                enqueue(session, "payments.tell_shipping", shipping_id=id_)
    if ready and logistics is Logistics.pickup:
        hand_over(session, order.id, now=now)  # the deposit, which waited for the rest
    return fresh


def is_ready(session: Session, order: Order, logistics: Logistics) -> bool:
    """Whether it can be told now: a plan at once, what is fetched when it is in their hands.

    What is brought is told by whoever sends it off: `ship`.
    """
    if logistics is Logistics.virtual:
        return True
    if logistics is not Logistics.pickup:
        return False
    return order.state is OrderState.completed or tell_at(session, order.merchant_id) is (
        TellAt.payment
    )


def hand_over(session: Session, order_id: int, *, now: datetime) -> int:
    """The goods are in the hands of whoever ordered them; how many payments are due by that."""
    mine = select(PaymentShipping.id).where(
        PaymentShipping.order_id == order_id,
        PaymentShipping.state == ShippingState.waiting,
        PaymentShipping.logistics == Logistics.pickup,
    )
    return sum(make_due(session, id_, now=now) for id_ in session.scalars(mine).all())


def ship(session: Session, shipping_id: int, wish: Wish, *, now: datetime) -> None:
    """Goods leave the shop, all or a part of them. Raises WrongShipping, NotCorrectable."""
    wishes.check(wish)
    sources = {"id": shipping_id, "state": (ShippingState.waiting, ShippingState.part)}
    if not rows.compare_and_set(session, PaymentShipping, sources, _due(wish, now)):
        raise NotCorrectable
    enqueue(session, "payments.tell_shipping", shipping_id=shipping_id)


def correct(session: Session, shipping_id: int, wish: Wish, *, now: datetime) -> None:
    """Tell it anew, the one time that the platform takes that.

    Raises WrongShipping, CorrectionUsed, or NotCorrectable for what was not told, or is settled.
    """
    wishes.check(wish)
    told = {"id": shipping_id, "state": ShippingState.uploaded, "corrections": 0}
    values = _due(wish, now) | {"corrections": 1}
    if not rows.compare_and_set(session, PaymentShipping, told, values):
        row = session.get_one(PaymentShipping, shipping_id, populate_existing=True)
        raise CorrectionUsed if row.corrections else NotCorrectable
    enqueue(session, "payments.tell_shipping", shipping_id=shipping_id)


def retry(session: Session, shipping_id: int, *, now: datetime, wish: Wish | None = None) -> None:
    """What the platform refused is told again, mended if need be. Raises NotCorrectable."""
    values: dict[str, Any] = {"state": ShippingState.due, "reason": "", "changed_at": now}
    if wish is not None:
        wishes.check(wish)
        values |= _due(wish, now)
    failed = {"id": shipping_id, "state": ShippingState.failed}
    if not rows.compare_and_set(session, PaymentShipping, failed, values):
        raise NotCorrectable
    enqueue(session, "payments.tell_shipping", shipping_id=shipping_id)


def get_of(session: Session, merchant_id: int, shipping_id: int) -> PaymentShipping:
    """The gate: another merchant's is not found."""
    row = session.get(PaymentShipping, shipping_id)
    if row is None or row.merchant_id != merchant_id:
        raise NotFound("没有这条发货信息")
    return row


def tell_at(session: Session, merchant_id: int) -> TellAt:
    chosen = select(ShippingSetting.tell_at).where(ShippingSetting.merchant_id == merchant_id)
    return session.scalar(chosen) or TellAt.handover


def choose(session: Session, merchant_id: int, at: TellAt, *, now: datetime) -> None:
    """When goods that are fetched are told; what waits under the other rule goes on waiting."""
    row = {"merchant_id": merchant_id, "tell_at": at, "changed_at": now}
    if rows.add_new(session, ShippingSetting, row) is None:
        mine = update(ShippingSetting).where(ShippingSetting.merchant_id == merchant_id)
        claim(session, mine.values(tell_at=at, changed_at=now))


def move(
    session: Session, shipping_id: int, to: ShippingState, *, now: datetime, **values: Any
) -> bool:
    """Compare-and-set along NEXT_SHIPPING."""
    sources = tuple(state for state, targets in NEXT_SHIPPING.items() if to in targets)
    before = {"id": shipping_id, "state": sources}
    moved = {"state": to, "changed_at": now, **values}
    return rows.compare_and_set(session, PaymentShipping, before, moved) == 1


def find_control(session: Session, appid: str) -> ShippingControl | None:
    return session.scalar(select(ShippingControl).where(ShippingControl.appid == appid))


def make_due(session: Session, shipping_id: int, *, now: datetime) -> int:
    """waiting → due, and the job that tells it; 0: somebody was faster."""
    waiting = {"id": shipping_id, "state": ShippingState.waiting}
    due = {"state": ShippingState.due, "changed_at": now}
    moved = rows.compare_and_set(session, PaymentShipping, waiting, due)
    if moved:
        enqueue(session, "payments.tell_shipping", shipping_id=shipping_id)
    return moved


def _due(wish: Wish, now: datetime) -> dict[str, Any]:
    return {
        "state": ShippingState.due,
        "wanted": wish.as_row(),
        "logistics": wish.logistics,
        "reason": "",
        "errcode": None,
        "changed_at": now,
    }


def _is_held_back(session: Session, appid: str) -> bool:
    """Paid in a mini-program of ours that is not known to be free of it."""
    minis = {mini.appid for mini in current_config().wechat.mini_programs}
    if appid not in minis:
        return False
    control = find_control(session, appid)
    if control is None:
        key = f"payments.check_shipping_control:{appid}:first"
        enqueue(session, "payments.check_shipping_control", key=key, appid=appid)
    return control is None or control.managed


def _paid(session: Session, order_id: int) -> Sequence[PaymentAttempt]:
    return session.scalars(
        select(PaymentAttempt)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .where(
            Bill.order_id == order_id,
            PaymentAttempt.channel == Channel.wechat,
            PaymentAttempt.state == AttemptState.succeeded,
            PaymentAttempt.transaction_id.is_not(None),
            PaymentAttempt.way == Way.mini,
        )
        .order_by(PaymentAttempt.id)
    ).all()


def _describe(session: Session, order: Order) -> str:
    lines = session.execute(
        select(OrderLine.name, OrderLine.quantity)
        .where(OrderLine.order_id == order.id)
        .order_by(OrderLine.position)
    ).all()
    return wishes.describe([(name, quantity) for name, quantity in lines]) or order.no


def _row(order: Order, attempt: PaymentAttempt, wish: Wish, now: datetime) -> dict[str, Any]:
    return {
        "merchant_id": order.merchant_id,
        "store_id": order.store_id,
        "order_id": order.id,
        "attempt_id": attempt.id,
        "appid": attempt.appid,
        "openid": attempt.payer,
        "account": attempt.account,
        "out_trade_no": attempt.out_trade_no,
        "transaction_id": attempt.transaction_id,
        "amount_fen": attempt.channel_fen,
        "logistics": wish.logistics,
        "wanted": wish.as_row(),
        "corrections": 0,
        "unsure": False,
        "reason": "",
        "paid_at": attempt.settled_at or now,
        "created_at": now,
        "changed_at": now,
    }
