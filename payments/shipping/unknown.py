"""What the platform waits for and we do not know of: its own list beside ours."""

from datetime import datetime, timedelta

from sqlalchemy import select

from core.database import reading
from gateways.pay.shipping import ShippingDesk
from payments.models import AttemptState, Bill, Channel, PaymentAttempt
from payments.shipping.models import PaymentShipping

SINCE = timedelta(days=30)
MOST_PAGES = 200


def gather(desk: ShippingDesk, now: datetime) -> list[int]:
    """The orders of payments that the platform calls unshipped and that nobody wrote down here."""
    found: list[int] = []
    last = ""
    for _ in range(MOST_PAGES):
        page = desk.list_unshipped(now - SINCE, now, last)
        found += _unknown([trade.key.transaction_id for trade in page.trades])
        last = page.last_index
        if not page.has_more or not last:
            break
    return found


def _unknown(transactions: list[str]) -> list[int]:
    with reading() as session:
        known = select(PaymentShipping.attempt_id).where(
            PaymentShipping.attempt_id == PaymentAttempt.id
        )
        return list(
            session.scalars(
                select(Bill.order_id)
                .join(PaymentAttempt, PaymentAttempt.bill_id == Bill.id)
                .where(
                    PaymentAttempt.channel == Channel.wechat,
                    PaymentAttempt.transaction_id.in_(transactions),
                    PaymentAttempt.state == AttemptState.succeeded,
                    ~known.exists(),
                )
                .distinct()
            )
        )
