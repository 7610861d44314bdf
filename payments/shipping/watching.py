"""What time does to payments that wait to be told: healed, warned of, late, followed."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from core.outbox import enqueue
from gateways.pay.shipping import Logistics
from merchants.roles import may
from merchants.staff import stores_of
from messaging import questions
from orders.models import Order, OrderState, PaymentState
from payments.shipping import owing
from payments.shipping.models import TOLD, UNTOLD, PaymentShipping, ShippingState
from payments.shipping.remote import CUT_OFF, GONE

WARN_AFTER, LATE_AFTER = timedelta(hours=36), timedelta(hours=48)
STUCK = timedelta(minutes=30)
FOLLOW_AGAIN = timedelta(hours=6)
LONGEST_WAIT = timedelta(days=11)
"""Nobody waits longer for a receipt: the platform confirms by itself after ten days at most."""
LIMIT = 500


def heal(session: Session, *, now: datetime) -> int:
    """What was handed over, refunded or left behind while nobody told of it; how many rows."""
    done = 0
    for id_ in _ids(
        session,
        PaymentShipping.state == ShippingState.waiting,
        Order.state == OrderState.completed,
        PaymentShipping.logistics == Logistics.pickup,
    ):
        done += owing.make_due(session, id_, now=now)
    gone = or_(Order.state == OrderState.cancelled, Order.payment_state == PaymentState.refunded)
    open_ = [state for state in UNTOLD if state is not ShippingState.uploading]
    for id_ in _ids(session, PaymentShipping.state.in_(open_), gone):
        done += owing.move(session, id_, ShippingState.void, now=now, reason=GONE)
    left = (PaymentShipping.state == ShippingState.due) & (PaymentShipping.changed_at < now - STUCK)
    died = (PaymentShipping.state == ShippingState.uploading) & (
        PaymentShipping.changed_at < now - STUCK - CUT_OFF
    )
    slot = int(now.timestamp() // STUCK.total_seconds())
    for id_ in _ids(session, or_(left, died)):
        done += enqueue(
            session,
            "payments.tell_shipping",
            key=f"payments.tell_shipping:{id_}:{slot}",
            shipping_id=id_,
        )
    return done


def warn(session: Session, *, now: datetime) -> int:
    """Staff hear once of what is 36 hours old and not told, and once more when it is late."""
    told = 0
    for after, mark in ((LATE_AFTER, "late_at"), (WARN_AFTER, "warned_at")):
        column = getattr(PaymentShipping, mark)
        old = (
            PaymentShipping.state.in_(UNTOLD),
            PaymentShipping.paid_at < now - after,
            column.is_(None),
        )
        found = session.execute(
            select(PaymentShipping.id, PaymentShipping.merchant_id, PaymentShipping.store_id)
            .where(*old)
            .order_by(PaymentShipping.paid_at)
            .limit(LIMIT)
            .with_for_update(skip_locked=True)
        ).all()
        values = {"warned_at": now, mark: now}
        marked = claim(
            session,
            update(PaymentShipping)
            .where(PaymentShipping.id.in_([id_ for id_, _, _ in found]), column.is_(None))
            .values(**values),
        )
        rows.all_moved(PaymentShipping, marked, len(found))
        stores = Counter((merchant_id, store_id) for _, merchant_id, store_id in found)
        for (merchant_id, store_id), number in stores.items():
            told += _say(session, merchant_id, store_id, number, mark == "late_at", now)
    return told


def to_follow(session: Session, *, now: datetime) -> Sequence[tuple[int, str]]:
    """(id, mini-program) of what should be settled by now and was not heard of."""
    asked = or_(
        PaymentShipping.followed_at.is_(None), PaymentShipping.followed_at < now - FOLLOW_AGAIN
    )
    over = or_(
        PaymentShipping.settle_by < now - timedelta(hours=1),
        PaymentShipping.told_at < now - LONGEST_WAIT,
    )
    found = session.execute(
        select(PaymentShipping.id, PaymentShipping.appid)
        .where(PaymentShipping.state.in_(TOLD), over, asked)
        .order_by(PaymentShipping.paid_at)
        .limit(LIMIT)
    )
    return [(id_, appid) for id_, appid in found]


def _ids(session: Session, *conditions: ColumnElement[bool]) -> Sequence[int]:
    return session.scalars(
        select(PaymentShipping.id)
        .join(Order, Order.id == PaymentShipping.order_id)
        .where(*conditions)
        .order_by(PaymentShipping.paid_at)
        .limit(LIMIT)
    ).all()


def _say(
    session: Session, merchant_id: int, store_id: int, number: int, late: bool, now: datetime
) -> int:
    if late:
        text = f"{number} 单付款满 48 小时还没录发货信息，微信会冻着这些钱，还可能限制收款。"
    else:
        text = f"{number} 单付款满 36 小时还没录发货信息，再过 12 小时微信算延迟发货。"
    return questions.put(
        session,
        merchant_id,
        to=lambda staff: (
            may(staff.role, "shipping.manage") and store_id in stores_of(session, staff)
        ),
        text=f"{text}\n在控制台「资金 → 发货信息」处理",
        key=f"shipping:{'late' if late else 'warn'}:{store_id}:{int(now.timestamp())}",
        now=now,
    )
