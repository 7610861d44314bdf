"""The moves of broadcasts and of their requests: compare-and-set along the maps."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.orm import Session

from core import audit
from core.database import claim
from core.outbox import enqueue
from messaging.broadcasts.errors import BroadcastMoved
from messaging.broadcasts.models import (
    NEXT,
    NEXT_MASS,
    Broadcast,
    BroadcastState,
    MassSend,
    MassState,
)

RECOGNISED = timedelta(hours=23)
"""How long after the first try WeChat knows a request again by its client id; it says a day."""


def move(
    session: Session,
    broadcast: Broadcast,
    to: BroadcastState,
    *,
    actor: str,
    now: datetime,
    **values: Any,
) -> None:
    """Raises BroadcastMoved when the map does not lead there, or somebody was faster."""
    before = broadcast.state
    if to not in NEXT[before]:
        raise BroadcastMoved
    moving = update(Broadcast).where(Broadcast.id == broadcast.id, Broadcast.state == before)
    moved = claim(session, moving.values(state=to, **values))
    session.refresh(broadcast)
    if moved == 0:
        raise BroadcastMoved
    audit.record(
        session,
        actor=actor,
        action=f"broadcast.{to.value}",
        subject=f"broadcast:{broadcast.id}",
        before={"state": before.value},
        after={"state": to.value},
        merchant_id=broadcast.merchant_id,
        now=now,
    )


def move_mass(
    session: Session, mass_id: int, to: MassState, *, now: datetime, **values: Any
) -> bool:
    """False when the request has moved elsewhere; the first to know an end tells the broadcast."""
    sources = [state for state, targets in NEXT_MASS.items() if to in targets]
    moving = update(MassSend).where(MassSend.id == mass_id, MassSend.state.in_(sources))
    return claim(session, moving.values(state=to, changed_at=now, **values)) == 1


def finish_if_done(session: Session, broadcast_id: int, *, now: datetime) -> bool:
    """sending → finished, or failed with nothing accepted, once no request is under way."""
    given_up = and_(MassSend.state == MassState.unknown, MassSend.first_sent_at <= now - RECOGNISED)
    over = or_(MassSend.state.in_([MassState.finished, MassState.failed]), given_up)
    under_way = exists().where(MassSend.broadcast_id == broadcast_id, ~over)
    if session.scalar(select(under_way)):
        return False
    good = session.scalar(
        select(func.count()).where(
            MassSend.broadcast_id == broadcast_id, MassSend.state != MassState.failed
        )
    )
    broadcast = session.get_one(Broadcast, broadcast_id, populate_existing=True)
    if broadcast.state is not BroadcastState.sending:
        return False
    to = BroadcastState.finished if good else BroadcastState.failed
    move(session, broadcast, to, actor="system", now=now, finished_at=now)
    return True


def settled(session: Session, mass: MassSend, *, now: datetime) -> None:
    """A request has come to its end: the broadcast may be over, and a campaign wants to know."""
    finish_if_done(session, mass.broadcast_id, now=now)
    campaign_id = session.scalar(
        select(Broadcast.campaign_id).where(Broadcast.id == mass.broadcast_id)
    )
    if campaign_id is not None:
        enqueue(session, "crm.campaign_mass_over", mass_send_id=mass.id)
        return
    state = session.scalar(select(MassSend.state).where(MassSend.id == mass.id))
    if state is MassState.failed:
        enqueue(session, "crm.broadcast_refused", mass_send_id=mass.id)
