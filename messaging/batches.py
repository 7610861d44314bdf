"""Many prepared messages at once: claimed together, recorded together; `hands` says them.

The same promises as `remote.deliver` for a single one. A message is `sending` before it is said,
so whoever dies in between leaves it `sending`, which the sweep turns into `unknown`; nothing here
is ever said twice. What WeChat would not take now goes back to `prepared` with what it cost.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim
from messaging import chat, grants, remote, suppression, windows
from messaging.models import (
    Channel,
    Direction,
    MessageWindow,
    OutboundMessage,
    OutboundState,
    SubscribeGrant,
)


@dataclass(frozen=True)
class Ready:
    """A claimed message, and the windows or the grant that it was taken out of."""

    message: OutboundMessage
    window_ids: tuple[int, ...] = ()
    grant_id: int | None = None


class Fate(NamedTuple):
    """Where a message ended; `prepared`: not said, to be said in `wait` seconds."""

    state: OutboundState
    errcode: int | None = None
    reason: str = ""
    remote_id: str = ""
    wait: float = 0


def take(
    session: Session,
    messages: Sequence[OutboundMessage],
    *,
    refused: Mapping[int, str] | None = None,
    now: datetime,
) -> tuple[list[Ready], dict[int, str]]:
    """prepared → sending, and what each costs spent; of those that cannot be sent, id → reason.

    `refused`: message → why the caller will not have it sent any more. The caller holds the rows
    of all of them, and all are prepared.
    """
    ready, barred = [], dict(refused or {})
    messages = [each for each in messages if each.id not in barred]
    open_windows, open_grants = _windows(session, messages, now), _grants(session, messages)
    taken: Counter[int] = Counter()
    used: Counter[int] = Counter()
    for message in messages:
        if message.channel is Channel.customer_service:
            ids = _take(open_windows[message.appid, message.openid], taken, message)
            if not ids:
                barred[message.id] = "window_closed"
                continue
            taken.update(ids)
            ready.append(Ready(message, tuple(ids)))
        elif message.channel is Channel.subscribe:
            wanted = (message.appid, message.openid, message.payload["template_id"])
            grant = open_grants.get(wanted)
            if grant is None or grant.remaining <= used[grant.id]:
                barred[message.id] = "not_granted"
                continue
            used[grant.id] += 1
            ready.append(Ready(message, grant_id=grant.id))
        else:
            ready.append(Ready(message))
    _spend(session, taken, used, now)
    _start(session, [each.message.id for each in ready], now)
    for reason in set(barred.values()):
        ids = [id_ for id_, why in barred.items() if why == reason]
        values = {"state": OutboundState.failed, "reason": reason, "changed_at": now}
        claim(session, update(OutboundMessage).where(OutboundMessage.id.in_(ids)).values(**values))
    return ready, barred


def record(
    session: Session, ready: Sequence[Ready], fates: Sequence[Fate], *, now: datetime
) -> None:
    """sending → where each ended. What WeChat taught us about a receiver is remembered."""
    groups: dict[Fate, list[Ready]] = defaultdict(list)
    for each, fate in zip(ready, fates, strict=True):
        groups[fate._replace(wait=0)].append(each)
    for fate, members in groups.items():
        moving = update(OutboundMessage).where(
            OutboundMessage.id.in_([each.message.id for each in members]),
            OutboundMessage.state == OutboundState.sending,
        )
        claim(
            session,
            moving.values(
                state=fate.state,
                errcode=fate.errcode,
                reason=fate.reason[:64],
                remote_id=fate.remote_id[:64],
                changed_at=now,
            ),
        )
    _return(session, [r for r, f in zip(ready, fates, strict=True) if _is_back(f)], now)
    _log(session, [r for r, f in zip(ready, fates, strict=True) if f.state is _SENT], now)
    refused = [(r.message, f.errcode) for r, f in zip(ready, fates, strict=True) if f.errcode]
    addresses = [(message.appid, message.openid, code) for message, code in refused if code]
    suppression.note(session, addresses, now=now)
    for message, errcode in refused:
        if errcode in remote.WINDOW_OVER:
            windows.close_windows(session, message.appid, message.openid)
        if errcode == remote.NOTHING_GRANTED:
            grants.withdraw(
                session,
                appid=message.appid,
                openid=message.openid,
                template_id=message.payload["template_id"],
                now=now,
            )


_SENT = OutboundState.sent


def _is_back(fate: Fate) -> bool:
    return fate.state is OutboundState.prepared


def _windows(
    session: Session, messages: Iterable[OutboundMessage], now: datetime
) -> dict[tuple[str, str], list[MessageWindow]]:
    """Open windows of the chats, held; the one that closes soonest first."""
    chats = [m for m in messages if m.channel is Channel.customer_service]
    found: dict[tuple[str, str], list[MessageWindow]] = defaultdict(list)
    if chats:
        held = (
            select(MessageWindow)
            .where(
                MessageWindow.appid.in_({message.appid for message in chats}),
                MessageWindow.openid.in_({message.openid for message in chats}),
                windows.is_open_clause(now),
            )
            .order_by(MessageWindow.appid, MessageWindow.openid)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        for window in session.scalars(held):
            found[window.appid, window.openid].append(window)
    for row in found.values():
        row.sort(key=lambda window: window.expires_at)
    return found


def _take(
    found: Sequence[MessageWindow], taken: Counter[int], message: OutboundMessage
) -> list[int]:
    """The windows that this message, and the card after it, come out of."""
    most = 2 if "card" in message.payload else 1
    places = [
        window.id
        for window in found
        for _ in range(min(most, (window.remaining or 0) - taken[window.id]))
    ]
    return places[:most]


def _grants(
    session: Session, messages: Iterable[OutboundMessage]
) -> dict[tuple[str, str, str], SubscribeGrant]:
    asked = [m for m in messages if m.channel is Channel.subscribe]
    if not asked:
        return {}
    held = (
        select(SubscribeGrant)
        .where(
            SubscribeGrant.appid.in_({message.appid for message in asked}),
            SubscribeGrant.openid.in_({message.openid for message in asked}),
            SubscribeGrant.template_id.in_({message.payload["template_id"] for message in asked}),
            SubscribeGrant.remaining > 0,
        )
        .order_by(SubscribeGrant.appid, SubscribeGrant.openid)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {(g.appid, g.openid, g.template_id): g for g in session.scalars(held)}


def _spend(session: Session, taken: Counter[int], used: Counter[int], now: datetime) -> None:
    for number, ids in _by_number(taken):
        less = update(MessageWindow).where(MessageWindow.id.in_(ids))
        claim(session, less.values(remaining=MessageWindow.remaining - number))
    for number, ids in _by_number(used):
        fewer = update(SubscribeGrant).where(SubscribeGrant.id.in_(ids))
        left = SubscribeGrant.remaining - number
        claim(session, fewer.values(remaining=left, updated_at=now))


def _return(session: Session, back: Sequence[Ready], now: datetime) -> None:
    returned = Counter(id_ for each in back for id_ in each.window_ids)
    unused = Counter(each.grant_id for each in back if each.grant_id is not None)
    for number, ids in _by_number(returned):
        more = update(MessageWindow).where(MessageWindow.id.in_(ids))
        claim(session, more.values(remaining=MessageWindow.remaining + number))
    for number, ids in _by_number(unused):
        again = update(SubscribeGrant).where(SubscribeGrant.id.in_(ids))
        left = SubscribeGrant.remaining + number
        claim(session, again.values(remaining=left, updated_at=now))


def _by_number(counts: Counter[int]) -> list[tuple[int, list[int]]]:
    return [
        (number, sorted(id_ for id_, each in counts.items() if each == number))
        for number in sorted(set(counts.values()))
    ]


def _start(session: Session, ids: Sequence[int], now: datetime) -> None:
    starting = update(OutboundMessage).where(OutboundMessage.id.in_(ids))
    values = {"state": OutboundState.sending, "first_sent_at": now, "changed_at": now}
    claim(session, starting.values(**values))


def _log(session: Session, sent: Sequence[Ready], now: datetime) -> None:
    lines = [
        {
            "appid": each.message.appid,
            "openid": each.message.openid,
            "direction": Direction.outbound,
            "kind": each.message.channel.value,
            "text": remote.words_of(each.message.payload),
            "reply_key": None,
            "at": now,
        }
        for each in sent
    ]
    chat.log(session, lines)
