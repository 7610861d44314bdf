"""A paid membership: runs its days, gives its coupons every thirty of them, ends by itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from coupons import issuing
from coupons.models import CouponTemplate
from crm import events
from crm.models import PaidTerm, Plan, TermState
from crm.points import hold_living

MONTH = timedelta(days=30)


def start(session: Session, plan: Plan, member_id: int, order_id: int, *, now: datetime) -> bool:
    """Begin the term, or begin it where the member's present one ends. False: it was begun."""
    held = hold_living(session, member_id)
    current = current_term(session, held.id, now)
    begins = max(now, current.ends_at) if current else now
    row = {
        "member_id": held.id,
        "plan_id": plan.id,
        "order_id": order_id,
        "state": TermState.active,
        "starts_at": begins,
        "ends_at": begins + timedelta(days=plan.days),
        "given": 0,
        "next_gift_at": begins if plan.template_id and plan.coupons else None,
    }
    if rows.add_new(session, PaidTerm, row) is None:
        return False
    data = {"name": plan.name, "order_id": order_id}
    events.record(session, held.id, "membership_bought", now=now, data=data)
    return True


def current_term(session: Session, member_id: int, now: datetime) -> PaidTerm | None:
    """The term that ends last of those that run or have been paid for."""
    return session.scalars(
        select(PaidTerm)
        .where(
            PaidTerm.member_id == member_id,
            PaidTerm.state == TermState.active,
            PaidTerm.ends_at > now,
        )
        .order_by(PaidTerm.ends_at.desc())
        .limit(1)
    ).one_or_none()


def merchants_due(session: Session, *, now: datetime) -> Sequence[int]:
    """Who has a membership that gives its coupons now, or ends."""
    due = or_(PaidTerm.next_gift_at <= now, PaidTerm.ends_at <= now)
    of = select(Plan.merchant_id).join(PaidTerm, PaidTerm.plan_id == Plan.id)
    of = of.where(PaidTerm.state == TermState.active, due)
    return session.scalars(of.distinct().order_by(Plan.merchant_id)).all()


def give_due(session: Session, merchant_id: int, *, now: datetime, limit: int = 200) -> int:
    """Coupons of a merchant's terms whose month has begun; how many were looked at. Safe to repeat.

    The template's row comes before the terms', so a term is read again under its lock. The coupons
    are paid for: a template that was paused, has ended or is used up gives them all the same.
    """
    due = session.execute(
        select(PaidTerm.id, CouponTemplate.id, Plan.coupons)
        .join(Plan, Plan.id == PaidTerm.plan_id)
        .join(CouponTemplate, CouponTemplate.id == Plan.template_id)
        .where(PaidTerm.state == TermState.active, PaidTerm.next_gift_at <= now)
        .where(Plan.merchant_id == merchant_id)
        .order_by(PaidTerm.next_gift_at, PaidTerm.id)
        .limit(limit)
    ).all()
    for term_id, template_id, coupons in due:
        issuing.lock_template(session, template_id)
        one = select(PaidTerm).where(PaidTerm.id == term_id).with_for_update()
        term = session.scalars(one.execution_options(populate_existing=True)).one()
        if term.next_gift_at is None or term.next_gift_at > now:
            continue
        month = term.given + 1
        give = partial(issuing.issue, session, template_id, term.member_id, owed=True, now=now)
        for number in range(coupons):
            give(source="membership", key=gift_key(term.id, month, number))
        following = term.starts_at + MONTH * month
        term.given = month
        term.next_gift_at = following if following < term.ends_at else None
        session.flush()
    return len(due)


def end_due(session: Session, merchant_id: int, *, now: datetime, limit: int = 500) -> int:
    """A merchant's terms that are over end, and the timeline is told; how many."""
    theirs = session.scalars(select(Plan.id).where(Plan.merchant_id == merchant_id)).all()
    over = (
        PaidTerm.state == TermState.active,
        PaidTerm.ends_at <= now,
        PaidTerm.plan_id.in_(theirs),
    )
    due = session.execute(
        select(PaidTerm.id, PaidTerm.member_id)
        .where(*over)
        .order_by(PaidTerm.ends_at, PaidTerm.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    ids = [term.id for term in due]
    claim(
        session, update(PaidTerm).where(PaidTerm.id.in_(ids), *over).values(state=TermState.ended)
    )
    for term in due:
        events.record(session, term.member_id, "membership_ended", now=now)
    return len(due)


def gift_key(term_id: int, month: int, number: int) -> str:
    return f"term:{term_id}:{month}:{number}"
