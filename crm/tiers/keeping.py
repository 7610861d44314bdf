"""By the clock and after a change of the rules: slices of members against what they have earned."""

from calendar import isleap
from datetime import date, datetime, timedelta

from sqlalchemy import extract, func, select, update
from sqlalchemy.orm import Session

from core.database import claim
from crm.models import Fall, Member
from crm.tiers.moving import move_many
from crm.tiers.programme import Programme, by_rank, load, worth

SLICE = 1_000


def review_due(session: Session, merchant_id: int, *, now: datetime, limit: int = SLICE) -> int:
    """Members whose tier has run its time, and its grace: kept for another term where it was
    earned again, else one step down or to what was earned. How many were looked at."""
    programme = load(session, merchant_id)
    over = now - timedelta(days=programme.grace_days)
    due = session.execute(
        select(Member.id, Member.tier, worth(programme, now).label("worth"))
        .where(
            Member.merchant_id == merchant_id,
            Member.merged_into_id.is_(None),
            Member.tier_until <= over,
        )
        .order_by(Member.id)
        .limit(limit)
        .with_for_update(of=Member, skip_locked=True)
    ).all()
    falls, kept = {}, []
    for id_, code, weight in due:
        held, earned = programme.of(code), programme.earned(int(weight))
        if earned.rank >= held.rank:
            kept.append(id_)
        else:
            one = programme.fall is Fall.one_step
            lower = max(earned, programme.below(code), key=by_rank) if one else earned
            falls[id_] = (code, lower.code)
    renewed = {"tier_until": programme.until(now)}
    claim(session, update(Member).where(Member.id.in_(kept)).values(renewed))
    move_many(session, falls, programme, reason="expired", now=now)
    return len(due)


def reweigh(
    session: Session, merchant_id: int, *, after_id: int, may_fall: bool, now: datetime,
    limit: int = SLICE,
) -> int:  # fmt: skip
    """After a change of the rules: the next slice moves to what it has earned, down only if the
    owner said so. The last id of the slice, or 0 at the end."""
    programme = load(session, merchant_id)
    found = session.execute(
        select(Member.id, Member.tier, worth(programme, now).label("worth"))
        .where(
            Member.merchant_id == merchant_id,
            Member.id > after_id,
            Member.merged_into_id.is_(None),
        )
        .order_by(Member.id)
        .limit(limit)
        .with_for_update(of=Member)
    ).all()
    moves = {}
    for id_, code, weight in found:
        held, earned = programme.of(code), programme.earned(int(weight))
        gone = held.code != code
        if earned.rank > held.rank or gone or (may_fall and earned.rank < held.rank):
            moves[id_] = (code, earned.code)
    move_many(session, moves, programme, reason="rules", now=now)
    _date(session, found, programme, now)
    return found[-1].id if len(found) == limit else 0


def _date(session: Session, found: object, programme: Programme, now: datetime) -> None:
    """Who has no term yet, or one that the new rules do not know, gets the new one."""
    ids = [row.id for row in found]  # type: ignore[attr-defined]
    wrong = Member.tier_until.is_(None) if programme.valid_days else Member.tier_until.is_not(None)
    term = update(Member).where(Member.id.in_(ids), wrong)
    claim(session, term.values(tier_until=programme.until(now)))


def birthday_templates(session: Session, merchant_id: int) -> dict[str, int]:
    """Which coupon each tier gives on a birthday."""
    steps = load(session, merchant_id).steps
    return {step.code: step.birthday_template_id for step in steps if step.birthday_template_id}


def list_birthdays(
    session: Session, merchant_id: int, tier: str, day: date, *, after_id: int, limit: int = SLICE
) -> list[int]:
    """Members of the tier who were born on this day of some year; on 28 February of a common year
    also those of the 29th."""
    days = [day.day]
    if (day.month, day.day) == (2, 28) and not isleap(day.year):
        days.append(29)
    return list(
        session.scalars(
            select(Member.id)
            .where(
                Member.merchant_id == merchant_id,
                Member.tier == tier,
                Member.id > after_id,
                Member.merged_into_id.is_(None),
                extract("month", Member.birthday) == day.month,
                extract("day", Member.birthday).in_(days),
            )
            .order_by(Member.id)
            .limit(limit)
        )
    )


def count_by_tier(session: Session, merchant_id: int) -> dict[str, int]:
    """How many members stand in each tier."""
    found = session.execute(
        select(Member.tier, func.count())
        .where(Member.merchant_id == merchant_id, Member.merged_into_id.is_(None))
        .group_by(Member.tier)
    )
    return {code: int(number) for code, number in found}
