"""From a broadcast that was looked at to the requests that will carry it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from core.outbox import enqueue
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
    cut = update(MassSend).where(
        MassSend.broadcast_id == broadcast.id, MassSend.state == MassState.prepared
    )
    claim(session, cut.values(state=MassState.failed, changed_at=now))
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
        )
        .order_by(BroadcastRecipient.id)
        .limit(limit)
        .with_for_update()
    ).all()
    openids = [row.openid for row in found]
    taken_at = broadcast.started_at or broadcast.created_at
    quotas.return_to(session, broadcast.appid, openids, now=taken_at)
    mark(session, [row.id for row in found], spent=False)
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
    mark(session, [row for row, openid in people.items() if openid in taken], spent=True)
    if broadcast.audience is Audience.all:
        return []
    reasons = {openid: refused.get(openid, SPENT) for openid in people.values()}
    for reason in set(reasons.values()):
        left = [
            row
            for row, openid in people.items()
            if openid not in taken and reasons[openid] == reason
        ]
        mark(session, left, skip_reason=reason)
    return [openid for openid in wanted if openid not in taken]


def count_addressed(session: Session, broadcast_id: int) -> dict[str, int]:
    """How many are addressed (""), and how many were skipped by reason."""
    rows = session.execute(
        select(BroadcastRecipient.skip_reason, func.count())
        .where(BroadcastRecipient.broadcast_id == broadcast_id)
        .group_by(BroadcastRecipient.skip_reason)
    )
    return {reason or "": number for reason, number in rows}


def mark(session: Session, row_ids: Sequence[int], **values: object) -> None:
    for at in range(0, len(row_ids), SLICE):
        part = row_ids[at : at + SLICE]
        marking = update(BroadcastRecipient).where(BroadcastRecipient.id.in_(part))
        claim(session, marking.values(**values))
