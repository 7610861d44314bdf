"""From the people of a broadcast to the requests that carry it, ten thousand at a time.

Each piece is a transaction that holds the broadcast: who dies in between leaves requests that
nobody sends, because the broadcast is still being gathered, and whoever begins again goes on.
"""

from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.database import claim
from core.outbox import enqueue
from core.rows import all_moved
from gateways.wechat.mass import FEWEST, MOST
from messaging.broadcasts import quotas
from messaging.broadcasts.launching import mark
from messaging.broadcasts.models import (
    Audience,
    Broadcast,
    BroadcastRecipient,
    BroadcastState,
    MassSend,
    MassState,
)
from messaging.broadcasts.moving import move, move_mass, settled

ALONE = "broadcast_alone"


def cut(session: Session, broadcast: Broadcast, *, now: datetime) -> list[int]:
    """All of it in this transaction, for those who have few; the requests. None: failed."""
    after: int | None = 0
    while after is not None:
        after = cut_next(session, broadcast, after, now=now)
    return send_off(session, broadcast, now=now)


def cut_next(session: Session, broadcast: Broadcast, after: int, *, now: datetime) -> int | None:
    """The next people get their request; the last of them, None: everybody has one.

    The caller holds the broadcast. WeChat takes no list of one: none is left over, and a single
    person is skipped. To `all` is one request without a list.
    """
    to_all = broadcast.audience is Audience.all
    ids = _list_uncut(session, broadcast, after)
    if not ids:
        return None
    if len(ids) < FEWEST and not to_all:
        _skip(session, broadcast, ids, now)
        return ids[-1]
    part = ids[:MOST]
    if len(ids) == MOST + 1 and not to_all:  # the rest would be alone
        part = ids[: MOST - 1]
    mass = _find_prepared(session, broadcast) if to_all else None
    mass = mass or _prepare(session, broadcast, now)
    mass.addressed += len(part)
    session.flush()
    assigned = update(BroadcastRecipient).where(
        BroadcastRecipient.broadcast_id == broadcast.id,
        BroadcastRecipient.skip_reason.is_(None),
        BroadcastRecipient.mass_send_id.is_(None),
        BroadcastRecipient.id.between(part[0], part[-1]),
    )
    moved = claim(session, assigned.values(mass_send_id=mass.id))
    all_moved(BroadcastRecipient, moved, len(part))
    return part[-1]


def send_off(session: Session, broadcast: Broadcast, *, now: datetime) -> list[int]:
    """gathering → sending: a job for each request; none: failed, there is nobody."""
    if broadcast.audience is Audience.all and _find_prepared(session, broadcast) is None:
        _prepare(session, broadcast, now)
        session.flush()
    mine = select(MassSend.id).where(MassSend.broadcast_id == broadcast.id)
    made = list(session.scalars(mine.order_by(MassSend.id)))
    if not made:
        nobody = {"reason": "nobody", "finished_at": now}
        move(session, broadcast, BroadcastState.failed, actor="system", now=now, **nobody)
        return []
    move(session, broadcast, BroadcastState.sending, actor="system", now=now)
    for mass_id in made:
        enqueue(session, "messaging.mass_send", mass_send_id=mass_id)
    return made


def take_out(
    session: Session, mass: MassSend, people: dict[int, str], reason: str, *, now: datetime
) -> None:
    """Of a request that was never asked for (row → openid): they have their broadcast again."""
    rows = list(people)
    quotas.return_to(session, mass.appid, list(people.values()), now=now)
    mark(session, rows, mass_send_id=None, skip_reason=reason, spent=False)
    fewer = update(MassSend).where(MassSend.id == mass.id, MassSend.state == MassState.prepared)
    all_moved(MassSend, claim(session, fewer.values(addressed=MassSend.addressed - len(rows))), 1)


def call_off(session: Session, mass: MassSend, *, now: datetime) -> None:
    """Nobody, or a single person, is left of it: WeChat would not take it."""
    if move_mass(session, mass.id, MassState.failed, now=now, status=ALONE):
        quotas.give_back(session, mass)
        settled(session, mass, now=now)


def _list_uncut(session: Session, broadcast: Broadcast, after: int) -> list[int]:
    """One more than a request takes, and another: whether the rest would be one is seen."""
    found = (
        select(BroadcastRecipient.id)
        .where(
            BroadcastRecipient.broadcast_id == broadcast.id,
            BroadcastRecipient.skip_reason.is_(None),
            BroadcastRecipient.mass_send_id.is_(None),
            BroadcastRecipient.id > after,
        )
        .order_by(BroadcastRecipient.id)
        .limit(MOST + FEWEST)
    )
    return list(session.scalars(found))


def _find_prepared(session: Session, broadcast: Broadcast) -> MassSend | None:
    return session.scalar(select(MassSend).where(MassSend.broadcast_id == broadcast.id).limit(1))


def _prepare(session: Session, broadcast: Broadcast, now: datetime) -> MassSend:
    before = select(func.count()).where(MassSend.broadcast_id == broadcast.id)
    mass = MassSend(
        broadcast_id=broadcast.id,
        number=session.scalar(before) or 0,
        appid=broadcast.appid,
        month=quotas.month_of(now),
        state=MassState.prepared,
        addressed=0,
        changed_at=now,
    )
    session.add(mass)
    session.flush()
    return mass


def _skip(session: Session, broadcast: Broadcast, ids: list[int], now: datetime) -> None:
    """Somebody is alone: they have their broadcast again."""
    mark(session, ids, skip_reason=ALONE)
    openids = session.scalars(
        select(BroadcastRecipient.openid).where(
            BroadcastRecipient.id.in_(ids), BroadcastRecipient.spent.is_(True)
        )
    ).all()
    quotas.return_to(session, broadcast.appid, openids, now=now)
    mark(session, ids, spent=False)
