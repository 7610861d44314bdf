"""What the platform tells of payments by itself: reminders, the settlement, its rules."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from core.outbox import enqueue
from payments.models import AttemptState, Bill, Channel, PaymentAttempt
from payments.shipping import owing
from payments.shipping.models import TOLD, UNTOLD, PaymentShipping, ShippingControl, ShippingState
from payments.shipping.remote import ELSEWHERE

ACCESS = ("trade_manage_remind_access_api", "wxa_trade_controlled")
REMINDED = "trade_manage_remind_shipping"
SETTLEMENT = "trade_manage_order_settlement"
LONGEST = 255


@dataclass(frozen=True)
class Heard:
    """One event of a mini-program; times are the platform's."""

    event: str
    appid: str
    transaction_id: str = ""
    message: str = ""
    shipped_at: datetime | None = None
    settle_by: datetime | None = None
    confirmed_at: datetime | None = None
    confirmed_by: int | None = None
    settled_at: datetime | None = None


def act(session: Session, heard: Heard, *, now: datetime) -> str:
    """Follow an event, in whatever order they come; safe to repeat. What came of it, in a word."""
    if heard.event in ACCESS:
        return _told_of_rules(session, heard, now)
    row = _find(session, heard)
    if row is None:
        return _look_up(session, heard)
    if heard.event == REMINDED:
        return _reminded(session, row, now)
    if heard.event == SETTLEMENT:
        return _settled(session, row, heard, now)
    return "ignored"


def _told_of_rules(session: Session, heard: Heard, now: datetime) -> str:
    """Its last word is kept; what is true is asked."""
    said = {"message": heard.message[:LONGEST], "message_at": now}
    mine = update(ShippingControl).where(ShippingControl.appid == heard.appid)
    if not claim(session, mine.values(**said)):
        first = {"appid": heard.appid, "managed": True, "confirmed": False, "page": "", **said}
        rows.add_new(session, ShippingControl, first)
    enqueue(session, "payments.check_shipping_control", appid=heard.appid)
    return "asked"


def _look_up(session: Session, heard: Heard) -> str:
    """A payment that we owe nothing for: from the time before this was looked after, mostly."""
    order_id = session.scalar(
        select(Bill.order_id)
        .join(PaymentAttempt, PaymentAttempt.bill_id == Bill.id)
        .where(
            PaymentAttempt.channel == Channel.wechat,
            PaymentAttempt.transaction_id == heard.transaction_id,
            PaymentAttempt.appid == heard.appid,
            PaymentAttempt.state == AttemptState.succeeded,
        )
    )
    if order_id is None or heard.event != REMINDED:
        return "unknown"
    enqueue(session, "payments.owe_shipping", order_id=order_id)
    return "owed"


def _reminded(session: Session, row: PaymentShipping, now: datetime) -> str:
    """The platform misses it: what is due is told at once, and staff hear of what is not."""
    if row.state is ShippingState.due:
        enqueue(session, "payments.tell_shipping", shipping_id=row.id)
    if row.state not in UNTOLD:
        return "told"
    enqueue(session, "payments.watch_shipping")
    return "reminded"


def _settled(session: Session, row: PaymentShipping, heard: Heard, now: datetime) -> str:
    """Once when it is shipped, and again when the money is free."""
    times = {
        name: value
        for name in ("shipped_at", "settle_by", "confirmed_at", "confirmed_by", "settled_at")
        if (value := getattr(heard, name)) is not None
    }
    if times:
        mine = update(PaymentShipping).where(PaymentShipping.id == row.id)
        claim(session, mine.values(**times))
    if heard.settled_at is not None:
        moved = owing.move(session, row.id, ShippingState.settled, now=now)
        return "settled" if moved else "repeated"
    # Shipped, and not by us: somebody used the platform's own pages.
    elsewhere = row.state in UNTOLD and row.state is not ShippingState.uploading
    if heard.shipped_at is not None and elsewhere and row.told is None and not row.corrections:
        owing.move(session, row.id, ShippingState.uploaded, now=now, reason=ELSEWHERE, told_at=now)
        return "elsewhere"
    return "shipped" if row.state in (*TOLD, ShippingState.uploading) else "ignored"


def _find(session: Session, heard: Heard) -> PaymentShipping | None:
    whose: ColumnElement[bool] = PaymentShipping.appid == heard.appid
    return session.scalar(
        select(PaymentShipping).where(whose, PaymentShipping.transaction_id == heard.transaction_id)
    )
