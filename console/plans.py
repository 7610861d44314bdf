"""会员体系 → 储值, 付费会员, 次卡: what is on sale, and how it goes."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from console import club_view, people, reply, words
from console.access import me, staff
from console.forms import Form
from console.loyalty_tabs import coupons, tabs
from console.play_view import Figure
from core import cursors
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import NotFound
from core.money import format_yuan
from coupons.models import Coupon, CouponState, CouponTemplate
from crm import balance_ledger, plans, tiers
from crm.models import BalanceKind, BalanceLot, Member, PaidTerm, Plan, PlanKind, TermState
from crm.plans import offers
from crm.plans.terms import MONTH
from crm.tiers import editing
from orders.models import Order

page = Blueprint("plans", __name__, url_prefix="/loyalty/plans")

TITLES = {PlanKind.top_up: "储值", PlanKind.membership: "付费会员", PlanKind.card: "次卡"}
HINTS = {
    PlanKind.top_up: "先用本金再用赠送；退款最多退没用掉的本金，赠送按比例收回",
    PlanKind.membership: "到期自动停，不会自动续费；退的时候用掉、过期的券按份扣下，退了就停",
    PlanKind.card: "一张能用多次的券，到店核销一次少一次；退的时候用掉几次按份扣下，退了就停",
}
PAGE = 30
ENTRIES = {
    BalanceKind.topped_up: "充值",
    BalanceKind.spent: "消费",
    BalanceKind.returned: "退还",
    BalanceKind.refunded: "退款",
    BalanceKind.merged: "账号合并",
    BalanceKind.imported: "从别处转来",
}


@page.get("/<kind>/")
@staff("members.view")
def index(kind: str) -> Response:
    return _page(_kind(kind), None)


@page.post("/<kind>/")
@staff("settings.manage")
def create(kind: str) -> Response:
    of, form, now = _kind(kind), Form(request.form), clock_now()
    name = form.text("name", longest=16)
    price = form.yuan("price", low=1, high=5_000_00)
    bonus = form.yuan("bonus", needed=False) if of is PlanKind.top_up else 0
    days = form.whole("days", low=1, high=3_660) if of is PlanKind.membership else 0
    number = form.whole("coupons", low=1, high=10) if of is PlanKind.membership else 0
    template = None
    if of is not PlanKind.top_up:
        with reading() as session:
            known = {value for value, *_ in _choices(session, of) if value}
        template = form.one_of("template", known, "选一张券")
    benefits = form.text("benefits", longest=80, needed=False)
    if form.errors:
        return _page(of, form, 422)
    plan = Plan(
        merchant_id=me().merchant_id,
        kind=of,
        name=name,
        price_fen=price,
        bonus_fen=bonus or 0,
        days=days,
        coupons=number,
        template_id=int(template) if template else None,
        benefits=benefits or "",
    )
    try:
        with transaction() as session:
            offers.create(session, plan, actor=me().actor, now=now)
    except offers.PlanInvalid as refused:
        for field, why in refused.errors.items():
            form.refuse(field, why)
        return _page(of, form, 422)
    return reply.done(url_for("console.plans.index", kind=kind), f"「{name}」已上架")


@page.post("/top_up/low")
@staff("settings.manage")
def set_low() -> Response:
    """From which balance on a member is one whom journeys may remind."""
    form, now = Form(request.form), clock_now()
    low = form.yuan("low", high=1_000_00)
    if form.errors:
        return _page(PlanKind.top_up, form, 422)
    with transaction() as session:
        editing.set_balance_low(session, me().merchant_id, low or 0, actor=me().actor, now=now)
    return reply.done(url_for("console.plans.index", kind="top_up"), "提醒线已保存")


@page.post("/top_up/sell")
@staff("settings.manage")
def sell_top_ups() -> Response:
    sells = Form(request.form).one_of("state", ("on", "off")) == "on"
    with transaction() as session:
        editing.set_top_ups(session, me().merchant_id, sells, actor=me().actor, now=clock_now())
    done = "储值开卖了" if sells else "储值停卖了，充过的都还在"
    return reply.done(url_for("console.plans.index", kind="top_up"), done)


@page.post("/<kind>/<int:plan_id>/state")
@staff("settings.manage")
def set_state(kind: str, plan_id: int) -> Response:
    on = Form(request.form).one_of("state", ("on", "off")) == "on"
    with transaction() as session:
        plan = plans.get_plan(session, me().merchant_id, plan_id)
        offers.set_on_sale(session, plan, on, actor=me().actor, now=clock_now())
    return reply.done(url_for("console.plans.index", kind=kind), "已上架" if on else "已下架")


def _kind(kind: str) -> PlanKind:
    try:
        return PlanKind(kind)
    except ValueError:
        raise NotFound("没有这一页") from None


def _page(kind: PlanKind, form: Form | None, status: int = 200) -> Response:
    now = clock_now()
    with reading() as session:
        found = offers.list_all(session, me().merchant_id, kind, now=now)
        sold = _sold(session, [plan.id for plan, _ in found])
        choices = _choices(session, kind)
        given = _given(session, [plan.template_id for plan, _ in found if plan.template_id])
        figures = _figures(session, kind, now)
        entries, pager = _entries(session, now) if kind is PlanKind.top_up else ([], {})
        programme = tiers.load(session, me().merchant_id)
        picture = club_view.owed(session, now) if kind is PlanKind.top_up else None
    form = form or Form(coupons=1)
    if kind is PlanKind.top_up and "low" not in request.form:
        form.put("low", format_yuan(programme.balance_low_fen, trim=True))
    return reply.page(
        "loyalty/plans.html",
        status,
        tabs=tabs("console.plans.index", kind.value),
        kind=kind.value,
        title=TITLES[kind],
        hint=HINTS[kind],
        sells_top_ups=programme.sells_top_ups,
        form=form,
        coupons=choices,
        figures=figures,
        picture=picture,
        entries=entries,
        pager=pager,
        plans=[_row(plan, sells, sold.get(plan.id, (0, 0)), given) for plan, sells in found],
    )


def _choices(session: Session, kind: PlanKind) -> Any:
    return coupons(session, "选一张券", several_uses=kind is PlanKind.card)


def _given(session: Session, ids: list[int]) -> dict[int, tuple[str, int]]:
    """template → (name, uses), also of those that are not given out any more."""
    if not ids:
        return {}
    found = session.execute(
        select(CouponTemplate.id, CouponTemplate.name, CouponTemplate.uses_total).where(
            CouponTemplate.id.in_(ids)
        )
    )
    return {id_: (name, uses) for id_, name, uses in found}


def _row(
    plan: Plan, sells: bool, sold: tuple[int, int], given: dict[int, tuple[str, int]]
) -> dict[str, Any]:
    coupon, uses = given.get(plan.template_id or 0, ("", 1))
    gives = {
        PlanKind.top_up: f"送 ¥{words.yuan(plan.bonus_fen)}" if plan.bonus_fen else "不送",
        PlanKind.membership: f"{plan.days} 天，每 30 天 {plan.coupons} 张",
        PlanKind.card: f"{uses} 次，¥{words.yuan(plan.price_fen // uses)} 一次",
    }[plan.kind]
    return {
        "id": plan.id,
        "name": plan.name,
        "price": words.yuan(plan.price_fen),
        "gives": " ".join(part for part in (gives, coupon and f"「{coupon}」") if part),
        "sold": words.count(sold[0]),
        "taken": words.yuan(sold[1]),
        "on": plan.on_sale,
        "stuck": plan.on_sale and not sells and plan.kind is not PlanKind.top_up,
    }


def _sold(session: Session, ids: list[int]) -> dict[int, tuple[int, int]]:
    """plan → (orders, fen kept)."""
    found = session.execute(
        select(Order.plan_id, func.count(), func.sum(Order.paid_fen - Order.refunded_fen))
        .where(Order.merchant_id == me().merchant_id, Order.plan_id.in_(ids))
        .where(Order.paid_at.is_not(None))
        .group_by(Order.plan_id)
    )
    return {int(id_ or 0): (int(number), int(fen)) for id_, number, fen in found}


def _figures(session: Session, kind: PlanKind, now: datetime) -> list[Figure]:
    mine = Member.merchant_id == me().merchant_id
    if kind is PlanKind.top_up:
        whole, bonus = session.execute(
            select(
                func.coalesce(func.sum(Member.balance_fen), 0),
                func.coalesce(func.sum(Member.balance_bonus_fen), 0),
            ).where(mine)
        ).one()
        paid = session.scalar(
            select(func.coalesce(func.sum(BalanceLot.paid_fen), 0))
            .join(Member, Member.id == BalanceLot.member_id)
            .where(mine, BalanceLot.order_id.is_not(None))
        )
        return [
            ("会员手里还有", f"¥{words.yuan(int(whole))}", "欠着会员的", ""),
            ("其中本金", f"¥{words.yuan(int(whole) - int(bonus))}", "退款最多退这些", ""),
            ("一共充过", f"¥{words.yuan(int(paid or 0))}", "不算赠送", ""),
        ]
    if kind is PlanKind.membership:
        soon = case((PaidTerm.ends_at <= now + MONTH, 1), else_=0)
        running, ending = session.execute(
            select(func.count(PaidTerm.id), func.coalesce(func.sum(soon), 0))
            .join(Member, Member.id == PaidTerm.member_id)
            .where(mine, PaidTerm.state == TermState.active, PaidTerm.ends_at > now)
        ).one()
        return [
            ("有效的付费会员", words.count(int(running)), "退了的、到期的不算", "份"),
            ("30 天内到期", words.count(int(ending)), "到期自己停，不会续费", "份"),
        ]
    cards, uses = session.execute(
        select(func.count(Coupon.id), func.coalesce(func.sum(Coupon.uses_left), 0)).where(
            Coupon.template_id.in_(
                select(Plan.template_id).where(
                    Plan.merchant_id == me().merchant_id, Plan.kind == PlanKind.card
                )
            ),
            Coupon.source == "pass",
            Coupon.state.in_((CouponState.issued, CouponState.locked)),
            Coupon.expires_at > now,
        )
    ).one()
    return [
        ("还没用完的次卡", words.count(int(cards)), "没过期的", "张"),
        ("里面还有", words.count(int(uses)), "会员付过钱、还没用的", "次"),
    ]


def _entries(session: Session, now: datetime) -> tuple[list[dict[str, str]], dict[str, str]]:
    """A page of everybody's movements, and where it goes on."""
    cursor = request.args.get("cursor", "")
    before = cursors.place(cursor)
    found = balance_ledger.entries_of_merchant(
        session, me().merchant_id, before=before, limit=PAGE + 1
    )
    rows = [
        {
            "name": people.name_of(member),
            "href": url_for("console.members.show", no=member.no),
            "what": ENTRIES[entry.kind],
            "principal": words.yuan(entry.principal_fen),
            "bonus": words.yuan(entry.bonus_fen),
            "at": words.when(entry.at, now),
        }
        for entry, member in found[:PAGE]
    ]
    here = url_for("console.plans.index", kind="top_up")
    last = found[PAGE - 1][0] if len(found) > PAGE else None
    more = cursors.after(last.at, last.id) if last else ""
    onward = url_for("console.plans.index", kind="top_up", cursor=more) if more else ""
    return rows, {"next": onward, "first": here if cursor else ""}
