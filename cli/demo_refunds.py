"""Refunds of the demo's last days: most came through, one the channel refused, one cannot go into
the customer's account, one has been on its way for too long. Only rows: WeChat is not asked."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateways.pay.records import RefundResult
from merchants.models import Merchant, Staff
from orders.models import LineKind, Order, OrderLine, OrderState
from payments import refunding
from payments.models import PaymentAttempt, Refund
from payments.refunding import Wanted

LATELY = timedelta(days=6)
EVERY = 11
"""Of how many orders one is refunded, at most MOST."""
MOST = 8
REASONS = ("商品洒漏", "做错了", "等太久", "其他")
ENDS = {1: "USER_ACCOUNT_ABNORMAL", 3: "ABNORMAL", 5: "PROCESSING"}
"""Those that did not come through, counted from the oldest."""


def run(session: Session, merchant: Merchant, now: datetime) -> None:
    owner = session.scalars(
        select(Staff).where(Staff.merchant_id == merchant.id, Staff.username == "owner")
    ).first()
    actor = f"staff:{owner.id}" if owner else "system"
    lately = select(Order).where(
        Order.merchant_id == merchant.id,
        Order.kind == LineKind.goods,
        Order.state == OrderState.completed,
        Order.paid_fen > 0,
        Order.completed_at.between(now - LATELY, now - timedelta(days=1, hours=2)),
    )
    found = session.scalars(lately.order_by(Order.completed_at)).all()
    for number, order in enumerate(found[::EVERY][:MOST]):
        at = (order.completed_at or now) + timedelta(minutes=12)
        lines = select(OrderLine).where(OrderLine.order_id == order.id, OrderLine.payable_fen > 0)
        line = session.scalars(lines.order_by(OrderLine.position).limit(1)).one()
        wanted, reason = Wanted({line.position: 1}), REASONS[number % len(REASONS)]
        refund = refunding.request(session, order, wanted, reason, actor, at)
        end(session, refund, ENDS.get(number, "SUCCESS"), at + timedelta(minutes=2))


def channel_parts(session: Session, order: Order) -> list[Refund]:
    """Those of an order that a channel has to say something about."""
    mine = select(Refund).where(Refund.order_id == order.id, Refund.channel_fen > 0)
    return list(session.scalars(mine.order_by(Refund.id)))


def end(session: Session, refund: Refund, outcome: str, at: datetime) -> None:
    if outcome == "USER_ACCOUNT_ABNORMAL":
        refunding.fail(session, refund.id, outcome, at)
        return
    attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    said = RefundResult(
        refund.out_refund_no,
        f"50000{refund.id:023}",
        outcome,
        refund.channel_fen,
        attempt.channel_fen,
        at,
        attempt.account,
    )
    refunding.record_result(session, said, at)
