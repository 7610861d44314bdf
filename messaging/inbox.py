"""The inbox of chats: each verified message stored once, and acted upon once."""

from datetime import datetime

from sqlalchemy.orm import Session

from core import inbox
from core.inbox import InboundEvent
from gateways.wechat.messages import Message
from messaging import receiving
from messaging.receiving import Happened

OFFICIAL, MINI = "wechat.official:", "wechat.mini:"
PREFIXES = (OFFICIAL, MINI)


def store(session: Session, source: str, message: Message, *, now: datetime) -> int:
    """The inbox row of a message, written unless WeChat told it before."""
    event, _ = inbox.record(
        session,
        source=source,
        external_id=message.msg_id,
        kind=(message.event or message.kind)[:64],
        body=receiving.to_body(message),
        raw=message.raw,
        now=now,
    )
    return event.id


def act_once(
    session: Session, event_id: int, message: Message, *, now: datetime
) -> Happened | None:
    """Act on a stored message in this transaction; None: somebody has, or is about to commit it.

    The row is claimed first, so a copy of the message that arrives meanwhile waits for us.
    """
    outcome = "handled" if receiving.is_handled(message) else "ignored"
    if not inbox.mark_done(session, event_id, outcome=outcome, now=now):
        return None
    return receiving.act(session, message, now=now)


def list_unacted(session: Session, *, before: datetime, limit: int = 100) -> list[InboundEvent]:
    """Messages that were stored and not acted upon: the process died in between."""
    return [
        event
        for prefix in PREFIXES
        for event in inbox.list_unacted(session, source_prefix=prefix, before=before, limit=limit)
    ]
