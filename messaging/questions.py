"""A question to staff: whoever may decide something hears of it in the chat that is open."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.outbox import enqueue
from merchants.models import Staff, StaffState
from messaging import planning, sending
from messaging.models import Channel


def put(
    session: Session,
    merchant_id: int,
    *,
    to: Callable[[Staff], bool],
    text: str,
    key: str,
    now: datetime,
) -> int:
    """Prepare `text` for each of the merchant's working staff for whom `to` is true and who has an
    open chat; how many that are. The same `key` again prepares nothing twice.
    """
    working = select(Staff).where(
        Staff.merchant_id == merchant_id,
        Staff.state == StaffState.active,
        Staff.person_id.is_not(None),
    )
    people = {
        staff.person_id: staff.id
        for staff in session.scalars(working)
        if staff.person_id is not None and to(staff)
    }
    plans = planning.plan_channels(
        session, merchant_id=merchant_id, person_ids=list(people), template=None, now=now
    )
    told = 0
    for person_id, plan in plans.items():
        if plan.channel is not Channel.customer_service:
            continue
        message = sending.prepare(
            session,
            key=f"{key}:{people[person_id]}",
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
