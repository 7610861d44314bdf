"""Waves: the parts of an audience that are written to at different times, each with its cursor.

A plain campaign has one. Variants with an hour of their own have one each; a person's own hour
makes up to twenty-four; and where a pilot shows the way, the others are a wave that comes later.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, extract, func, literal, select
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import Subquery

from core.clock import local
from core.outbox import enqueue
from crm.campaigns.variants import Variant, in_pilot
from crm.models import Campaign, CampaignWave, Member, Purchase

UTC_OFFSET = 8
"""The stores' hours are Shanghai's, which has no summer time."""
HABIT = timedelta(days=180)


@dataclass(frozen=True)
class Plan:
    """Which wave a member is in, as an expression; `hours` must be joined where it is not None."""

    wave_id: ColumnElement[Any]
    hours: Subquery | None = None


def plan(
    session: Session,
    campaign: Campaign,
    variants: Sequence[Variant],
    variant: ColumnElement[int],
    member_id: Any,
    *,
    now: datetime,
) -> Plan:
    """Write the waves down, and say who is in which."""
    hours = _habits(campaign.merchant_id, now) if campaign.best_hour else None
    first: ColumnElement[Any]
    if hours is not None:
        made = {hour: _add(session, campaign, next_at(hour, now)) for hour in range(24)}
        by_hour = [(hours.c.hour == hour, wave.id) for hour, wave in made.items()]
        first = case(*by_hour, else_=_add(session, campaign, now).id)
    else:
        dues = {v.no: now if v.send_hour is None else next_at(v.send_hour, now) for v in variants}
        ids = {due: _add(session, campaign, due).id for due in sorted(set(dues.values()))}
        others = [(variant == no, ids[due]) for no, due in dues.items() if no]
        first = case(*others, else_=ids[dues[0]]) if others else literal(ids[dues[0]])
    if campaign.winner_hours is None or len(variants) < 2:
        return Plan(first, hours)
    rest = _add(session, campaign, now + timedelta(hours=campaign.winner_hours), is_rest=True)
    pilot = in_pilot(member_id, seed=campaign.seed, share_bp=campaign.pilot_bp)
    return Plan(case((pilot, first), else_=rest.id), hours)


def next_at(hour: int, now: datetime) -> datetime:
    """The next time that it is `hour` o'clock at the store; within that hour: now."""
    here = local(now)
    if here.hour == hour:
        return now
    at = here.replace(hour=hour, minute=0, second=0, microsecond=0)
    return at if at > here else at + timedelta(days=1)


def list_open(session: Session, campaign_id: int) -> list[CampaignWave]:
    """Waves with people left, the earliest first."""
    found = select(CampaignWave).where(
        CampaignWave.campaign_id == campaign_id, CampaignWave.issued_all.is_(False)
    )
    return list(session.scalars(found.order_by(CampaignWave.due_at, CampaignWave.id)))


def queue(
    session: Session,
    wave: CampaignWave,
    *,
    key: str,
    now: datetime,
    run_at: datetime | None = None,
) -> None:
    """Begin, or go on, at the wave's cursor: at `run_at`, or as soon as the wave is due."""
    later = run_at or (wave.due_at if wave.due_at > now else None)
    args = {"campaign_id": wave.campaign_id, "wave_id": wave.id}
    enqueue(session, "crm.campaign_batch", run_at=later, key=key, **args)


def _add(
    session: Session, campaign: Campaign, due_at: datetime, *, is_rest: bool = False
) -> CampaignWave:
    wave = CampaignWave(campaign_id=campaign.id, due_at=due_at, is_rest=is_rest)
    session.add(wave)
    session.flush()
    return wave


def _habits(merchant_id: int, now: datetime) -> Subquery:
    """Each member's most frequent hour of buying in the last half year; the earlier of equals."""
    hour = ((extract("hour", Purchase.paid_at) + UTC_OFFSET) % 24).label("hour")
    counted = (
        select(Purchase.member_id, hour, func.count().label("times"))
        .join(Member, Member.id == Purchase.member_id)
        .where(Member.merchant_id == merchant_id, Purchase.paid_at > now - HABIT)
        .group_by(Purchase.member_id, hour)
        .subquery()
    )
    place = (
        func.row_number()
        .over(partition_by=counted.c.member_id, order_by=(counted.c.times.desc(), counted.c.hour))
        .label("place")
    )
    ranked = select(counted.c.member_id, counted.c.hour, place).subquery()
    return select(ranked.c.member_id, ranked.c.hour).where(ranked.c.place == 1).subquery()
