"""What pages ask about broadcasts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from messaging.broadcasts.errors import BroadcastNotFound
from messaging.broadcasts.models import (
    Broadcast,
    BroadcastState,
    MassSend,
    MassState,
)
from messaging.broadcasts.moving import RECOGNISED
from messaging.models import AccountTag

SETTLING = timedelta(minutes=2)
GATHERED = timedelta(minutes=30)
LYING = timedelta(minutes=15)
"""Longer than WeChat's quota puts a request off, so that only one that no job is after is meant."""


@dataclass(frozen=True)
class Result:
    """Totals over the requests of a broadcast; `sent` and `errors` are WeChat's, None untold."""

    addressed: int
    sent: int | None
    errors: int | None
    requests: int
    waiting: int
    statuses: tuple[str, ...]
    taken_back: int = 0
    kept: tuple[int, ...] = ()
    """WeChat's words where it would not take an article back."""


def get_broadcast(session: Session, merchant_id: int, broadcast_id: int) -> Broadcast:
    found = session.get(Broadcast, broadcast_id)
    if found is None or found.merchant_id != merchant_id:
        raise BroadcastNotFound
    return found


def list_broadcasts(
    session: Session,
    merchant_id: int,
    *,
    appid: str,
    before_id: int | None = None,
    limit: int = 30,
) -> list[Broadcast]:
    """Of an account, the newest first; those of campaigns are told in the campaign."""
    query = select(Broadcast).where(
        Broadcast.merchant_id == merchant_id,
        Broadcast.appid == appid,
        Broadcast.campaign_id.is_(None),
    )
    if before_id is not None:
        query = query.where(Broadcast.id < before_id)
    return list(session.scalars(query.order_by(Broadcast.id.desc()).limit(limit)))


def list_tags(session: Session, appid: str) -> list[tuple[int, str]]:
    """WeChat's tags that we know of, as (id, name)."""
    found = select(AccountTag.tag_id, AccountTag.name).where(AccountTag.appid == appid)
    return [(tag_id, name) for tag_id, name in session.execute(found.order_by(AccountTag.name))]


def results_of(session: Session, broadcast_ids: Sequence[int]) -> dict[int, Result]:
    """Of each broadcast that has requests, in one query."""
    parts: dict[int, list[MassSend]] = {}
    found = select(MassSend).where(MassSend.broadcast_id.in_(broadcast_ids)).order_by(MassSend.id)
    for mass in session.scalars(found):
        parts.setdefault(mass.broadcast_id, []).append(mass)
    return {broadcast_id: _sum(sends) for broadcast_id, sends in parts.items()}


def list_to_ask_again(session: Session, *, now: datetime, limit: int = 50) -> list[int]:
    """Requests of unknown outcome that WeChat would recognise, and those that were left lying."""
    unknown = and_(
        MassSend.state == MassState.unknown,
        MassSend.changed_at < now - SETTLING,
        MassSend.first_sent_at > now - RECOGNISED,
    )
    lying = and_(
        MassSend.state == MassState.prepared,
        MassSend.changed_at < now - LYING,
        Broadcast.state == BroadcastState.sending,  # those of a list still being drawn up wait
    )
    joined = select(MassSend.id).join(Broadcast, Broadcast.id == MassSend.broadcast_id)
    found = joined.where(or_(unknown, lying))
    return list(session.scalars(found.order_by(MassSend.id).limit(limit)))


def list_stuck(session: Session, *, now: datetime) -> list[int]:
    """Broadcasts whose gathering has not come to an end: it may begin again at any time."""
    found = select(Broadcast.id).where(
        Broadcast.state == BroadcastState.gathering,
        Broadcast.started_at < now - GATHERED,
    )
    return list(session.scalars(found))


def list_cut_off(session: Session, *, now: datetime) -> list[int]:
    """Requests that a dead worker left in the middle of the call."""
    return list(
        session.scalars(
            select(MassSend.id).where(
                MassSend.state == MassState.sending, MassSend.changed_at < now - SETTLING
            )
        )
    )


def list_given_up(session: Session, *, now: datetime) -> list[MassSend]:
    """Requests of which nobody will ever know, and that somebody still waits for."""
    found = (
        select(MassSend)
        .join(Broadcast, Broadcast.id == MassSend.broadcast_id)
        .where(
            Broadcast.state == BroadcastState.sending,
            MassSend.state == MassState.unknown,
            MassSend.first_sent_at <= now - RECOGNISED,
        )
    )
    return list(session.scalars(found))


def _sum(sends: list[MassSend]) -> Result:
    told = [mass for mass in sends if mass.sent_count is not None]
    return Result(
        addressed=sum(mass.addressed for mass in sends),
        sent=sum(mass.sent_count or 0 for mass in told) if told else None,
        errors=sum(mass.error_count or 0 for mass in told) if told else None,
        requests=len(sends),
        waiting=sum(mass.state not in (MassState.finished, MassState.failed) for mass in sends),
        statuses=tuple(mass.status for mass in sends if mass.state is MassState.failed),
        taken_back=sum(mass.taken_back_at is not None for mass in sends),
        kept=tuple(mass.kept_errcode for mass in sends if mass.kept_errcode is not None),
    )
