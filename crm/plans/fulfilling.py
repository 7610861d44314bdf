"""A paid plan is there at once; a refund of it takes it back, before the money is asked for."""

from datetime import datetime

from sqlalchemy.orm import Session

from core.errors import Conflict
from coupons import issuing
from crm import balance
from crm.models import Plan, PlanKind
from crm.plans import terms


class PlanNotRefundable(Conflict):
    code = "plan_not_refundable"
    title = "这一单现在不能这样退"


def fulfil(
    session: Session, plan_id: int, member_id: int, order_id: int, *, paid_fen: int, now: datetime
) -> None:
    """What the order bought is the member's; again: nothing."""
    plan = session.get_one(Plan, plan_id)
    if plan.kind is PlanKind.top_up:
        given = plan.bonus_fen
        balance.credit(session, member_id, order_id, paid_fen=paid_fen, bonus_fen=given, now=now)
    elif plan.kind is PlanKind.membership:
        terms.start(session, plan, member_id, order_id, now=now)
    else:
        assert plan.template_id is not None  # a pass is made with one
        issuing.issue(
            session, plan.template_id, member_id, source="pass", key=pass_key(order_id), now=now
        )


def refundable_fen(session: Session, kind: PlanKind, order_id: int, paid_fen: int) -> int:
    """How much may be asked back now: of a top-up the principal that is left, of a membership or a
    pass that nothing was used of the whole price, else nothing."""
    if kind is PlanKind.top_up:
        return balance.refundable_fen(session, order_id)
    if kind is PlanKind.membership:
        return paid_fen if terms.unused(session, order_id) else 0
    return paid_fen if terms.coupons_unused(session, [pass_key(order_id)]) else 0


def before_refund(
    session: Session,
    kind: PlanKind,
    order_id: int,
    amount_fen: int,
    *,
    paid_fen: int,
    cause: str,
    actor: str,
    now: datetime,
) -> None:
    """Take back what the refund is for. Raises PlanNotRefundable or PrincipalSpent."""
    if kind is PlanKind.top_up:
        balance.take_back(session, order_id, amount_fen, cause, now=now)
        return
    if kind is PlanKind.membership:
        unused = terms.end_by_refund(session, order_id, actor=actor, now=now)
    else:
        unused = terms.void_unused(session, [pass_key(order_id)], actor=actor, now=now)
    if amount_fen != paid_fen or not unused:
        raise PlanNotRefundable("没用过才能退，而且要整单退")


def refund_failed(
    session: Session, kind: PlanKind, order_id: int, *, cause: str, now: datetime
) -> None:
    """The money could not be given back: stored value is there again. A membership or a pass was
    ended and stays so; the shop gives it anew, or the money by hand."""
    if kind is PlanKind.top_up:
        balance.undo_take_back(session, order_id, cause, now=now)


def pass_key(order_id: int) -> str:
    """The issue key of a pass's coupon."""
    return f"pass:{order_id}"
