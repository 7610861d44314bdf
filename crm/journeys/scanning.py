"""Triggers that nobody tells: who has not come for so long, whose coupon or birthday is near.

Each scan asks for the members who meet the trigger now and may come in, along the key of members
or coupons. The cause names the occasion (the last visit, the coupon, the year, the stay in a
segment), so asking every ten minutes lets nobody in twice for one.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Any

from sqlalchemy import and_, exists, extract, or_, select
from sqlalchemy.orm import Session

from core.clock import business_day
from coupons.models import Coupon, CouponState
from crm.journeys import entering
from crm.journeys.ending import CATCH
from crm.journeys.entering import Entrant
from crm.journeys.graph import SCANNED, Graph
from crm.models import (
    Journey,
    JourneyRun,
    JourneyState,
    JourneyVersion,
    Member,
    RunArm,
    SegmentMember,
)
from crm.segments.compiling import customers


def list_scanned(session: Session) -> list[int]:
    """Live journeys that look for their people."""
    found = select(Journey.id).where(
        Journey.state == JourneyState.live, Journey.trigger.in_(SCANNED)
    )
    return list(session.scalars(found.order_by(Journey.id)))


def scan(
    session: Session,
    journey_id: int,
    after_id: int,
    *,
    now: datetime,
    limit: int = entering.MOST_AT_ONCE,
) -> int:
    """Let in the next slice; the key it came to, or 0 at the end."""
    journey = session.get_one(Journey, journey_id, populate_existing=True)
    if journey.state is not JourneyState.live or journey.version_id is None:
        return 0
    version = session.get_one(JourneyVersion, journey.version_id)
    found = _candidates(session, journey, version.graph, after_id, now, limit)
    entrants = [entrant for _, entrant in found]
    if entrants:
        entering.enter(session, journey, version, entrants, now=now)
    return found[-1][0] if len(found) == limit else 0


Found = list[tuple[int, Entrant]]


def _candidates(
    session: Session, journey: Journey, graph: Graph, after_id: int, now: datetime, limit: int
) -> Found:
    admitted = entering.admitted(journey.id, graph, now)
    trigger = graph["trigger"]
    if trigger["kind"] == "expiring":
        return _expiring(session, journey, trigger, admitted, after_id, now, limit)
    if trigger["kind"] == "segment":
        return _entered(session, journey, trigger, admitted, after_id, now, limit)
    members = select(Member.id, Member.last_visit_at, Member.birthday).where(
        customers(journey.merchant_id), Member.id > after_id, admitted
    )
    match trigger["kind"]:
        case "inactive":
            long_ago = now - timedelta(days=trigger["days"])
            members = members.where(
                Member.last_visit_at <= long_ago, Member.last_visit_at > long_ago - CATCH
            )
        case "birthday":
            members = members.where(_born_on(_near(now, trigger["days"])))
    rows = session.execute(members.order_by(Member.id).limit(limit))
    return [
        (id_, Entrant(id_, _cause(trigger, visited, born, now), now)) for id_, visited, born in rows
    ]


def _cause(
    trigger: dict[str, Any], visited: datetime | None, born: date | None, now: datetime
) -> str:
    if trigger["kind"] == "inactive" and visited is not None:
        return f"visit:{int(visited.timestamp())}"
    return f"birthday:{business_day(now + timedelta(days=trigger['days'])).year}"


def _entered(
    session: Session,
    journey: Journey,
    trigger: dict[str, Any],
    admitted: Any,
    after_id: int,
    now: datetime,
    limit: int,
) -> Found:
    """Who came into the segment since the journey waits for it; with `already`, who is in it.

    A stay lets its member in once. Who came lately walks from the moment of that.
    """
    begins = _waits_since(session, journey, trigger)
    known = exists().where(
        JourneyRun.journey_id == journey.id,
        JourneyRun.member_id == SegmentMember.member_id,
        JourneyRun.arm != RunArm.test,
        JourneyRun.entered_at >= SegmentMember.entered_at,
    )
    stays = (
        select(Member.id, SegmentMember.entered_at)
        .join(SegmentMember, SegmentMember.member_id == Member.id)
        .where(
            SegmentMember.segment_id == trigger["segment_id"],
            SegmentMember.member_id > after_id,
            SegmentMember.left_at.is_(None),
            customers(journey.merchant_id),
            admitted,
            ~known,
        )
    )
    if not trigger.get("already"):
        since = max(begins, now - CATCH)
        stays = stays.where(SegmentMember.came.is_(True), SegmentMember.entered_at > since)
    found = session.execute(stays.order_by(SegmentMember.member_id).limit(limit))
    return [(id_, _of_stay(trigger, id_, at, begins, now)) for id_, at in found]


def _of_stay(
    trigger: dict[str, Any], member_id: int, at: datetime, begins: datetime, now: datetime
) -> Entrant:
    cause = f"segment:{trigger['segment_id']}:{int(at.timestamp() * 1_000_000)}"
    return Entrant(member_id, cause, at if at > begins else now)


def _waits_since(session: Session, journey: Journey, trigger: dict[str, Any]) -> datetime:
    """When the first of the latest versions with this very trigger was published."""
    versions = session.scalars(
        select(JourneyVersion)
        .where(JourneyVersion.journey_id == journey.id, JourneyVersion.published_at.is_not(None))
        .order_by(JourneyVersion.number.desc())
    )
    alike = takewhile(lambda version: version.graph["trigger"] == trigger, versions)
    return min(version.published_at for version in alike if version.published_at is not None)


def _expiring(
    session: Session,
    journey: Journey,
    trigger: dict[str, Any],
    admitted: Any,
    after_id: int,
    now: datetime,
    limit: int,
) -> Found:
    """The coupons by their key; the first of a member's that ends is the one it is about."""
    coupons = (
        select(Coupon.id, Member.id)
        .join(Member, Member.id == Coupon.member_id)
        .where(
            Coupon.state == CouponState.issued,
            Coupon.expires_at > now,
            Coupon.expires_at <= now + timedelta(days=trigger["days"]),
            Coupon.id > after_id,
            Member.merchant_id == journey.merchant_id,
            admitted,
        )
    )
    if trigger.get("template_id"):
        coupons = coupons.where(Coupon.template_id == trigger["template_id"])
    rows = session.execute(coupons.order_by(Coupon.id).limit(limit))
    return [
        (id_, Entrant(member_id, f"coupon:{id_}", now, coupon_id=id_)) for id_, member_id in rows
    ]


def _near(now: datetime, days: int) -> list[date]:
    """The day that is so many days ahead, and those before it that a scan may have missed."""
    far = business_day(now + timedelta(days=days))
    missed = min(days, CATCH.days - 1)
    return [far - timedelta(days=back) for back in range(missed + 1)]


def _born_on(days: Sequence[date]) -> Any:
    """Whose birthday is on one of these; who was born on a 29 February has it on the 28th."""
    month, day = extract("month", Member.birthday), extract("day", Member.birthday)
    wanted = {(each.month, each.day) for each in days}
    leap = any(each.month == 2 and each.day == 29 for each in days)
    if (2, 28) in wanted and not leap and not _is_leap(days[0].year):
        wanted.add((2, 29))
    return and_(
        Member.birthday.is_not(None),
        or_(*(and_(month == m, day == d) for m, d in sorted(wanted))),
    )


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
