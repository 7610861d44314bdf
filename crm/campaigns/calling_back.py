"""A killed campaign's broadcasts: what WeChat was not asked for yet is not asked for any more."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import rows
from core.outbox import enqueue
from crm.models import Campaign, CampaignState
from messaging.broadcasts import moving, quotas
from messaging.broadcasts.models import Broadcast, MassSend, MassState

STOPPED = "stopped"


def call_back(session: Session, campaign_id: int, *, now: datetime) -> int:
    """prepared → failed for the requests of a killed campaign: the four of the month are given
    back, `masses.settle` skips the people. What WeChat has cannot be called back. How many."""
    state = session.scalar(select(Campaign.state).where(Campaign.id == campaign_id))
    if state is not CampaignState.killed:
        return 0
    called = 0
    for mass in _list_prepared(session, campaign_id):
        expected = {"id": mass.id, "state": MassState.prepared}
        stopped = {"state": MassState.failed, "status": STOPPED, "changed_at": now}
        if rows.compare_and_set(session, MassSend, expected, stopped) == 1:
            session.refresh(mass)
            quotas.give_back(session, mass)
            moving.settled(session, mass, now=now)
            called += 1
    return called


def queue_prepared(session: Session, campaign_id: int) -> int:
    """Ask for the requests that a pause has held up; how many. Copies do no harm."""
    found = _list_prepared(session, campaign_id)
    for mass in found:
        enqueue(session, "messaging.mass_send", mass_send_id=mass.id)
    return len(found)


def campaign_of(session: Session, mass_id: int) -> Campaign | None:
    """The campaign that a request belongs to, if to any."""
    return session.scalar(
        select(Campaign)
        .join(Broadcast, Broadcast.campaign_id == Campaign.id)
        .join(MassSend, MassSend.broadcast_id == Broadcast.id)
        .where(MassSend.id == mass_id)
        .execution_options(populate_existing=True)
    )


def _list_prepared(session: Session, campaign_id: int) -> list[MassSend]:
    found = (
        select(MassSend)
        .join(Broadcast, Broadcast.id == MassSend.broadcast_id)
        .where(Broadcast.campaign_id == campaign_id, MassSend.state == MassState.prepared)
        .order_by(MassSend.id)
    )
    return list(session.scalars(found))
