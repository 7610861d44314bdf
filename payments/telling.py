"""What staff hear of refunds in the chat that is open: the question whether money goes back, and
that somebody has to look at one."""

from datetime import datetime

from sqlalchemy.orm import Session

from core.clock import local
from core.money import format_yuan
from merchants.roles import may
from merchants.staff import stores_of
from messaging import questions
from messaging.words import plain
from orders.models import Order
from payments import asking
from payments.asked_models import AskedRefund, AskedState
from payments.models import Refund
from payments.refunding import stuck


def tell_asked(session: Session, asked_id: int, *, now: datetime) -> int:
    """Prepare a message for each who may agree and has an open chat; how many that are."""
    asked = session.get_one(AskedRefund, asked_id)
    if asked.state is not AskedState.pending:
        return 0
    answers = f"回复「同意退款 {asked.code}」或「不同意退款 {asked.code}」"
    return questions.put(
        session,
        asked.merchant_id,
        to=lambda staff: (
            may(staff.role, "orders.refund")
            and asked.asked_by != f"staff:{staff.id}"
            and asked.store_id in stores_of(session, staff)
            and asking.may_agree(session, asked, staff)
        ),
        text=f"{plain(asking.question(session, asked))}\n{answers}",
        key=f"asked_refund:{asked.id}",
        now=now,
    )


def tell_stuck(session: Session, refund_id: int, *, now: datetime) -> int:
    """Prepare a message for each who may give money back in the store of a refund that is stuck;
    how many that are. One that came through meanwhile is none."""
    refund = session.get_one(Refund, refund_id)
    if not (why := stuck.why(refund, now)):
        return 0
    order = session.get_one(Order, refund.order_id)
    what = order.pickup_number or order.no[-6:]
    asked = f"{local(refund.requested_at):%m-%d %H:%M}"
    amount = format_yuan(refund.channel_fen)
    return questions.put(
        session,
        refund.merchant_id,
        to=lambda staff: (
            may(staff.role, "orders.refund") and refund.store_id in stores_of(session, staff)
        ),
        text=f"{what} 的退款 ¥{amount}（{asked} 提交）{why}\n到控制台的「退款」里处理。",
        key=f"stuck_refund:{refund.id}:{refund.state}:{refund.error}",
        now=now,
    )
