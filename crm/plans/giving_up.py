"""A paid membership or a pass is given up for its money: what was used is kept back.

The rule, as the shop tells it: the price is divided by all the uses that were bought; each use that
was made, and each coupon that lapsed or was passed on to a friend, keeps its part. The rest is
given back at once, and with it everything ends.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import rows
from core.errors import Conflict
from coupons import issuing, voiding
from coupons.models import Coupon, CouponState, CouponTemplate
from crm import members
from crm.models import PaidTerm, Plan, TermState
from crm.plans.terms import MONTH, gift_key


class PlanNotRefundable(Conflict):
    code = "plan_not_refundable"
    title = "这一单现在不能这样退"


class Share(NamedTuple):
    """`left` of the `whole` uses that were bought; `ids` are the coupons that hold what is there
    of it. `in_order`: one is kept by an order that is not paid
    yet, or by a gift."""

    left: int
    whole: int
    ids: tuple[int, ...] = ()
    in_order: bool = False

    def of_fen(self, paid_fen: int) -> int:
        return paid_fen * self.left // self.whole if self.whole else 0


def of_term(session: Session, order_id: int, now: datetime) -> Share:
    """What is left of a membership: months that have not begun count whole."""
    term = _term_of(session, order_id)
    if term is None or term.ends_at <= now:
        return Share(0, 0)
    plan = session.get_one(Plan, term.plan_id)
    months = -(-(term.ends_at - term.starts_at) // MONTH)
    given = range(1, term.given + 1)
    keys = [gift_key(term.id, month, at) for month in given for at in range(plan.coupons)]
    return _share(session, plan, keys, months * plan.coupons, term.member_id, now)


def of_pass(session: Session, plan_id: int, key: str, member_id: int, now: datetime) -> Share:
    """What is left of a pass."""
    return _share(session, session.get_one(Plan, plan_id), [key], 1, member_id, now)


def hold(session: Session, plan: Plan, order_id: int) -> None:
    """The template and the term, as `terms.give_due` takes them: no month's coupons are given out
    between counting what is left and ending it."""
    if plan.template_id is not None:
        issuing.lock_template(session, plan.template_id)
    one = select(PaidTerm).where(PaidTerm.order_id == order_id).with_for_update()
    session.scalars(one.execution_options(populate_existing=True)).one_or_none()


def end(session: Session, share: Share, order_id: int, *, actor: str, now: datetime) -> None:
    """The term ends and its coupons are void. Raises PlanNotRefundable when one was used meanwhile;
    the caller rolls back."""
    if share.in_order:
        raise PlanNotRefundable("有一张券正用在没付款的单上，或者正在送朋友，等它有了结果再退")
    term = _term_of(session, order_id)
    if term is not None:
        gone = {"state": TermState.refunded, "next_gift_at": None}
        rows.must_move(session, PaidTerm, {"id": term.id, "state": TermState.active}, gone)
    before = _uses(session, share.ids)
    voided = voiding.void_many(session, share.ids, actor=actor, reason="退款", now=now)
    # Now their rows are held: what was read before may have been used since.
    if voided != len(share.ids) or _uses(session, share.ids) != before:
        raise PlanNotRefundable("刚刚又用掉了一次，刷新再看")


def _share(
    session: Session, plan: Plan, keys: Sequence[str], coupons: int, member_id: int, now: datetime
) -> Share:
    owner = members.living(session, member_id).id
    uses = session.scalar(
        select(CouponTemplate.uses_total).where(CouponTemplate.id == plan.template_id)
    )
    each = int(uses or 1)
    found = session.execute(
        select(Coupon.id, Coupon.state, Coupon.uses_left, Coupon.member_id, Coupon.expires_at)
        .where(Coupon.issue_key.in_(keys))
        .order_by(Coupon.id)
    ).all()
    gone, ids, in_order = 0, [], False
    for id_, state, left, whose, expires_at in found:
        theirs = whose is not None and members.living(session, whose).id == owner
        in_order |= theirs and state is CouponState.locked
        if theirs and state is CouponState.issued and expires_at > now:
            ids.append(id_)
            gone += each - left
        else:
            gone += each
    whole = coupons * each
    return Share(whole - gone, whole, tuple(ids), in_order)


def _uses(session: Session, ids: Sequence[int]) -> int:
    left = select(func.coalesce(func.sum(Coupon.uses_left), 0)).where(Coupon.id.in_(ids))
    return int(session.scalar(left) or 0)


def _term_of(session: Session, order_id: int) -> PaidTerm | None:
    mine = select(PaidTerm).where(PaidTerm.order_id == order_id, PaidTerm.state == TermState.active)
    return session.scalars(mine.execution_options(populate_existing=True)).one_or_none()
