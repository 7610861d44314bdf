"""The inbox of chats: each verified message is stored once and acted upon once.

An ordinary message is `keep`t in one statement together with the reply that was written to it; a
job acts on it a moment later, with whatever else came meanwhile. An event is stored and acted upon
in one transaction, since the reply depends on what happens: a second commit would cost more than
all the rest. If the act fails, the row is stored alone and swept; if the process dies in between,
WeChat has no answer and repeats the event.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from core import inbox, rows
from core.database import claim
from core.inbox import EventState, InboundEvent
from core.numbers import token_hash
from gateways.wechat.messages import Message
from messaging import answers, chat, conversations, following, receiving, scenes
from messaging.answers import Part
from messaging.receiving import Happened

OFFICIAL, MINI = "wechat.official:", "wechat.mini:"
PREFIXES = (OFFICIAL, MINI)
KEPT, GIVEN_UP = "kept", "given_up"
_IS_KEPT = (InboundEvent.state == EventState.received) & (InboundEvent.outcome == KEPT)
REPLY = "reply"
"""In the stored body of a message: the parts that were answered."""

Answer = Callable[[Session, Message, Happened, datetime], list[Part]]


def keep(
    session: Session, source: str, message: Message, reply: list[Part], *, now: datetime
) -> tuple[list[Part], bool]:
    """Store an ordinary message with its reply, in one statement; `act_on_kept` does the rest.

    The reply to give and whether the message is new: a repetition hears what was answered first.
    """
    row = _row(source, message, now)
    row["body"][REPLY] = reply
    waiting = {"state": EventState.received, "outcome": KEPT, "done_at": None}
    if rows.add_new(session, InboundEvent, row | waiting) is not None:
        return reply, True
    body = session.scalar(
        select(InboundEvent.body).where(
            InboundEvent.source == source, InboundEvent.external_id == message.msg_id
        )
    )
    return answers.of((body or {}).get(REPLY, reply)), False


def list_kept(session: Session, *, limit: int) -> list[InboundEvent]:
    """Messages that wait for their job, oldest first, locked: each for one worker only."""
    return list(
        session.scalars(
            select(InboundEvent)
            .where(_IS_KEPT)
            .order_by(InboundEvent.received_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    )


def act_on_kept(session: Session, kept: Sequence[InboundEvent], *, now: datetime) -> None:
    """Act on locked messages, log what was said and answered, and mark them done.

    Windows are rows of persons: by appid and openid, so that two slices lock them in one order.
    """
    lines: list[chat.Line] = []
    done: dict[str, list[int]] = {}
    heard = [(event, receiving.from_body(event.body, event.raw or "")) for event in kept]
    for _, message in sorted(heard, key=lambda each: (each[1].appid, each[1].openid)):
        receiving.act(session, message, now=now)
    replied = {id(message): answers.of(event.body.get(REPLY)) for event, message in heard}
    conversations.heard(session, [(message, replied[id(message)]) for _, message in heard], now)
    for event, message in heard:
        reply = replied[id(message)]
        key = _reply_key(event.source, message)
        lines += chat.exchange(message, reply, reply_key=key, now=event.received_at)
        following.send(session, message, reply, key=key, now=now)
        done.setdefault(_outcome(message), []).append(event.id)
    chat.log(session, lines)
    for outcome, ids in done.items():
        moved = update(InboundEvent).where(InboundEvent.id.in_(ids))
        claim(session, moved.values(state=EventState.done, outcome=outcome, done_at=now))


def act_on_left(session: Session, event_id: int, *, now: datetime) -> None:
    """Act on a message that was left behind, unless somebody did meanwhile."""
    event = session.get_one(InboundEvent, event_id, with_for_update=True)
    if event.state is EventState.received:
        act_on_kept(session, [event], now=now)


def leave(session: Session, ids: Sequence[int]) -> None:
    """Acting on these failed: they wait no longer for the job but for the sweep, one by one."""
    left = update(InboundEvent).where(InboundEvent.id.in_(ids), _IS_KEPT)
    claim(session, left.values(outcome=""))


def act_once(
    session: Session,
    source: str,
    message: Message,
    *,
    now: datetime,
    answer: Answer = lambda *_: [],
    waits: bool = True,
) -> list[Part]:
    """Store the message, act on it and log what was said, in this transaction and once.

    The reply that `answer` writes; to a message that was acted upon before, what was answered then.
    The unique row comes first, so a copy of the message that arrives meanwhile waits for us.
    Without `waits` nobody need look at it: `answer` did all that the message asked for.
    """
    message = _without_secrets(message)
    key = _reply_key(source, message)
    row = _row(source, message, now)
    outcome = _outcome(message)
    done = {"state": EventState.done, "outcome": outcome, "done_at": now}
    fresh = rows.add_new(session, InboundEvent, row | done) is not None
    if not fresh and not _claim_left(session, row, outcome, now):
        return chat.find_reply(session, key)
    happened = receiving.act(session, message, now=now)
    reply = answer(session, message, happened, now)
    said = message.event is None and waits
    if said or any(part["type"] == "human" for part in reply):
        conversations.heard(session, [(message, reply)], now)
    chat.log(session, chat.exchange(message, reply, reply_key=key, now=now))
    following.send(session, message, reply, key=key, now=now)
    return reply


def store(session: Session, source: str, message: Message, *, now: datetime) -> None:
    """Only store the message, unless WeChat told it before; the sweep acts on it."""
    waiting = {"state": EventState.received, "outcome": "", "done_at": None}
    rows.add_new(session, InboundEvent, _row(source, _without_secrets(message), now) | waiting)


def list_unacted(
    session: Session, *, before: datetime, after: InboundEvent | None = None, limit: int = 25
) -> list[InboundEvent]:
    """Messages that were stored and not acted upon nor given up, oldest first.

    Those behind `after`: those that always fail keep no other waiting."""
    ours = [InboundEvent.source.startswith(prefix, autoescape=True) for prefix in PREFIXES]
    wanted = select(InboundEvent).where(
        InboundEvent.state == EventState.received,
        InboundEvent.outcome != GIVEN_UP,
        InboundEvent.received_at < before,
        or_(*ours),
    )
    if after is not None:
        same = (InboundEvent.received_at == after.received_at) & (InboundEvent.id > after.id)
        wanted = wanted.where((InboundEvent.received_at > after.received_at) | same)
    order = (InboundEvent.received_at, InboundEvent.id)
    return list(session.scalars(wanted.order_by(*order).limit(limit)))


def give_up(session: Session, event_id: int) -> bool:
    """It has failed for so long that the sweep leaves it; somebody may still act on it by hand."""
    expected = {"id": event_id, "state": EventState.received}
    return rows.compare_and_set(session, InboundEvent, expected, {"outcome": GIVEN_UP}) == 1


def _without_secrets(message: Message) -> Message:
    """Whoever reads the inbox must not be able to follow an invite that somebody scanned."""
    key = scenes.without_invites(message.event_key)
    if key == message.event_key:
        return message
    return replace(
        message,
        event_key=key,
        msg_id=token_hash(message.msg_id),
        fields={**message.fields, "EventKey": key},
        raw=scenes.without_invites(message.raw),
    )


def _reply_key(source: str, message: Message) -> str:
    """Under which the reply to a message is logged, for its repetitions."""
    return token_hash(f"{source} {message.msg_id}")


def _claim_left(session: Session, row: dict[str, Any], outcome: str, now: datetime) -> bool:
    """The message was stored alone before: whoever moves it to `done` acts."""
    found = session.execute(
        select(InboundEvent.id, InboundEvent.state).where(
            InboundEvent.source == row["source"],
            InboundEvent.external_id == row["external_id"],
        )
    ).one()
    if found.state is not EventState.received:
        return False
    return inbox.mark_done(session, found.id, outcome=outcome, now=now)


def _outcome(message: Message) -> str:
    return "handled" if receiving.is_handled(message) else "ignored"


def _row(source: str, message: Message, now: datetime) -> dict[str, Any]:
    return {
        "source": source,
        "external_id": message.msg_id,
        "kind": (message.event or message.kind)[:64],
        "openid": message.openid,
        "body": receiving.to_body(message),
        "raw": message.raw,
        "received_at": now,
    }
