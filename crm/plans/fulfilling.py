"""A paid plan is there at once; a refund of it takes it back, before the money is asked for.

What was sold is owed: a template that was paused, has ended or is used up since the order was
placed gives its coupon all the same, or the payment could neither be kept nor given back.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from core.money import format_yuan
from coupons import issuing
from crm import balance
from crm.models import Plan, PlanKind
from crm.plans import giving_up, terms
from crm.plans.giving_up import PlanNotRefundable, Share


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
        key = pass_key(order_id)
        issuing.issue(
            session, plan.template_id, member_id, source="pass", key=key, owed=True, now=now
        )


def refundable_fen(
    session: Session, plan_id: int, member_id: int, order_id: int, *, paid_fen: int, now: datetime
) -> tuple[int, str]:
    """How much may be asked back now, and why so much, in words: of a top-up the principal that is
    left of it, of a membership or a pass the part that was not used."""
    plan = session.get_one(Plan, plan_id)
    if plan.kind is PlanKind.top_up:
        return balance.refundable_fen(session, order_id), "最多退没用掉的本金，赠送按比例收回"
    share = _share(session, plan, member_id, order_id, now)
    if share.in_order:
        return 0, "有一张券正用在没付款的单上，或者正在送朋友，等它有了结果再退"
    used = share.whole - share.left
    words = f"一共 {share.whole} 次，用掉或过期 {used} 次，按份扣下" if used else "一次没用过"
    return share.of_fen(paid_fen), f"{words}；退了就停"


def before_refund(
    session: Session,
    plan_id: int,
    member_id: int,
    order_id: int,
    amount_fen: int,
    *,
    paid_fen: int,
    cause: str,
    actor: str,
    now: datetime,
) -> None:
    """Take back what the refund is for. Raises PlanNotRefundable or PrincipalSpent."""
    plan = session.get_one(Plan, plan_id)
    if plan.kind is PlanKind.top_up:
        balance.take_back(session, order_id, amount_fen, cause, now=now)
        return
    if plan.kind is PlanKind.membership:
        giving_up.hold(session, plan, order_id)
    share = _share(session, plan, member_id, order_id, now)
    due_fen = share.of_fen(paid_fen)
    if due_fen == 0 and not share.in_order:
        raise PlanNotRefundable("已经用完，或者已经退过了")
    if amount_fen != due_fen and not share.in_order:
        raise PlanNotRefundable(
            f"这一单现在退 ¥{format_yuan(due_fen)}，要一次退完", due_fen=due_fen
        )
    giving_up.end(session, share, order_id, actor=actor, now=now)


def refund_failed(
    session: Session, kind: PlanKind, order_id: int, *, cause: str, now: datetime
) -> None:
    """The money could not be given back: stored value is there again. A membership or a pass was
    ended and stays so, and the same money may be asked for again."""
    if kind is PlanKind.top_up:
        balance.undo_take_back(session, order_id, cause, now=now)


def stays_taken(kind: PlanKind) -> bool:
    """Whether what was taken back for a refund is gone even if that fails."""
    return kind is not PlanKind.top_up


def pass_key(order_id: int) -> str:
    """The issue key of a pass's coupon."""
    return f"pass:{order_id}"


def _share(session: Session, plan: Plan, member_id: int, order_id: int, now: datetime) -> Share:
    if plan.kind is PlanKind.membership:
        return giving_up.of_term(session, order_id, now)
    return giving_up.of_pass(session, plan.id, pass_key(order_id), member_id, now)
