"""Plans: bought by themselves, complete when paid, taken back before they are refunded."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from coupons.models import Coupon, CouponState, CouponTemplate, TemplateState
from crm import balance, plans
from crm.models import MemberEvent, PaidTerm, Plan, PlanKind, Purchase, TermState
from crm.plans import offers
from crm.plans.giving_up import PlanNotRefundable
from crm.tiers import editing
from orders import cancelling, paying, selling
from orders.errors import TooManyUnpaid
from orders.models import Order, OrderLine, OrderState, PaymentState
from tests.conftest import NOW
from tests.factories.coupons import make_template
from tests.factories.crm import make_member
from tests.orders.shop import Shop


def make_plan(shop: Shop, kind: PlanKind, now: datetime, **values: object) -> Plan:
    row = {"name": "充 100 送 20", "price_fen": 10_000, **values}
    if kind is PlanKind.top_up:
        editing.set_top_ups(shop.session, shop.merchant.id, True, actor="staff:1", now=now)
    plan = Plan(merchant_id=shop.merchant.id, kind=kind, **row)
    return offers.create(shop.session, plan, actor="staff:1", now=now)


def buy(shop: Shop, plan: Plan, now: datetime, key: str = "plan-1") -> Order:
    order, _ = selling.place_plan(shop.session, plan, shop.member, shop.store, key=key, now=now)
    assert paying.mark_paid(shop.session, order, amount_fen=plan.price_fen, now=now)
    return order


def refund(shop: Shop, order: Order, fen: int, now: datetime) -> None:
    by = {"cause": f"refund:{fen}", "actor": "staff:1", "now": now}
    selling.take_back(shop.session, order, fen, **by)
    assert paying.record_refund(shop.session, order, fen, now)


def test_a_top_up_is_there_when_it_is_paid_and_only_once(
    session: Session, shop: Shop, now: datetime
) -> None:
    plan = make_plan(shop, PlanKind.top_up, now, bonus_fen=2_000)

    order = buy(shop, plan, now)

    assert not paying.mark_paid(session, order, amount_fen=10_000, now=now)
    assert (order.state, order.payment_state) == (OrderState.completed, PaymentState.paid)
    assert order.pickup_number is None
    session.refresh(shop.member)
    assert (shop.member.balance_fen, shop.member.balance_bonus_fen) == (12_000, 2_000)
    assert (shop.member.spent_fen, shop.member.points_pending) == (0, 0)
    assert session.scalar(select(func.count()).select_from(Purchase)) == 0
    line = session.scalars(select(OrderLine)).one()
    assert (line.kind.value, line.sku_id, line.payable_fen) == ("top_up", None, 10_000)


def test_one_order_for_a_plan_waits_at_a_time(session: Session, shop: Shop, now: datetime) -> None:
    plan = make_plan(shop, PlanKind.top_up, now)
    place = (session, plan, shop.member, shop.store)
    order, fresh = selling.place_plan(*place, key="plan-1", now=now)

    again, repeated = selling.place_plan(*place, key="plan-1", now=now)
    assert (fresh, repeated, again.id) == (True, False, order.id)
    with pytest.raises(TooManyUnpaid):
        selling.place_plan(*place, key="plan-2", now=now)

    assert cancelling.cancel(session, order, actor="system", reason="超时", now=now)
    assert selling.place_plan(*place, key="plan-3", now=now)[1]
    offers.set_on_sale(session, plan, False, actor="staff:1", now=now)
    with pytest.raises(plans.PlanNotFound):
        selling.place_plan(*place, key="plan-4", now=now)


def test_a_top_up_goes_back_up_to_its_principal(
    session: Session, shop: Shop, now: datetime
) -> None:
    order = buy(shop, make_plan(shop, PlanKind.top_up, now, bonus_fen=2_000), now)
    balance.freeze(session, shop.member.id, "x", 4_000, now=now)

    with pytest.raises(balance.PrincipalSpent):
        refund(shop, order, 6_001, now)
    refund(shop, order, 6_000, now)

    session.refresh(shop.member)
    assert shop.member.balance_fen == 0
    assert order.payment_state is PaymentState.part_refunded


def test_a_membership_gives_every_month_and_ends_by_itself(
    session: Session, shop: Shop, now: datetime
) -> None:
    template = make_template(session, shop.merchant)
    plan = make_plan(shop, PlanKind.membership, now, days=60, template_id=template.id, coupons=2)
    buy(shop, plan, now)
    buy(shop, plan, now, key="plan-2")

    first, second = session.scalars(select(PaidTerm).order_by(PaidTerm.id)).all()
    assert first.ends_at == second.starts_at == now + timedelta(days=60)

    def coupons() -> int:
        return session.scalar(select(func.count()).select_from(Coupon)) or 0

    plans.give_due(session, shop.merchant.id, now=now)
    plans.give_due(session, shop.merchant.id, now=now)
    assert coupons() == 2
    plans.give_due(session, shop.merchant.id, now=now + timedelta(days=30))
    assert coupons() == 4
    plans.give_due(session, shop.merchant.id, now=now + timedelta(days=59))
    assert coupons() == 4

    assert plans.end_due(session, shop.merchant.id, now=now + timedelta(days=60)) == 1
    current = plans.current_term(session, shop.member.id, now + timedelta(days=61))
    assert current is not None
    assert current.id == second.id
    ended = session.scalars(select(MemberEvent.kind).where(MemberEvent.kind.like("membership%")))
    assert sorted(ended) == ["membership_bought", "membership_bought", "membership_ended"]
    session.refresh(shop.member)
    assert shop.member.spent_fen == 20_000


def test_a_membership_goes_back_less_what_was_used(
    session: Session, shop: Shop, now: datetime
) -> None:
    """Two months of two coupons: a used one and one that lapsed keep their quarters."""
    template = make_template(session, shop.merchant, valid_days=10)
    plan = make_plan(shop, PlanKind.membership, now, days=60, template_id=template.id, coupons=2)
    order = buy(shop, plan, now)
    plans.give_due(session, shop.merchant.id, now=now)
    first, second = session.scalars(select(Coupon).order_by(Coupon.id)).all()

    def due(at: datetime) -> int:
        return selling.refundable_fen(session, order, now=at)[0]

    assert due(now) == 10_000
    first.state = CouponState.redeemed
    session.flush()
    assert due(now) == 7_500
    assert due(now + timedelta(days=10)) == 5_000
    assert due(now + timedelta(days=60)) == 0
    second.state = CouponState.locked
    session.flush()
    for fen in (7_500, 10_000):
        with pytest.raises(PlanNotRefundable), session.begin_nested():
            refund(shop, order, fen, now)
    second.state = CouponState.issued
    session.flush()
    with pytest.raises(PlanNotRefundable) as told, session.begin_nested():
        refund(shop, order, 7_501, now)
    assert told.value.extra == {"due_fen": 7_500}
    refund(shop, order, 7_500, now)

    term = session.scalars(select(PaidTerm).execution_options(populate_existing=True)).one()
    session.refresh(second)
    assert (second.state, term.state, due(now)) == (CouponState.void, TermState.refunded, 0)
    assert plans.give_due(session, shop.merchant.id, now=now + timedelta(days=31)) == 0
    with pytest.raises(PlanNotRefundable), session.begin_nested():
        refund(shop, order, 7_500, now)


def test_a_pass_keeps_the_part_of_each_use(session: Session, shop: Shop, now: datetime) -> None:
    template = make_template(session, shop.merchant, uses_total=10)
    order = buy(shop, make_plan(shop, PlanKind.card, now, template_id=template.id), now)

    coupon = session.scalars(select(Coupon)).one()
    assert (coupon.uses_left, coupon.source) == (10, "pass")
    coupon.uses_left = 7
    session.flush()
    assert selling.refundable_fen(session, order, now=now) == (
        7_000, "一共 10 次，用掉或过期 3 次，按份扣下；退了就停",
    )  # fmt: skip
    with pytest.raises(PlanNotRefundable), session.begin_nested():
        refund(shop, order, 10_000, now)
    session.refresh(coupon)
    assert coupon.state is CouponState.issued
    refund(shop, order, 7_000, now)

    session.refresh(coupon)
    session.refresh(shop.member)
    assert (coupon.state, order.payment_state) == (CouponState.void, PaymentState.part_refunded)
    assert shop.member.spent_fen - shop.member.refunded_fen == 3_000


def test_what_a_friend_was_given_is_theirs(session: Session, shop: Shop, now: datetime) -> None:
    template = make_template(session, shop.merchant)
    plan = make_plan(shop, PlanKind.membership, now, days=30, template_id=template.id, coupons=2)
    order = buy(shop, plan, now)
    plans.give_due(session, shop.merchant.id, now=now)
    given = session.scalars(select(Coupon).order_by(Coupon.id)).first()
    assert given
    given.member_id = make_member(session, merchant=shop.merchant).id
    session.flush()

    refund(shop, order, 5_000, now)

    session.refresh(given)
    assert given.state is CouponState.issued


STOPPED = (
    {"state": TemplateState.paused},
    {"valid_until": NOW - timedelta(days=1), "valid_days": None},
    {"total_limit": 0},
)


@pytest.mark.parametrize("stopped", STOPPED)
def test_a_coupon_that_was_sold_is_given_though_it_is_given_out_no_more(
    session: Session, shop: Shop, now: datetime, stopped: dict[str, object]
) -> None:
    template = make_template(session, shop.merchant, uses_total=10)
    card = make_plan(shop, PlanKind.card, now, template_id=template.id)
    member = make_plan(shop, PlanKind.membership, now, template_id=template.id, days=9, coupons=2)
    orders = [
        selling.place_plan(session, plan, shop.member, shop.store, key=f"plan-{at}", now=now)[0]
        for at, plan in enumerate((card, member))
    ]
    assert len(plans.list_plans(session, shop.merchant.id, PlanKind.card, now=now)) == 1
    session.execute(update(CouponTemplate).values(stopped))

    for order in orders:
        assert paying.mark_paid(session, order, amount_fen=10_000, now=now)
    plans.give_due(session, shop.merchant.id, now=now)

    given = session.scalars(select(Coupon).order_by(Coupon.id)).all()
    assert [(one.source, one.uses_left) for one in given] == [
        ("pass", 10),
        ("membership", 10),
        ("membership", 10),
    ]
    days = 30 if "valid_until" in stopped else 7
    assert {one.expires_at - now for one in given} == {timedelta(days=days)}
    session.refresh(template)
    assert (template.issued_count, template.left) == (3, 0 if "total_limit" in stopped else None)

    kinds = plans.kinds_sold(session, shop.merchant.id, now=now)
    assert (kinds, plans.list_plans(session, shop.merchant.id, PlanKind.card, now=now)) == (
        set(),
        [],
    )
    place = (session, card, shop.member, shop.store)
    with pytest.raises(plans.PlanNotFound), session.begin_nested():
        selling.place_plan(*place, key="plan-9", now=now)
    again, fresh = selling.place_plan(*place, key="plan-0", now=now)
    assert (again.id, fresh) == (orders[0].id, False)


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        (PlanKind.top_up, {"bonus_fen": 10_001}, "bonus"),
        (PlanKind.membership, {"days": 30}, "template"),
        (PlanKind.card, {}, "template"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    shop: Shop, now: datetime, kind: PlanKind, values: dict[str, object], field: str
) -> None:
    with pytest.raises(offers.PlanInvalid) as refused:
        make_plan(shop, kind, now, **values)

    assert field in refused.value.errors
