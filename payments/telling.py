"""The question whether money goes back, put to those who may answer, in the chat that is open."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.outbox import enqueue
from merchants.models import Staff, StaffState
from merchants.roles import may
from merchants.staff import stores_of
from messaging import planning, sending
from messaging.models import Channel
from messaging.words import plain
from payments import asking
from payments.asked_models import AskedRefund, AskedState


def tell_asked(session: Session, asked_id: int, *, now: datetime) -> int:
    """Prepare a message for each who may agree and has an open chat; how many that are."""
    asked = session.get_one(AskedRefund, asked_id)
    if asked.state is not AskedState.pending:
        return 0
    working = select(Staff).where(
        Staff.merchant_id == asked.merchant_id,
        Staff.state == StaffState.active,
        Staff.person_id.is_not(None),
    )
    people = {
        staff.person_id: staff
        for staff in session.scalars(working)
        if staff.person_id is not None
        and may(staff.role, "orders.refund")
        and asked.asked_by != f"staff:{staff.id}"
        and asked.store_id in stores_of(session, staff)
    }
    plans = planning.plan_channels(
        session,
        merchant_id=asked.merchant_id,
        person_ids=list(people),
        template=None,
        now=now,
    )
    answers = f"回复「同意退款 {asked.code}」或「不同意退款 {asked.code}」"
    text = f"{plain(asking.question(session, asked))}\n{answers}"
    told = 0
    for person_id, plan in plans.items():
        if plan.channel is not Channel.customer_service:
            continue
        message = sending.prepare(
            session,
            key=f"asked_refund:{asked.id}:{people[person_id].id}",
            appid=plan.appid,
            openid=plan.openid,
            channel=plan.channel,
            kind="approval",
            payload={"type": "text", "text": text},
            now=now,
        )
        if message is not None:
            enqueue(session, "messaging.deliver", message_id=message.id)
            told += 1
    return told
