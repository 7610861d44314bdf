"""A marketing message that was certainly not sent: the member's contact under the cap is theirs
again, and what spoke of it says so. Campaigns do the same for their recipients themselves."""

from sqlalchemy.orm import Session

from core.clock import business_day
from crm import contacts, reminding
from crm.journeys import acting
from crm.models import CouponReminder, JourneyRun
from messaging import sending
from messaging.models import OutboundState


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
