"""Outbound messages as rows: prepared under a unique key, then moved by compare-and-set."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from messaging.models import NEXT, Channel, OutboundMessage, OutboundState
from messaging.rules import refuse_marketing
from messaging.templates import moment_of

DEDUPLICATED = timedelta(minutes=9)
"""How long after the first try a template message may be asked for again under its client id;
WeChat remembers it for ten minutes."""

WAITS = timedelta(days=1)
"""How long a message is tried while WeChat is busy or away; later it would surprise."""
FORGOTTEN = timedelta(hours=1)
"""Prepared and untouched for so long: its job is dead. One that WeChat puts off is touched by
every try."""
CAMPAIGN = "campaign"


TALK = ("staff", "reply", "welcome")
"""Kinds of messages that are said in the course of a chat."""


class Letter(NamedTuple):
    """A message to write down; see `prepare` for the payload."""

    key: str
    appid: str
    openid: str
    channel: Channel
    kind: str
    payload: dict[str, Any]


def prepare(
    session: Session,
    *,
    key: str,
    appid: str,
    openid: str,
    channel: Channel | str,
    kind: str,
    payload: dict[str, Any],
    now: datetime,
) -> OutboundMessage | None:
    """Write down a message to send; None when the key was used before. Nothing is sent yet.

    `payload`: customer_service `{"type": "text", "text"}`, `{"type": "news", "title", …}` or
    `{"type": "mini_card", …}`; subscribe `{"template_id", "data", "page"}`; template
    `{"template_id", "data", "url", "mini": [appid, page]}`. Raises MarketingInTemplate.
    """
    letter = Letter(key, appid, openid, Channel(channel), kind, payload)
    if not insert_ignore(session, OutboundMessage, [_row(letter, now)]):
        return None
    return find_message(session, key)


def prepare_many(session: Session, letters: Sequence[Letter], *, now: datetime) -> dict[str, int]:
    """Write down many messages in one insert; key → id, of those written down before too.

    Raises MarketingInTemplate when one of them breaks the rule.
    """
    insert_ignore(session, OutboundMessage, [_row(letter, now) for letter in letters])
    found = select(OutboundMessage.key, OutboundMessage.id).where(
        OutboundMessage.key.in_([letter.key for letter in letters])
    )
    return dict(session.execute(found).all())


def find_message(session: Session, key: str) -> OutboundMessage | None:
    return session.scalar(select(OutboundMessage).where(OutboundMessage.key == key))


def get_message(session: Session, message_id: int) -> OutboundMessage:
    return session.get_one(OutboundMessage, message_id, populate_existing=True)


def start(session: Session, message_id: int, *, now: datetime) -> bool:
    """prepared → sending, or a template message of unknown outcome again; False: do not send."""
    message = get_message(session, message_id)
    if message.state is OutboundState.unknown and not may_ask_again(message, now):
        return False
    values: dict[str, Any] = {"first_sent_at": message.first_sent_at or now}
    return _move(session, message_id, OutboundState.sending, now, **values)


def may_ask_again(message: OutboundMessage, now: datetime) -> bool:
    """Whether WeChat would recognise a repetition of a message whose outcome is unknown."""
    return (
        message.channel is Channel.template
        and message.state is OutboundState.unknown
        and message.first_sent_at is not None
        and now - message.first_sent_at < DEDUPLICATED
    )


def record_result(
    session: Session,
    message_id: int,
    state: OutboundState | str,
    *,
    now: datetime,
    errcode: int | None = None,
    reason: str = "",
    remote_id: str = "",
) -> bool:
    """Where a message ended, along the map of moves; False when it had moved elsewhere."""
    return _move(
        session,
        message_id,
        OutboundState(state),
        now,
        errcode=errcode,
        reason=reason[:64],
        remote_id=remote_id[:64],
    )


def record_receipt(
    session: Session, *, appid: str, remote_id: str, errcode: int | None, reason: str, now: datetime
) -> bool:
    """WeChat reports later that a message did not arrive."""
    lost = update(OutboundMessage).where(
        OutboundMessage.appid == appid,
        OutboundMessage.remote_id == remote_id,
        OutboundMessage.state == OutboundState.sent,
    )
    values = {"errcode": errcode, "reason": reason[:64], "changed_at": now}
    return claim(session, lost.values(state=OutboundState.failed, **values)) == 1


def settle_stuck(session: Session, *, before: datetime, now: datetime) -> int:
    """What has been `sending` since before a moment was cut off: its outcome is unknown."""
    stuck = update(OutboundMessage).where(
        OutboundMessage.state == OutboundState.sending,
        OutboundMessage.changed_at < before,
        OutboundMessage.channel != Channel.broadcast,  # hours may pass until WeChat tells
    )
    values = {"reason": "interrupted", "changed_at": now}
    return claim(session, stuck.values(state=OutboundState.unknown, **values))


def give_up_talk(session: Session, *, before: datetime, now: datetime) -> int:
    """Words of a chat that nobody could bring to WeChat are over: what they answer is long past."""
    late = update(OutboundMessage).where(
        OutboundMessage.state == OutboundState.prepared,
        OutboundMessage.changed_at < before,
        OutboundMessage.kind.in_(TALK),
    )
    values = {"reason": "too_late", "changed_at": now}
    return claim(session, late.values(state=OutboundState.failed, **values))


def list_to_ask_again(session: Session, *, now: datetime, limit: int = 200) -> list[int]:
    """Template messages of unknown outcome that WeChat would still recognise."""
    found = (
        select(OutboundMessage.id)
        .where(
            OutboundMessage.state == OutboundState.unknown,
            OutboundMessage.changed_at > now - DEDUPLICATED,
            OutboundMessage.channel == Channel.template,
            OutboundMessage.first_sent_at > now - DEDUPLICATED,
        )
        .order_by(OutboundMessage.id)
        .limit(limit)
    )
    return list(session.scalars(found))


def take_up_forgotten(
    session: Session, *, now: datetime, limit: int = 200
) -> list[tuple[int, str]]:
    """Prepared messages that no job is after any more, with their kinds; each is touched, so the
    next look passes it over. A campaign's wait for the campaign, a broadcast's for its request."""
    left = (
        OutboundMessage.state == OutboundState.prepared,
        OutboundMessage.changed_at < now - FORGOTTEN,
        OutboundMessage.channel != Channel.broadcast,
        OutboundMessage.kind != CAMPAIGN,
    )
    found = select(OutboundMessage.id, OutboundMessage.kind).where(*left)
    taken = [
        (message_id, kind)
        for message_id, kind in session.execute(
            found.order_by(OutboundMessage.changed_at).limit(limit)
        )
    ]
    touched = update(OutboundMessage).where(OutboundMessage.id.in_([id_ for id_, _ in taken]))
    claim(session, touched.where(*left).values(changed_at=now))
    return taken


def _row(letter: Letter, now: datetime) -> dict[str, Any]:
    moment = moment_of(letter.appid, str(letter.payload.get("template_id", "")))
    refuse_marketing(letter.channel, letter.kind, letter.payload, moment=moment)
    return {
        **letter._asdict(),
        "state": OutboundState.prepared,
        "reason": "",
        "remote_id": "",
        "prepared_at": now,
        "changed_at": now,
    }


def _move(
    session: Session, message_id: int, to: OutboundState, now: datetime, **values: Any
) -> bool:
    sources = [state for state, targets in NEXT.items() if to in targets]
    moving = update(OutboundMessage).where(
        OutboundMessage.id == message_id, OutboundMessage.state.in_(sources)
    )
    return claim(session, moving.values(state=to, changed_at=now, **values)) == 1
