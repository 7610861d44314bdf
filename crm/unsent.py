"""A marketing message that was certainly not sent: the member's contact under the cap is theirs
again, and what spoke of it says so. Campaigns do the same for their recipients themselves."""

from datetime import datetime

from sqlalchemy.orm import Session

from core import rows
from core.clock import business_day
from crm import consent, contacts, reminding
from crm.journeys import acting
from crm.models import CouponReminder, JourneyRun
from messaging import sending
from messaging.models import OutboundMessage, OutboundState


def hold_back(session: Session, message_id: int, *, now: datetime) -> bool:
    """prepared → failed for whoever has refused marketing since it was written: WeChat was busy, or
    a worker was away, and the message is hours old. Whether it was held back."""
    message = sending.get_message(session, message_id)
    member_id = _member_of(session, message)
    if member_id is None or not consent.refusing(session, [member_id]):
        return False
    waiting = {"id": message.id, "state": OutboundState.prepared}
    failed = {"state": OutboundState.failed, "reason": consent.NO_CONSENT, "changed_at": now}
    return rows.compare_and_set(session, OutboundMessage, waiting, failed) == 1


def _member_of(session: Session, message: OutboundMessage) -> int | None:
    """Whom a journey or a reminder writes to."""
    if message.kind == acting.KIND:
        run = session.get(JourneyRun, int(message.key.split(":", 2)[1]))
        return None if run is None else run.member_id
    if message.kind == reminding.KIND:
        told = session.get(CouponReminder, int(message.key.split(":", 1)[1]))
        return None if told is None else told.member_id
    return None


def return_contact(session: Session, message_id: int) -> bool:
    """Give back what a journey's or a reminder's message took; False where nothing was taken."""
    message = sending.get_message(session, message_id)
    if message.state is not OutboundState.failed:
        return False
    if message.kind == acting.KIND:
        _, run_id, node = message.key.split(":", 2)
        run = session.get(JourneyRun, int(run_id))
        if run is None:
            return False
        ref = acting.contact_ref(run.journey_id, node, run.round)
        return contacts.take_back(session, [run.member_id], kind=acting.KIND, ref=ref) == 1
    if message.kind == reminding.KIND:
        _, coupon_id = message.key.split(":", 1)
        told = session.get_one(CouponReminder, int(coupon_id))
        told.outcome = message.reason[:32] or "refused"
        ref = reminding.contact_ref(business_day(told.at))
        return contacts.take_back(session, [told.member_id], kind=reminding.KIND, ref=ref) == 1
    return False
