"""Daily sign-in: once per business day by a unique key, more for days in a row."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import rows
from core.clock import business_day
from core.errors import Conflict, NotFound
from coupons import issuing
from coupons.errors import GoneAlready, NotClaimable
from crm import points
from crm.models import GrowthEntry, Member, SignIn, SignRules


class SignInOff(NotFound):
    code = "sign_in_off"
    title = "这家店没开签到"


class SignedAlready(Conflict):
    code = "signed_already"
    title = "今天已经签过了"


class Signed(NamedTuple):
    """What a sign-in brought; `coupon`: a milestone's coupon was given."""

    streak: int
    points: int
    coupon: bool


def find_rules(session: Session, merchant_id: int) -> SignRules | None:
    mine = select(SignRules).where(SignRules.merchant_id == merchant_id)
    return session.scalars(mine).one_or_none()


def sign_in(session: Session, merchant_id: int, member_id: int, *, now: datetime) -> Signed:
    """Today's sign-in. Raises SignInOff, SignedAlready; then nothing changes.

    A milestone's coupon that has run out leaves its points.
    """
    rules = find_rules(session, merchant_id)
    if rules is None or not rules.is_on:
        raise SignInOff
    today = business_day(now)
    streak = streak_before(session, member_id, today) + 1
    more, template_id = bonus_on(rules, streak)
    if template_id:
        issuing.lock_template(session, template_id)  # before the member, as everywhere
    held = points.hold_living(session, member_id)
    given = rules.points + more
    row = {"member_id": held.id, "day": today, "streak": streak, "points": given, "at": now}
    if rows.add_new(session, SignIn, row) is None:
        raise SignedAlready
    cause = f"sign:{held.id}:{today:%Y%m%d}"
    if given:
        points.grant(session, held.id, given, cause=cause, reason="签到", now=now)
    if rules.growth:
        grown = {"member_id": held.id, "growth": rules.growth, "cause": cause, "at": now}
        rows.add_new(session, GrowthEntry, grown)
    coupon = False
    if template_id:
        try:
            with session.begin_nested():
                made = issuing.issue(
                    session, template_id, held.id, source="sign_in", key=cause, now=now
                )
                coupon = made is not None
        except (GoneAlready, NotClaimable):
            coupon = False
    return Signed(streak, given, coupon)


def streak_before(session: Session, member_id: int, today: date) -> int:
    """How many days in a row up to yesterday."""
    yesterday = today - timedelta(days=1)
    mine = select(SignIn.streak).where(SignIn.member_id == member_id, SignIn.day == yesterday)
    return int(session.scalar(mine) or 0)


def bonus_on(rules: SignRules, streak: int) -> tuple[int, int]:
    """(points, template or 0) on top, on this day in a row; the milestones go round."""
    last = max((days for days, _, _ in rules.milestones), default=0)
    at = (streak - 1) % last + 1 if last else 0
    return next(((more, id_) for days, more, id_ in rules.milestones if days == at), (0, 0))


def longest_streak(session: Session, merchant_id: int, today: date) -> int:
    """The longest row of days that was not broken yet."""
    lately = select(func.max(SignIn.streak)).join(Member, Member.id == SignIn.member_id)
    lately = lately.where(
        Member.merchant_id == merchant_id, SignIn.day >= today - timedelta(days=1)
    )
    return int(session.scalar(lately) or 0)


def days_of(session: Session, member_id: int, since: date) -> list[SignIn]:
    """The sign-ins since a day, the oldest first."""
    mine = select(SignIn).where(SignIn.member_id == member_id, SignIn.day >= since)
    return list(session.scalars(mine.order_by(SignIn.day)))
