"""Taking an article back out of the followers' chats. WeChat can do that with articles and films
only, never with words; who has read it has read it, and nobody gets their broadcast back."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from core import audit
from core.database import claim
from core.outbox import enqueue
from messaging.broadcasts.drafting import ARTICLE, VIDEO
from messaging.broadcasts.errors import BroadcastMoved
from messaging.broadcasts.models import Broadcast, BroadcastState


def may_take_back(broadcast: Broadcast) -> bool:
    sent = broadcast.state in (BroadcastState.sending, BroadcastState.finished)
    return sent and broadcast.kind in (ARTICLE, VIDEO) and broadcast.taken_back_at is None


def ask(session: Session, broadcast: Broadcast, *, actor: str, now: datetime) -> None:
    """Have a job ask WeChat. Raises BroadcastMoved when there is nothing that it could delete."""
    if not may_take_back(broadcast):
        raise BroadcastMoved
    mine = update(Broadcast).where(Broadcast.id == broadcast.id, Broadcast.taken_back_at.is_(None))
    if not claim(session, mine.values(taken_back_at=now)):
        raise BroadcastMoved
    enqueue(session, "messaging.broadcast_take_back", broadcast_id=broadcast.id)
    audit.record(
        session,
        actor=actor,
        action="broadcast.taken_back",
        subject=f"broadcast:{broadcast.id}",
        merchant_id=broadcast.merchant_id,
        now=now,
    )
