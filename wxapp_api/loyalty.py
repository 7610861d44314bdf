"""The member centre: tier, points and what they buy, stored value, plans."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from flask import g, request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import cursors, idempotency, limits
from core.clock import now as clock_now
from core.database import reading, transaction
from coupons import words as coupon_words
from coupons.models import CouponKind, CouponTemplate
from crm import balance_ledger, members, plans, points, tiers
from crm.models import (
    BalanceEntry,
    BalanceKind,
    EntryKind,
    LotState,
    Member,
    Plan,
    PlanKind,
    PointEntry,
    PointLot,
)
from crm.play import drawing, referring, signing_in
from crm.points import shop
from crm.tiers import Step
from crm.tiers.programme import worth_of_one
from merchants.models import Store
from merchants.queries import list_stores
from orders import queries as orders
from orders.selling import place_plan
from payments import billing
from payments.queries import list_bills
from payments.tracing import orders_behind
from wxapp_api.access import member
from wxapp_api.blueprints import MEMBER, make_blueprint
from wxapp_api.order_views import order_out
from wxapp_api.schemas.common import Page, WriteHeader
from wxapp_api.schemas.loyalty import (
    BalanceEntryOut,
    BoughtOut,
    GoodsOut,
    GoodsPath,
    LedgerQuery,
    MembershipOut,
    PlanOut,
    PlanPath,
    PlansQuery,
    PointEntryOut,
    TierStep,
)
from wxapp_api.schemas.orders import OrderOut

blueprint = make_blueprint("loyalty", "会员中心")

ENTRIES = {
    EntryKind.earned: "消费得积分",
    EntryKind.released: "积分到账",
    EntryKind.clawed_back: "退款收回",
    EntryKind.merged: "账号合并",
    EntryKind.spent: "抵扣",
    EntryKind.returned: "退还",
    EntryKind.expired: "过期",
    EntryKind.adjusted: "门店调整",
    EntryKind.granted: "赠送",
    EntryKind.exchanged: "兑换",
    EntryKind.imported: "以前的积分",
}
BALANCES = {
    BalanceKind.topped_up: "储值到账",
    BalanceKind.spent: "消费",
    BalanceKind.returned: "退还",
    BalanceKind.refunded: "储值退款",
    BalanceKind.merged: "账号合并",
    BalanceKind.imported: "以前的储值",
}
WAITING = "等付款"
SOON = timedelta(days=30)


class PointEntriesOut(Page[PointEntryOut]):
    """Movements of points, newest first."""


class BalanceEntriesOut(Page[BalanceEntryOut]):
    """Movements of stored value, newest first."""


class GoodsListOut(Page[GoodsOut]):
    """What points buy, the cheapest first."""


class PlansOut(Page[PlanOut]):
    """Plans on sale, the cheapest first."""


@blueprint.get("/membership", responses={200: MembershipOut}, security=MEMBER)
@member
def show_membership() -> MembershipOut:
    """Where the member stands, and which parts of the member centre the shop has."""
    now = clock_now()
    with reading() as session:
        me = members.living(session, g.member.id)
        programme = tiers.load(session, me.merchant_id)
        worth = worth_of_one(session, me.id, programme, now)
        above, term = programme.above(me.tier), plans.current_term(session, me.id, now)
        sign, refer = (
            find(session, me.merchant_id) for find in (signing_in.find_rules, referring.find_rules)
        )
        sold = plans.kinds_sold(session, me.merchant_id, now=now)
        return MembershipOut(
            measure=programme.measure.value,
            worth=worth,
            tier=_step(programme.of(me.tier)),
            next=_step(above) if above else None,
            next_needed=max(above.threshold - worth, 0) if above else 0,
            tier_until=me.tier_until,
            tiers=[_step(step) for step in reversed(programme.steps)],
            earn_bp=programme.rate_bp(me.tier),
            points=me.points,
            points_pending=me.points_pending,
            points_expiring=_expiring(session, me),
            balance_fen=me.balance_fen,
            balance_bonus_fen=me.balance_bonus_fen,
            paid_until=term.ends_at if term else None,
            paid_name=session.get_one(Plan, term.plan_id).name if term else "",
            discount_alone=programme.discount_alone,
            has_sign_in=bool(sign and sign.is_on),
            has_lottery=bool(drawing.list_lotteries(session, me.merchant_id, running_at=now)),
            has_referral=bool(refer and refer.is_on),
            has_top_up=PlanKind.top_up in sold,
            has_membership=PlanKind.membership in sold,
            has_passes=PlanKind.card in sold,
        )


@blueprint.get("/points", responses={200: PointEntriesOut}, security=MEMBER)
@member
def list_points(query: LedgerQuery) -> PointEntriesOut:
    """The ledger of points; what is pending stands in it as such until it is released."""
    with reading() as session:
        found = points.ledger(
            session, g.member.id, before=cursors.place(query.cursor), limit=query.limit + 1
        )
    shown = found[: query.limit]
    items = [
        PointEntryOut(
            id=str(line.entry.id),
            at=line.entry.at,
            text=line.entry.reason or ENTRIES[line.entry.kind],
            points=line.points or line.pending,
            pending=line.points == 0,
        )
        for line in shown
    ]
    return PointEntriesOut(items=items, next=_more(found, [line.entry for line in shown]))


@blueprint.get("/point-goods", responses={200: GoodsListOut}, security=MEMBER)
@member
def list_goods() -> GoodsListOut:
    """What points buy."""
    with reading() as session:
        offers = shop.offers(session, g.member.merchant_id, g.member.id)
    items = [
        GoodsOut(
            id=str(goods.id),
            name=template.name,
            points=goods.points,
            left=goods.left,
            taken=taken,
            per_member=goods.per_member,
            face_text=coupon_words.face(template),
            condition_text=coupon_words.condition(template),
        )
        for goods, template, taken in offers
    ]
    return GoodsListOut(items=items, next=None)


@blueprint.post("/point-goods/<goods_id>/exchange", responses={201: BoughtOut}, security=MEMBER)
@member
def exchange(path: GoodsPath, header: WriteHeader) -> tuple[BoughtOut, int]:
    """One of the goods for its points. 409 `not_enough_points`, `goods_gone`,
    `enough_exchanged`; the same key again answers the same."""
    limits.check("claim", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id)
    scope, key, now = f"points.exchange:{g.member.id}", header.idempotency_key, clock_now()
    body = {"goods_id": path.goods_id}
    with transaction() as session:
        replay = idempotency.begin(session, scope=scope, key=key, body=body, now=now)
        if replay is not None:
            return BoughtOut.model_validate(replay.result), 201
        coupon = shop.exchange(
            session, g.member.merchant_id, g.member.id, int(path.goods_id), now=now
        )
        me = members.living(session, g.member.id)
        session.refresh(me)
        bought = BoughtOut(coupon_id=str(coupon.id), points=me.points)
        idempotency.finish(session, scope=scope, key=key, result=bought.model_dump())
    return bought, 201


@blueprint.get("/balance", responses={200: BalanceEntriesOut}, security=MEMBER)
@member
def list_balance(query: LedgerQuery) -> BalanceEntriesOut:
    """The ledger of stored value; what an order keeps that is not paid yet says so."""
    with reading() as session:
        found = balance_ledger.entries_of(
            session,
            g.member.id,
            before=cursors.place(query.cursor),
            limit=query.limit + 1,
            folded=True,
        )
        shown = found[: query.limit]
        causes = [entry.cause for entry in shown]
        orders_no, kept = orders_behind(session, causes), balance_ledger.still_kept(session, causes)
    items = [
        BalanceEntryOut(
            id=str(entry.id),
            at=entry.at,
            text=WAITING if entry.cause in kept else BALANCES[entry.kind],
            amount_fen=entry.principal_fen + entry.bonus_fen,
            bonus_fen=entry.bonus_fen,
            order_no=orders_no.get(entry.cause),
        )
        for entry in shown
    ]
    return BalanceEntriesOut(items=items, next=_more(found, shown))


@blueprint.get("/plans", responses={200: PlansOut}, security=MEMBER)
@member
def list_plans(query: PlansQuery) -> PlansOut:
    """Stored value, memberships or passes that are on sale."""
    with reading() as session:
        kind = PlanKind(query.kind)
        found = plans.list_plans(session, g.member.merchant_id, kind, now=clock_now())
        ids = {plan.template_id for plan in found if plan.template_id}
        of = select(CouponTemplate).where(CouponTemplate.id.in_(ids))
        templates = {template.id: template for template in session.scalars(of)}
    return PlansOut(items=[_plan(plan, templates) for plan in found], next=None)


@blueprint.post("/plans/<plan_id>/orders", responses={201: OrderOut}, security=MEMBER)
@member
def buy_plan(path: PlanPath, header: WriteHeader) -> tuple[OrderOut, int]:
    """Order a plan; pay it as any order. It is there as soon as it is paid."""
    limits.check(
        "orders", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id
    )
    now = clock_now()
    with transaction() as session:
        plan = plans.get_plan(session, g.member.merchant_id, int(path.plan_id))
        order, fresh = place_plan(
            session, plan, g.member, _store(session), key=header.idempotency_key, now=now
        )
        bill = billing.open_bill(session, order) if fresh else None
    with reading() as session:
        bills = [(bill, None)] if bill else list_bills(session, order.id)
        return order_out(orders.details(session, order), bills), 201


def _store(session: Session) -> Store:
    """Where it is booked: the store that brought the member, else the merchant's first."""
    if g.member.source_store_id:
        return session.get_one(Store, g.member.source_store_id)
    stores = list_stores(session, g.member.merchant_id)
    if not stores:
        raise plans.PlanNotFound("这家还没有门店")
    return stores[0]


def _plan(plan: Plan, templates: dict[int, CouponTemplate]) -> PlanOut:
    template = templates.get(plan.template_id or 0)
    words = f"{template.name} · {coupon_words.condition(template)}" if template else ""
    uses = template.uses_total if template and plan.kind is PlanKind.card else 0
    return PlanOut(
        id=str(plan.id),
        kind=plan.kind.value,
        name=plan.name,
        price_fen=plan.price_fen,
        bonus_fen=plan.bonus_fen,
        days=plan.days,
        coupons=plan.coupons,
        uses=uses,
        coupon_text=words,
        worth_fen=template.face_fen * (uses or plan.coupons)
        if template and template.kind is CouponKind.amount
        else 0,
        benefits=plan.benefits,
    )


def _step(step: Step) -> TierStep:
    return TierStep(
        code=step.code,
        name=step.name,
        threshold=step.threshold,
        points_bp=step.points_bp,
        benefits=step.benefits,
        birthday_coupon=step.birthday_template_id is not None,
        discount_bp=step.discount_bp,
    )


def _expiring(session: Session, me: Member) -> int:
    soon = select(func.sum(PointLot.points)).where(
        PointLot.member_id == me.id,
        PointLot.state == LotState.available,
        PointLot.expires_at <= clock_now() + SOON,
    )
    return int(session.scalar(soon) or 0)


def _more(found: Sequence[Any], shown: Sequence[PointEntry | BalanceEntry]) -> str | None:
    return cursors.after(shown[-1].at, shown[-1].id) if len(found) > len(shown) else None
