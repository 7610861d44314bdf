"""What is on sale."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, exists, select
from sqlalchemy.orm import Session

from core import audit
from core.errors import Invalid, NotFound
from coupons import issuing
from coupons.models import CouponTemplate
from crm.models import Loyalty, Plan, PlanKind


class PlanNotFound(NotFound):
    code = "plan_not_found"
    title = "没有这个档位"


class PlanInvalid(Invalid):
    code = "plan_invalid"
    title = "填写有误"


def list_plans(
    session: Session, merchant_id: int, kind: PlanKind, *, now: datetime
) -> Sequence[Plan]:
    """What a member may buy now, the cheapest first."""
    query = select(Plan).where(Plan.merchant_id == merchant_id, Plan.kind == kind, _sold(now))
    return session.scalars(query.order_by(Plan.price_fen, Plan.id).limit(50)).all()


def list_all(
    session: Session, merchant_id: int, kind: PlanKind, *, now: datetime
) -> Sequence[tuple[Plan, bool]]:
    """For staff, also what is off sale; with each whether members can buy it now."""
    query = select(Plan, _sold(now)).where(Plan.merchant_id == merchant_id, Plan.kind == kind)
    found = session.execute(query.order_by(Plan.price_fen, Plan.id).limit(50))
    return [(plan, bool(sold)) for plan, sold in found]


def kinds_sold(session: Session, merchant_id: int, *, now: datetime) -> set[PlanKind]:
    """Of which kinds there is something to buy."""
    query = select(Plan.kind).where(Plan.merchant_id == merchant_id, _sold(now)).distinct()
    return set(session.scalars(query))


def check_sold(session: Session, plan: Plan, *, now: datetime) -> None:
    """Raises PlanNotFound for what is off sale, or whose coupon is not given out any more."""
    if session.scalar(select(Plan.id).where(Plan.id == plan.id, _sold(now))) is None:
        raise PlanNotFound("这一档现在不卖了")


def get_plan(session: Session, merchant_id: int, plan_id: int) -> Plan:
    """The gate: another merchant's plan is not found."""
    plan = session.get(Plan, plan_id)
    if plan is None or plan.merchant_id != merchant_id:
        raise PlanNotFound
    return plan


def create(session: Session, plan: Plan, *, actor: str, now: datetime) -> Plan:
    """Put a plan on sale. Raises PlanInvalid, with `errors` by field."""
    errors = {}
    if plan.kind is PlanKind.top_up and (plan.bonus_fen or 0) > plan.price_fen:
        errors["bonus"] = "赠送不能比充的还多"
    if plan.kind is not PlanKind.top_up:
        template = session.get(CouponTemplate, plan.template_id) if plan.template_id else None
        if template is None or template.merchant_id != plan.merchant_id:
            errors["template"] = "选一张券"
        elif plan.kind is PlanKind.card and template.uses_total < 2:
            errors["template"] = "次卡要选能用多次的券"
    if errors:
        raise PlanInvalid(errors=errors)
    plan.created_at = now
    session.add(plan)
    session.flush()
    _note(session, plan, "plan.create", actor, now)
    return plan


def set_on_sale(session: Session, plan: Plan, on_sale: bool, *, actor: str, now: datetime) -> None:
    """Take a plan off sale or put it back; who has bought it keeps it."""
    if plan.on_sale is not on_sale:
        plan.on_sale = on_sale
        session.flush()
        _note(session, plan, "plan.on" if on_sale else "plan.off", actor, now)


def _sold(now: datetime) -> ColumnElement[bool]:
    """On sale, and what comes with it can be given at once."""
    its = CouponTemplate.id == Plan.template_id
    at_once = case((Plan.kind == PlanKind.card, 1), else_=Plan.coupons)
    gives = exists().where(its, issuing.giving_out(now, at_once))
    top_ups = exists().where(
        Loyalty.merchant_id == Plan.merchant_id, Loyalty.sells_top_ups.is_(True)
    )
    return and_(
        Plan.on_sale.is_(True),
        Plan.template_id.is_(None) | gives,
        (Plan.kind != PlanKind.top_up) | top_ups,
    )


def _note(session: Session, plan: Plan, action: str, actor: str, now: datetime) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"plan:{plan.id}",
        after={"name": plan.name, "price_fen": plan.price_fen, "bonus_fen": plan.bonus_fen},
        merchant_id=plan.merchant_id,
        now=now,
    )
