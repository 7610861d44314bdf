"""Points for many members at once: a few statements for a slice of a campaign."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from crm import tiers
from crm.models import EntryKind, LotState, Member, PointEntry, PointLot
from crm.points.lots import grant, lapses


def grant_many(
    session: Session,
    member_ids: Sequence[int],
    points: int,
    *,
    cause: str,
    reason: str = "",
    now: datetime,
) -> int:
    """So many points for each, once ever for (`cause`, member); how many members were new.

    All are one merchant's. They are held in the order of their ids. What is owed is paid first.
    """
    wanted = sorted(set(member_ids))
    held = session.execute(
        select(Member.id, Member.merchant_id, Member.points, Member.merged_into_id)
        .where(Member.id.in_(wanted))
        .order_by(Member.id)
        .with_for_update()
    ).all()
    if not held:
        return 0
    programme = tiers.load(session, held[0].merchant_id)
    causes = {row.id: f"{cause}:{row.id}" for row in held}
    booked = set(
        session.scalars(select(PointEntry.cause).where(PointEntry.cause.in_(causes.values())))
    )
    fresh = [row for row in held if causes[row.id] not in booked]
    living = [row for row in fresh if row.merged_into_id is None]
    entries, lots = [], []
    for row in living:
        entry = {"member_id": row.id, "lot_id": None, "kind": EntryKind.granted}
        why = {"cause": causes[row.id], "reason": reason, "at": now}
        entries.append(entry | {"points": points, "pending": 0} | why)
        free = points - min(points, max(-row.points, 0))
        if free:
            lot = {"member_id": row.id, "earned": free, "points": free}
            dates = {"earned_at": now, "available_at": now, "expires_at": lapses(programme, now)}
            lots.append(lot | {"state": LotState.available} | dates)
    rows.add_all(session, PointEntry, entries)
    rows.add_all(session, PointLot, lots)
    ids = [row.id for row in living]
    given = update(Member).where(Member.id.in_(ids)).values(points=Member.points + points)
    rows.all_moved(Member, claim(session, given), len(ids))
    for row in fresh:  # merged while we waited for their row: theirs is the winner's
        if row.merged_into_id is not None:
            grant(session, row.id, points, cause=causes[row.id], reason=reason, now=now)
    return len(fresh)
