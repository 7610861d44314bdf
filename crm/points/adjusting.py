"""Staff give or take points by hand: with a reason, so many a day, on the record."""

from datetime import datetime

from sqlalchemy.orm import Session

from core import audit
from core.clock import business_day
from core.errors import Forbidden, Invalid
from coupons import counting
from crm import events, tiers
from crm.models import EntryKind, Member
from crm.points.lots import grant, take

OWNER_TIMES = 10


class TooManyToAdjust(Forbidden):
    """`left`: how many this person may still move today."""

    code = "points_over_limit"
    title = "今天能调的用完了"


class ReasonNeeded(Invalid):
    code = "reason_needed"
    title = "写一句为什么调"


def left_today(
    session: Session, merchant_id: int, *, actor: str, owner: bool, now: datetime
) -> int:
    """How many points this person may still give or take today: the merchant's limit, for an owner
    ten times that, less what they have moved."""
    moved = counting.used(session, _subject(actor), business_day(now))
    return max(_most(session, merchant_id, owner=owner) - moved, 0)


def adjust(
    session: Session,
    member: Member,
    points: int,
    *,
    reason: str,
    key: str,
    actor: str,
    owner: bool,
    now: datetime,
) -> bool:
    """Give (or, below zero, take) points. False when `key` was used for this member before.

    Raises TooManyToAdjust, ReasonNeeded, NotEnoughPoints; the transaction is then to be left.
    """
    if not reason.strip():
        raise ReasonNeeded(errors={"reason": "写一句为什么调"})
    cause = f"adjust:{member.id}:{key}"
    how = {"kind": EntryKind.adjusted, "cause": cause, "reason": reason, "now": now}
    done = (
        grant(session, member.id, points, **how)  # type: ignore[arg-type]
        if points > 0
        else take(session, member.id, -points, **how) is not None  # type: ignore[arg-type]
    )
    if not done:
        return False
    most, today = _most(session, member.merchant_id, owner=owner), business_day(now)
    if not counting.take(session, _subject(actor), today, most, abs(points)):
        left = max(most - counting.used(session, _subject(actor), today), 0)
        raise TooManyToAdjust(f"你今天还能调 {left:,} 分", left=left)
    data = {"points": points}
    events.record(session, member.id, "points_adjusted", now=now, data=data)
    audit.record(
        session,
        actor=actor,
        action="points.adjust",
        subject=f"member:{member.id}",
        after={"points": points},
        merchant_id=member.merchant_id,
        reason=reason,
        now=now,
    )
    return True


def _most(session: Session, merchant_id: int, *, owner: bool) -> int:
    most = tiers.load(session, merchant_id).adjust_most
    return most * OWNER_TIMES if owner else most


def _subject(actor: str) -> str:
    return f"adjust:{actor}"
