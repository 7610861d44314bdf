"""From a broadcast that was looked at to the requests that will carry it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, func, insert, literal, null, select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from core.outbox import enqueue
from gateways.wechat.mass import FEWEST, MOST
from messaging.broadcasts import quotas
from messaging.broadcasts.drafting import NO_ACCOUNT, may_use
from messaging.broadcasts.errors import BroadcastInvalid, BroadcastMoved
from messaging.broadcasts.models import (
    Audience,
    Broadcast,
    BroadcastRecipient,
    BroadcastState,
    MassSend,
    MassState,
)
from messaging.broadcasts.moving import move
from messaging.models import Follower

SLICE = 1_000
SPENT, ALONE = "broadcast_spent", "broadcast_alone"


def launch(session: Session, broadcast: Broadcast, *, actor: str, now: datetime) -> None:
    """previewed → gathering: a job writes down who gets it. Raises BroadcastMoved, and
    BroadcastInvalid when the account is not, or no longer, the merchant's own."""
    if not may_use(session, broadcast.merchant_id, broadcast.appid):
        raise BroadcastInvalid(errors={"appid": NO_ACCOUNT})
    move(session, broadcast, BroadcastState.gathering, actor=actor, now=now, started_at=now)
    enqueue(session, "messaging.broadcast_gather", broadcast_id=broadcast.id)


def stop(session: Session, broadcast: Broadcast, *, actor: str, now: datetime) -> None:
    """While people are still being gathered; what WeChat has cannot be called back. A job gives
    back what was taken of them."""
    if broadcast.state is not BroadcastState.gathering:
        raise BroadcastMoved
    move(session, broadcast, BroadcastState.stopped, actor=actor, now=now, finished_at=now)
    enqueue(session, "crm.broadcast_over", broadcast_id=broadcast.id)


def hold(session: Session, broadcast_id: int) -> Broadcast | None:
    """A broadcast that is still being gathered, held until the end of the transaction: one slice
    at a time, and none after it was stopped."""
    broadcast = session.get_one(
        Broadcast, broadcast_id, populate_existing=True, with_for_update=True
    )
    return broadcast if broadcast.state is BroadcastState.gathering else None


def give_back_spent(session: Session, broadcast: Broadcast, *, limit: int = SLICE) -> list[str]:
    """The next people of a stopped broadcast have theirs again; their openids."""
    found = session.execute(
        select(BroadcastRecipient.id, BroadcastRecipient.openid)
        .where(
            BroadcastRecipient.broadcast_id == broadcast.id,
            BroadcastRecipient.spent.is_(True),
            BroadcastRecipient.mass_send_id.is_(None),
        )
        .order_by(BroadcastRecipient.id)
        .limit(limit)
        .with_for_update()
    ).all()
    openids = [row.openid for row in found]
    taken_at = broadcast.started_at or broadcast.created_at
    quotas.return_to(session, broadcast.appid, openids, now=taken_at)
    _mark(session, [row.id for row in found], spent=False)
    return openids


def list_asked(session: Session, mass_id: int, after: int, *, limit: int = SLICE) -> dict[int, str]:
    """The next people of a request: row → openid."""
    found = (
        select(BroadcastRecipient.id, BroadcastRecipient.openid)
        .where(BroadcastRecipient.mass_send_id == mass_id, BroadcastRecipient.id > after)
        .order_by(BroadcastRecipient.id)
        .limit(limit)
    )
    return dict(session.execute(found).all())


def address_followers(session: Session, broadcast: Broadcast) -> None:
    """Everybody who follows the account now: for a broadcast to all."""
    people = select(literal(broadcast.id), Follower.openid, literal(False), null()).where(
        Follower.appid == broadcast.appid, Follower.subscribed.is_(True)
    )
    columns = ["broadcast_id", "openid", "spent", "skip_reason"]
    session.execute(insert(BroadcastRecipient).from_select(columns, people, include_defaults=False))


def address(
    session: Session, broadcast_id: int, openids: Sequence[str], *, spent: bool = False
) -> None:
    """These too; who is there already stays once."""
    row = {"broadcast_id": broadcast_id, "spent": spent, "skip_reason": None}
    insert_ignore(session, BroadcastRecipient, [{**row, "openid": each} for each in openids])


def next_slice(
    session: Session, broadcast: Broadcast, after: int, *, limit: int = SLICE
) -> dict[int, str]:
    """The next people that nothing was decided for: row → openid."""
    found = (
        select(BroadcastRecipient.id, BroadcastRecipient.openid)
        .where(
            BroadcastRecipient.broadcast_id == broadcast.id,
            BroadcastRecipient.spent.is_(False),
            BroadcastRecipient.skip_reason.is_(None),
            BroadcastRecipient.id > after,
        )
        .order_by(BroadcastRecipient.id)
        .limit(limit)
    )
    return dict(session.execute(found).all())


def spend(
    session: Session,
    broadcast: Broadcast,
    people: dict[int, str],
    refused: dict[str, str],
    *,
    now: datetime,
    keep: int = 0,
) -> list[str]:
    """Take one broadcast of each who has more than `keep`; the openids of those who have not.

    `refused`: openid → why not to ask. To all, WeChat addresses by itself: nobody is skipped.
    """
    wanted = [openid for openid in people.values() if openid not in refused]
    taken = quotas.spend(session, broadcast.appid, wanted, now=now, keep=keep)
    _mark(session, [row for row, openid in people.items() if openid in taken], spent=True)
    if broadcast.audience is Audience.all:
        return []
    reasons = {openid: refused.get(openid, SPENT) for openid in people.values()}
    for reason in set(reasons.values()):
        left = [
            row
            for row, openid in people.items()
            if openid not in taken and reasons[openid] == reason
        ]
        _mark(session, left, skip_reason=reason)
    return [openid for openid in wanted if openid not in taken]


def cut(session: Session, broadcast: Broadcast, *, now: datetime) -> list[int]:
    """gathering → sending: the requests, each with its people; their ids. None: failed.

    WeChat takes no list of one: a single person is skipped. To `all` is one request without a list.
    """
    mine = and_(
        BroadcastRecipient.broadcast_id == broadcast.id,
        BroadcastRecipient.skip_reason.is_(None),
    )
    by_name = broadcast.audience is not Audience.all
    ids = list(session.scalars(select(BroadcastRecipient.id).where(mine).order_by("id")))
    if by_name and 0 < len(ids) < FEWEST:
        _mark(session, ids, skip_reason=ALONE)
        _give_back_alone(session, broadcast, ids, now)
        ids = []
    if not ids and broadcast.audience is not Audience.all:
        move(
            session,
            broadcast,
            BroadcastState.failed,
            actor="system",
            now=now,
            reason="nobody",
            finished_at=now,
        )
        return []
    made: list[int] = []
    for number, part in enumerate(_parts(ids) if by_name else [ids]):
        mass = MassSend(
            broadcast_id=broadcast.id,
            number=number,
            appid=broadcast.appid,
            month=quotas.month_of(now),
            state=MassState.prepared,
            addressed=len(part),
            changed_at=now,
        )
        session.add(mass)
        session.flush()
        if part:
            assigned = update(BroadcastRecipient).where(
                mine, BroadcastRecipient.id.between(part[0], part[-1])
            )
            claim(session, assigned.values(mass_send_id=mass.id))
        made.append(mass.id)
    move(session, broadcast, BroadcastState.sending, actor="system", now=now)
    for mass_id in made:
        enqueue(session, "messaging.mass_send", mass_send_id=mass_id)
    return made


def count_addressed(session: Session, broadcast_id: int) -> dict[str, int]:
    """How many are addressed (""), and how many were skipped by reason."""
    rows = session.execute(
        select(BroadcastRecipient.skip_reason, func.count())
        .where(BroadcastRecipient.broadcast_id == broadcast_id)
        .group_by(BroadcastRecipient.skip_reason)
    )
    return {reason or "": number for reason, number in rows}


def _parts(ids: list[int]) -> list[list[int]]:
    """Lists of at most MOST; the last gives none away that would be alone."""
    parts = [ids[at : at + MOST] for at in range(0, len(ids), MOST)]
    if len(parts) > 1 and len(parts[-1]) < FEWEST:
        parts[-1].insert(0, parts[-2].pop())
    return parts


def _mark(session: Session, row_ids: Sequence[int], **values: object) -> None:
    for at in range(0, len(row_ids), SLICE):
        part = row_ids[at : at + SLICE]
        marking = update(BroadcastRecipient).where(BroadcastRecipient.id.in_(part))
        claim(session, marking.values(**values))


def _give_back_alone(session: Session, broadcast: Broadcast, ids: list[int], now: datetime) -> None:
    openids = session.scalars(
        select(BroadcastRecipient.openid).where(
            BroadcastRecipient.id.in_(ids), BroadcastRecipient.spent.is_(True)
        )
    ).all()
    quotas.return_to(session, broadcast.appid, openids, now=now)
    _mark(session, ids, spent=False)
