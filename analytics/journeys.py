"""What a journey brought: those it let in against those it left alone, as campaigns are compared.

Everybody is looked at for thirty days from when they came in, whatever the journey managed to send
them; of both groups alike. Who stood in both groups, since the share of the hold-out was changed,
says nothing and is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, and_, delete, func, literal, select
from sqlalchemy.orm import Session

from analytics import profit, spending
from analytics.lift import Group, Lift, compare
from analytics.measuring import FRESH, HOLDOUT, REACH, SMALL, Part
from analytics.models import JourneyMeasure
from analytics.sums import NOTHING, Sums, known_share
from core.database import claim, insert_ignore
from core.moments import days_after
from crm.models import Journey, JourneyCount, JourneyRun, JourneyState, RunArm

WINDOW = timedelta(days=30)


@dataclass(frozen=True)
class Effect:
    """`profit` None: the merchant has said neither a margin nor what all of the goods cost."""

    parts: dict[str, Part]
    at: datetime
    revenue: Lift
    profit: Lift | None
    margin_bp: int | None
    known: float

    def part(self, name: str) -> Part:
        return self.parts.get(name, Part())

    @property
    def reached(self) -> Group:
        return self.part(REACH).revenue

    @property
    def held(self) -> Group:
        return self.part(HOLDOUT).revenue


def effect(session: Session, journey: Journey, now: datetime) -> Effect | None:
    """As the job kept it, or counted here where few came in; None: nobody came in, or the job has
    not counted yet."""
    found = _read(session, journey.id)
    stale = found is None or now - found[1] >= FRESH
    if stale and _came_in(session, journey.id) <= SMALL:
        found = measure(session, journey), now
    if found is None or not any(part.people for part in found[0].values()):
        return None
    parts, at = found
    reached, held = parts.get(REACH, Part()), parts.get(HOLDOUT, Part())
    said = profit.find(session, journey.merchant_id)
    known = known_share([reached.sums, held.sums])
    kept = None
    if said is not None or known == 1:
        margin_bp = said.margin_bp if said else 0
        kept = compare(reached.profit(margin_bp), held.profit(margin_bp))
    revenue = compare(reached.revenue, held.revenue)
    return Effect(parts, at, revenue, kept, said.margin_bp if said else None, known)


def measure(session: Session, journey: Journey) -> dict[str, Part]:
    """Count both groups anew."""
    clean = _clean(journey.id).subquery()
    people = session.execute(select(clean.c.arm, func.count()).group_by(clean.c.arm))
    whom = (
        select(
            JourneyRun.arm.label("arm"),
            literal(0).label("variant"),
            JourneyRun.member_id.label("member_id"),
            JourneyRun.entered_at.label("since"),
            days_after(JourneyRun.entered_at.expression, WINDOW.days).label("until"),
        )
        .join(clean, clean.c.member_id == JourneyRun.member_id)
        .where(JourneyRun.journey_id == journey.id, JourneyRun.arm != RunArm.test)
        .subquery()
    )
    spent = spending.by_part(session, whom)
    parts = {}
    for arm, number in people:
        name = RunArm(arm).value
        buyers, sums = spent.get((name, 0), (0, NOTHING))
        parts[name] = Part(number, buyers, sums)
    return parts


def keep(session: Session, journey: Journey, parts: dict[str, Part], now: datetime) -> None:
    """Write down what was measured, in place of what was before."""
    claim(session, delete(JourneyMeasure).where(JourneyMeasure.journey_id == journey.id))
    rows = [
        {
            "journey_id": journey.id,
            "part": name,
            "people": part.people,
            "buyers": part.buyers,
            "sums": part.sums.to_list(),
            "measured_at": now,
        }
        for name, part in sorted(parts.items())
    ]
    insert_ignore(session, JourneyMeasure, rows)


def list_due(session: Session, now: datetime) -> list[int]:
    """Journeys with too many people to be counted while a page waits, not counted lately."""
    lately = select(JourneyMeasure.journey_id).where(JourneyMeasure.measured_at > now - FRESH)
    found = (
        select(Journey.id)
        .join(JourneyCount, and_(JourneyCount.journey_id == Journey.id, JourneyCount.node == ""))
        .where(
            Journey.state.in_((JourneyState.live, JourneyState.paused)),
            JourneyCount.outcome.in_(("entered", "held_out")),
            Journey.id.not_in(lately),
        )
        .group_by(Journey.id)
        .having(func.sum(JourneyCount.number) > SMALL)
    )
    return list(session.scalars(found.order_by(Journey.id)))


def _clean(journey_id: int) -> Select[int, RunArm]:
    """Each person with the one group they have always been in."""
    mine = (JourneyRun.journey_id == journey_id, JourneyRun.arm != RunArm.test)
    return (
        select(JourneyRun.member_id, func.min(JourneyRun.arm).label("arm"))
        .where(*mine)
        .group_by(JourneyRun.member_id)
        .having(func.min(JourneyRun.arm) == func.max(JourneyRun.arm))
    )


def _read(session: Session, journey_id: int) -> tuple[dict[str, Part], datetime] | None:
    rows: Sequence[JourneyMeasure] = session.scalars(
        select(JourneyMeasure).where(JourneyMeasure.journey_id == journey_id)
    ).all()
    if not rows:
        return None
    parts = {row.part: Part(row.people, row.buyers, Sums(*row.sums)) for row in rows}
    return parts, rows[0].measured_at


def _came_in(session: Session, journey_id: int) -> int:
    counted = select(func.coalesce(func.sum(JourneyCount.number), 0)).where(
        JourneyCount.journey_id == journey_id,
        JourneyCount.node == "",
        JourneyCount.outcome.in_(("entered", "held_out")),
    )
    return int(session.scalar(counted) or 0)
