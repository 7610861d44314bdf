"""What else came to the demo's tills of late: a code that was declined and another that paid, a
code that nobody scanned, money that went back the way it came, and the clerk's last two shifts.
Only rows: nobody is asked."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

import gateways
from cli import demo_counter, demo_refunds
from crm.models import Member
from gateways.pay.records import Way
from merchants.models import Merchant, Staff, Store
from messaging.accounts import minis_of
from orders.collecting import place_amount
from orders.models import LineKind, Order
from payments import attempts, billing, cancelling, refunding, shifts
from payments.attempts import Means
from payments.models import AttemptState, Bill, Channel, PaymentAttempt

WECHAT = PaymentAttempt.channel == Channel.wechat
BACK = (
    (PaymentAttempt.channel == Channel.alipay, 500, "多收了", "SUCCESS"),
    (WECHAT & (PaymentAttempt.balance_fen > 0), 5_200, "顾客不要了", "SUCCESS"),
    (WECHAT & (PaymentAttempt.balance_fen == 0), 600, "多收了", "PROCESSING"),
)
"""Of a payment that is one: how much went back, why, and what the channel said: what arrived is of
an older one, what is on its way of the latest."""


def run(session: Session, merchant: Merchant, store: Store, now: datetime) -> None:
    staff = session.scalars(select(Staff).where(Staff.username == "xiaozhou")).one()
    actor = f"staff:{staff.id}"
    for which, fen, reason, outcome in BACK:
        _give_back(session, merchant, which, fen, reason, actor, outcome, now)

    at = now - timedelta(minutes=26)
    order = _order(session, store, 2_700, "declined", staff, at)
    _try(session, merchant, order, Way.code, AttemptState.failed, at)
    sale = demo_counter.Sale(Channel.alipay, order.payable_fen, days=0)
    demo_counter.pay(session, merchant, order, sale, at + timedelta(seconds=40))

    at = now - timedelta(days=1, minutes=50)
    order = _order(session, store, 4_100, "given-up", staff, at)
    _try(session, merchant, order, Way.native, AttemptState.closed, at + timedelta(minutes=2))
    over = at + timedelta(minutes=2)
    cancelling.cancel(session, order, actor=actor, reason="柜台取消", now=over)

    for seq, days in ((1, 2), (2, 1)):
        session.flush()
        shifts.close(session, staff, store.id, seq, now - timedelta(days=days) + timedelta(hours=1))


def _order(session: Session, store: Store, fen: int, key: str, staff: Staff, at: datetime) -> Order:
    mine = select(Member).where(Member.merchant_id == store.merchant_id, Member.orders_count > 0)
    member = session.scalars(mine.order_by(Member.id)).first()
    order, _ = place_amount(
        session, store, fen, member=member, actor=f"staff:{staff.id}", key=f"demo:{key}", now=at
    )
    bill = billing.open_bill(session, order)
    shifts.taken_by(session, bill, order.store_id, staff.id, at)
    return order


def _try(
    session: Session,
    merchant: Merchant,
    order: Order,
    way: Way,
    to: AttemptState,
    over: datetime,
) -> None:
    """One that WeChat took no money for."""
    pay = gateways.cashier().find_for(merchant.code, Channel.wechat)
    means = Means(Channel.wechat, way, pay.account if pay else "", minis_of(merchant.code)[0].appid)
    attempt, _ = attempts.start(session, order, means, now=order.placed_at)
    attempts.end(session, attempt.id, to, now=over)


def _give_back(
    session: Session,
    merchant: Merchant,
    which: ColumnElement[bool],
    fen: int,
    reason: str,
    actor: str,
    outcome: str,
    now: datetime,
) -> None:
    paid = (
        select(Order)
        .join(Bill, Bill.order_id == Order.id)
        .join(PaymentAttempt, PaymentAttempt.bill_id == Bill.id)
        .where(Order.merchant_id == merchant.id, Order.kind == LineKind.amount, which)
        .order_by(Order.paid_at if outcome == "SUCCESS" else Order.paid_at.desc())
    )
    order = session.scalars(paid.limit(1)).first()
    if order is None or order.paid_at is None:
        return
    at = order.paid_at + timedelta(minutes=3)
    refunding.request(session, order, fen, reason, actor, at)
    for refund in demo_refunds.channel_parts(session, order):
        demo_refunds.end(session, refund, outcome, at + timedelta(minutes=1))
