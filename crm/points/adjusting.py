"""Staff give or take points by hand: with a reason, within a limit, on the record."""

from datetime import datetime

from sqlalchemy.orm import Session

from core import audit
from core.errors import Forbidden, Invalid
from crm import events, tiers
from crm.models import EntryKind, Member
from crm.points.lots import grant, take

OWNER_TIMES = 10


class TooManyToAdjust(Forbidden):
    """`most`: how many this role may move at once."""

    code = "points_over_limit"
    title = "一次最多能调这么多"


class ReasonNeeded(Invalid):
    code = "reason_needed"
    title = "写一句为什么调"


def most_of(session: Session, merchant_id: int, *, owner: bool) -> int:
    """How many points at once: the merchant's limit, for an owner ten times that."""
    most = tiers.load(session, merchant_id).adjust_most
    return most * OWNER_TIMES if owner else most


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
    """Give (or, below zero, take) points. False when `key` was used before.

    Raises TooManyToAdjust, ReasonNeeded, NotEnoughPoints; then nothing changes.
    """
    most = most_of(session, member.merchant_id, owner=owner)
    if not reason.strip():
        raise ReasonNeeded(errors={"reason": "写一句为什么调"})
    if not 1 <= abs(points) <= most:
        raise TooManyToAdjust(f"一次最多调 {most} 分", most=most)
    how = {"kind": EntryKind.adjusted, "cause": f"adjust:{key}", "reason": reason, "now": now}
    done = (
        grant(session, member.id, points, **how)  # type: ignore[arg-type]
        if points > 0
        else take(session, member.id, -points, **how) is not None  # type: ignore[arg-type]
    )
    if not done:
        return False
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
