"""A member's lots: locked with the member, filled, and emptied the next to lapse first."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from core import rows, statements
from core.clock import SHANGHAI, local
from core.database import claim, insert_ignore
from core.errors import Conflict
from crm import tiers
from crm.models import EntryKind, Expiry, LotState, Loyalty, Member, PointEntry, PointLot
from crm.tiers import Programme

Parts = list[list[int]]
"""[[lot, points], …]"""


class NotEnoughPoints(Conflict):
    """`points`: what the member has."""

    code = "not_enough_points"
    title = "积分不够"


class Held(NamedTuple):
    """A member's row that is ours until the end of the transaction.

    `rules`: the revision of the merchant's programme, which is not locked.
    """

    id: int
    merged_into_id: int | None
    merchant_id: int
    tier: str
    points: int
    spent_fen: int
    refunded_fen: int
    rules: str | None


_MEMBERS, _RULES = rows.table_of(Member).c, rows.table_of(Loyalty).c
_HOLD = (
    select(*(_MEMBERS[name] for name in Held._fields[:-1]))
    .add_columns(
        select(_RULES.revision)
        .where(_RULES.merchant_id == _MEMBERS.merchant_id)
        .scalar_subquery()
        .label("rules")
    )
    .where(_MEMBERS.id == bindparam("member_id"))
    .with_for_update()
)


def hold(session: Session, member_id: int) -> Held:
    """Lock the member's row before rows that point at it are inserted; what it says by then.

    An insert takes a shared lock on the row it points at; two transactions that then want to
    update that row wait for each other for ever.
    """
    (held,) = statements.fetch(session, Held, _HOLD, {"member_id": member_id})
    return held


def hold_living(session: Session, member_id: int) -> Held:
    """The same, of the member it was merged into while we waited."""
    held = hold(session, member_id)
    while held.merged_into_id is not None:
        held = hold(session, held.merged_into_id)
    return held


def grant(
    session: Session,
    member_id: int,
    points: int,
    *,
    kind: EntryKind = EntryKind.granted,
    cause: str,
    reason: str = "",
    expires_at: datetime | None = None,
    now: datetime,
) -> bool:
    """Points that no order earned, to spend at once; what is owed is paid first. They lapse at
    `expires_at`, else by the shop's rules.

    False when `cause` was booked before, and nothing changes.
    """
    held = hold_living(session, member_id)
    entry = {"member_id": held.id, "lot_id": None, "kind": kind, "points": points, "pending": 0}
    if insert_ignore(session, PointEntry, [entry | _why(cause, reason, now)]) == 0:
        return False
    free = points - min(points, max(-held.points, 0))
    if free:
        programme = tiers.of_revision(session, held.merchant_id, held.rules)
        lot = {
            "member_id": held.id,
            "earned": free,
            "points": free,
            "state": LotState.available,
            "earned_at": now,
            "available_at": now,
            "expires_at": expires_at or lapses(programme, now),
        }
        rows.add(session, PointLot, lot)
    balance(session, held.id, points)
    return True


def take(
    session: Session,
    member_id: int,
    points: int,
    *,
    kind: EntryKind,
    cause: str,
    reason: str = "",
    now: datetime,
) -> Parts | None:
    """Points out of the member's lots; from which, or None when `cause` was booked before.

    Raises NotEnoughPoints, and nothing changes.
    """
    held = hold_living(session, member_id)
    if held.points < points:
        raise NotEnoughPoints(f"积分不够，还有 {max(held.points, 0)} 分", points=held.points)
    entry = {"member_id": held.id, "lot_id": None, "kind": kind, "points": -points, "pending": 0}
    if insert_ignore(session, PointEntry, [entry | _why(cause, reason, now)]) == 0:
        return None
    parts = empty(session, held.id, points)
    if sum(part for _, part in parts) != points:
        raise rows.NotMoved(f"lots of member {held.id} do not hold its {held.points} points")
    balance(session, held.id, -points)
    return parts


def empty(session: Session, member_id: int, points: int, *, to: LotState = LotState.spent) -> Parts:
    """Take up to `points` out of the available lots of a member that is held, the next to lapse
    first; a lot that is empty is `to`."""
    lots = session.execute(
        select(PointLot.id, PointLot.points)
        .where(
            PointLot.member_id == member_id,
            PointLot.state == LotState.available,
            PointLot.points > 0,
        )
        .order_by(PointLot.expires_at.is_(None), PointLot.expires_at, PointLot.id)
        .with_for_update()
    )
    parts: Parts = []
    for id_, left in lots:
        part = min(left, points)
        if part == 0:
            break
        parts.append([id_, part])
        points -= part
        values: dict[str, Any] = {"points": left - part}
        if part == left:
            values["state"] = to
        rows.must_move(session, PointLot, {"id": id_, "points": left}, values)
    return parts


def refill(
    session: Session, member_id: int, parts: Sequence[Sequence[int]], *, now: datetime
) -> None:
    """Put points back where they were taken; what would lapse within a week gets a week."""
    soonest = now + timedelta(days=7)
    for id_, part in parts:
        back = claim(
            session,
            update(PointLot)
            .where(
                PointLot.id == id_,
                PointLot.member_id == member_id,
                PointLot.state.in_((LotState.available, LotState.spent)),
                PointLot.points + part <= PointLot.earned,
                PointLot.expires_at.is_(None) | (PointLot.expires_at > soonest),
            )
            .values(points=PointLot.points + part, state=LotState.available),
        )
        if back == 0:
            lot = {
                "member_id": member_id,
                "earned": part,
                "points": part,
                "state": LotState.available,
                "earned_at": now,
                "available_at": now,
                "expires_at": soonest,
            }
            rows.add(session, PointLot, lot)


def balance(session: Session, member_id: int, points: int, pending: int = 0) -> None:
    """Move the snapshot by what the ledger was moved by."""
    claim(
        session,
        update(Member)
        .where(Member.id == member_id)
        .values(points=Member.points + points, points_pending=Member.points_pending + pending),
    )
    rows.reread(session, Member, member_id)


def lapses(programme: Programme, at: datetime) -> datetime | None:
    """When points that can be spent from `at` on lapse: the end of a day in the shop's zone."""
    here = local(at)
    if programme.expiry is Expiry.never:
        return None
    if programme.expiry is Expiry.months:
        month = here.month - 1 + programme.expiry_months
        return _end_of(here.year + month // 12, month % 12 + 1, here.day)
    return _end_of(here.year + 1, programme.expiry_month, programme.expiry_day)


def _end_of(year: int, month: int, day: int) -> datetime:
    """The first moment after a day; the 31st of a shorter month is its last."""
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=ZoneInfo(SHANGHAI))
    last = (following - timedelta(days=1)).day
    start = datetime(year, month, min(day, last), tzinfo=ZoneInfo(SHANGHAI))
    return (start + timedelta(days=1)).astimezone(UTC)


def _why(cause: str, reason: str, now: datetime) -> dict[str, Any]:
    return {"cause": cause, "reason": reason, "at": now}
