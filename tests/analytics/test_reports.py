"""Figures tie to the rows they are summed from."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from analytics import campaigns as reports
from analytics import day, measuring, members, profit, templates
from analytics.lift import compare
from catalogue import costs
from catalogue.errors import CostInvalid
from catalogue.models import Option, OptionGroup, Sku
from catalogue.pricing import PricedOption
from core.audit import AuditEntry
from core.clock import business_day
from coupons import locking, redemption
from coupons.models import CouponState
from crm.campaigns import queries, tallies
from crm.models import (
    Arm,
    Campaign,
    CampaignState,
    CampaignWave,
    Purchase,
    Recipient,
    RecipientState,
)
from merchants.models import Merchant, Store
from orders.models import (
    DiscountKind,
    LineKind,
    Order,
    OrderDiscount,
    OrderLine,
    OrderState,
    PaymentState,
)
from tests.factories.campaigns import make_campaign
from tests.factories.catalogue import make_group, make_product, make_sku
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member, make_merchant, make_purchase
from tests.factories.merchants import make_staff, make_store
from tests.factories.orders import make_order

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)  # in Shanghai
MIDNIGHT = datetime(2026, 11, 21, 16, 0, tzinfo=UTC)


@pytest.fixture
def merchant(session: Session) -> Merchant:
    return make_merchant(session)


@pytest.fixture
def store(session: Session, merchant: Merchant) -> Store:
    return make_store(session, merchant)


def paid(session: Session, store: Store, at: datetime, fen: int, **values: Any) -> Order:
    member = make_member(session, merchant=session.get_one(Merchant, store.merchant_id))
    return make_order(
        session,
        member,
        store,
        payable_fen=fen,
        paid_fen=fen,
        paid_at=at,
        **{"payment_state": PaymentState.paid, "state": OrderState.completed, **values},
    )


def test_a_day_is_the_shops_day_and_only_its_stores(session: Session, store: Store) -> None:
    other = make_store(session, session.get_one(Merchant, store.merchant_id))
    paid(session, store, MIDNIGHT - timedelta(microseconds=1), 100)
    paid(session, store, MIDNIGHT, 1_000)
    paid(session, store, NOON, 2_500, refunded_fen=500, payment_state=PaymentState.part_refunded)
    paid(session, other, NOON, 7_777)
    paid(session, store, NOON, 9_999, payment_state=PaymentState.unpaid)

    found = day.takings(session, [store.id], MIDNIGHT, NOON + timedelta(seconds=1))

    assert (found.orders, found.fen, found.refunded_fen) == (2, 3_000, 500)
    assert found.average_fen == 1_500
    assert day.takings(session, [], MIDNIGHT, NOON).fen == 0


def test_a_top_up_is_no_sale_what_is_bought_with_it_is(session: Session, store: Store) -> None:
    paid(session, store, NOON, 10_000, kind=LineKind.top_up)
    paid(session, store, NOON, 2_000)  # by stored value
    paid(session, store, NOON, 9_900, kind=LineKind.membership)
    paid(session, store, NOON, 1_234, kind=LineKind.amount)

    found = day.takings(session, [store.id], MIDNIGHT, NOON + timedelta(seconds=1))

    assert (found.orders, found.fen, found.average_fen) == (3, 13_134, 4_378)
    assert day.days(session, [store.id], business_day(NOON), 7)[-1][1:] == (13_134, 3)
    assert sum(day.hours(session, [store.id], NOON)) == 13_134


def test_what_was_cancelled_or_refunded_whole_is_no_order_and_not_in_the_average(
    session: Session, store: Store
) -> None:
    whole = {"refunded_fen": 2_600, "payment_state": PaymentState.refunded}
    paid(session, store, NOON, 1_000)
    paid(session, store, NOON, 2_000, refunded_fen=500, payment_state=PaymentState.part_refunded)
    paid(session, store, NOON, 2_600, **whole)
    paid(session, store, NOON, 2_600, state=OrderState.cancelled, **whole)
    paid(session, store, NOON, 4_000, state=OrderState.cancelled)  # its refund is on the way

    found = day.takings(session, [store.id], MIDNIGHT, NOON + timedelta(seconds=1))
    week = day.days(session, [store.id], business_day(NOON), 7)

    assert (found.orders, found.average_fen) == (2, 1_250)
    assert (found.fen, found.refunded_fen) == (6_500, 5_700)
    assert week[-1][1:] == (6_500, 2)


def test_offers_cost_what_all_of_them_took_off_orders_that_stand(
    session: Session, merchant: Merchant, store: Store
) -> None:
    coupon = make_coupon(session, make_member(session), make_template(session, merchant, name="券"))
    coupon.state, coupon.store_id = CouponState.redeemed, store.id
    coupon.redeemed_at, coupon.discount_fen = NOON, 800
    for state, payment in (
        (OrderState.completed, PaymentState.paid),
        (OrderState.cancelled, PaymentState.paid),
        (OrderState.completed, PaymentState.refunded),
    ):
        paid(session, store, NOON, 4_700, state=state, payment_state=payment)
        order = session.scalars(select(Order).order_by(Order.id.desc())).first()
        assert order is not None
        for position, (kind, name, fen) in enumerate(
            ((DiscountKind.promotion, "满 40 减 5", 500), (DiscountKind.coupon, "券", 800))
        ):
            session.add(
                OrderDiscount(
                    order_id=order.id,
                    position=position,
                    kind=kind,
                    ref_id=1,
                    name=name,
                    amount_fen=fen,
                    per_line=[fen],
                )
            )
    session.flush()

    costs = day.offer_costs(session, [store.id], MIDNIGHT, NOON + timedelta(seconds=1))

    assert [(cost.name, cost.times, cost.fen) for cost in costs] == [
        ("券", 1, 800),
        ("满 40 减 5", 1, 500),
    ]


def test_a_week_is_seven_days_also_those_without_an_order(session: Session, store: Store) -> None:
    for at, fen in (
        (MIDNIGHT - timedelta(seconds=1), 300),
        (MIDNIGHT, 100),
        (MIDNIGHT + timedelta(hours=23, minutes=59), 20),
        (MIDNIGHT + timedelta(days=1), 7_000),
        (MIDNIGHT - timedelta(days=7), 9_000),
    ):
        paid(session, store, at, fen)
    today = business_day(NOON)

    week = day.days(session, [store.id], today, 7)

    assert [one for one, _, _ in week] == [
        today - timedelta(days=back) for back in range(6, -1, -1)
    ]
    assert [(fen, orders) for _, fen, orders in week] == [(0, 0)] * 5 + [(300, 1), (120, 2)]


def test_the_hours_add_up_to_the_day(session: Session, store: Store) -> None:
    for hour, fen in ((0, 100), (8, 800), (8, 50), (23, 2_300)):
        paid(session, store, MIDNIGHT + timedelta(hours=hour, minutes=59), fen)

    hours = day.hours(session, [store.id], NOON)

    assert {hour: fen for hour, fen in enumerate(hours) if fen} == {0: 100, 8: 850, 23: 2_300}
    whole_day = day.takings(session, [store.id], MIDNIGHT, MIDNIGHT + timedelta(days=1))
    assert sum(hours) == whole_day.fen


def test_waiting_counts_what_is_paid_and_not_accepted(session: Session, store: Store) -> None:
    paid(session, store, NOON, 100, state=OrderState.placed)
    paid(session, store, NOON - timedelta(minutes=3), 100, state=OrderState.placed)
    paid(session, store, NOON, 100, state=OrderState.accepted)

    assert day.waiting(session, [store.id]) == (2, NOON - timedelta(minutes=3))
    assert day.waiting(session, [store.id + 99]) == (0, None)


def test_coupons_cost_what_they_took_off_and_may_still_cost_their_face(
    session: Session, merchant: Merchant, store: Store
) -> None:
    amount = make_template(session, merchant, name="减 12", face_fen=1_200)
    percent = make_template(session, merchant, name="85 折", off_bp=1_500, cap_fen=2_000)
    for template, off in ((amount, 1_200), (amount, 1_200), (percent, 730)):
        coupon = make_coupon(session, make_member(session), template)
        coupon.state, coupon.store_id = CouponState.redeemed, store.id
        coupon.redeemed_at, coupon.discount_fen = NOON, off
    for template in (amount, percent):
        make_coupon(session, make_member(session), template)
    session.flush()

    costs = day.offer_costs(session, [store.id], MIDNIGHT, NOON + timedelta(seconds=1))
    owed = day.liability(session, merchant.id, NOON)
    used = templates.usage(session, [amount.id, percent.id, 0])

    assert [(cost.name, cost.times, cost.fen) for cost in costs] == [
        ("减 12", 2, 2_400),
        ("85 折", 1, 730),
    ]
    assert (owed.coupons, owed.fen) == (2, 3_200)
    assert (used[amount.id].issued, used[amount.id].redeemed, used[amount.id].cost_fen) == (
        3,
        2,
        2_400,
    )
    assert used[0].issued == 0


@pytest.fixture
def campaign(session: Session) -> Campaign:
    """Launched two days ago."""
    campaign = make_campaign(session)
    campaign.state, campaign.launched_at = CampaignState.running, NOON - timedelta(days=2)
    session.flush()
    return campaign


def person(
    session: Session,
    campaign: Campaign,
    store: Store,
    arm: Arm,
    *spent: tuple[int, float],
    state: RecipientState = RecipientState.sent,
    reason: str | None = None,
) -> None:
    """Somebody on the list, with (fen, days after the launch) of what they bought."""
    member = make_member(session, merchant=session.get_one(Merchant, campaign.merchant_id))
    session.add(
        Recipient(
            campaign_id=campaign.id,
            member_id=member.id,
            arm=arm,
            state=RecipientState.skipped if arm is not Arm.reach else state,
            skip_reason="holdout" if arm is Arm.holdout else reason,
            state_at=NOON,
        )
    )
    session.flush()
    tallies.recount(session, campaign.id)
    assert campaign.launched_at is not None
    for fen, days in spent:
        at = campaign.launched_at + timedelta(days=days)
        make_purchase(session, member, store, amount_fen=fen, at=at)


def test_a_report_counts_by_intention_to_treat(
    session: Session, store: Store, campaign: Campaign
) -> None:
    person(session, campaign, store, Arm.reach, (3_000, 0.5), (1_000, 1.5))
    person(session, campaign, store, Arm.reach, (500, -1), state=RecipientState.failed)
    person(session, campaign, store, Arm.reach, state=RecipientState.unknown)
    person(session, campaign, store, Arm.holdout, (1_000, 1))
    person(session, campaign, store, Arm.none, (9_000, 1), reason="no_window")

    found = reports.spending(session, campaign, NOON)
    sent = queries.progress(session, campaign)

    assert found is not None
    assert (found.reached.people, found.reached.buyers, found.reached.total) == (3, 1, 4_000)
    assert found.reached.squares == pytest.approx(16_000_000)
    assert found.reached.cubes == pytest.approx(64_000_000_000)
    assert found.profit is None
    assert (found.held.people, found.held.total) == (1, 1_000)
    assert not found.lift.enough
    assert (sent.audience, sent.reach, sent.held_out) == (5, 3, 1)
    assert sent.skipped == {"no_window": 1}
    assert sent.count(RecipientState.failed, RecipientState.unknown) == 2


def test_a_campaigns_coupons_bring_what_orders_paid_and_bills_left(
    session: Session, merchant: Merchant, store: Store, campaign: Campaign
) -> None:
    template = make_template(session, merchant, off_bp=1_500)
    used = []
    for bill_fen, off_fen in ((10_000, 1_500), (None, 800), (None, 500)):
        coupon = make_coupon(session, make_member(session), template)
        coupon.campaign_id, coupon.state = campaign.id, CouponState.redeemed
        coupon.bill_fen, coupon.discount_fen = bill_fen, off_fen
        used.append(coupon)
    paid(session, store, NOON, 3_000, coupon_id=used[-1].id)
    used[-1].order_id = session.scalars(select(Order.id)).one()
    unused = make_coupon(session, make_member(session), template)
    unused.campaign_id = campaign.id
    session.flush()

    found = reports.redemption(session, campaign.id)

    assert (found.issued, found.redeemed, found.ended, found.uses) == (4, 3, 3, 3)
    assert (found.cost_fen, found.revenue_fen) == (2_800, 8_500 + 3_000)


def test_coupons_of_several_uses_count_their_uses_and_themselves(
    session: Session, merchant: Merchant, store: Store, campaign: Campaign
) -> None:
    """Three uses: one in an order, one in an order that came back, one at the counter."""
    template = make_template(session, merchant, uses_total=5, min_spend_fen=0, face_fen=300)
    clerk = make_staff(session, merchant, stores=(store,))
    member = make_member(session)
    cards = [make_coupon(session, member, template, now=NOON) for _ in range(2)]
    for card in cards:
        card.campaign_id = campaign.id
    for fen in (2_000, 4_000):
        order = paid(session, store, NOON, fen)
        locking.lock(session, cards[0], order.id, NOON, discount_fen=300)
        assert locking.redeem_locked(session, order.id, store.id, NOON)
    locking.give_back(session, order.id, NOON)
    order.refunded_fen = order.paid_fen
    redemption.redeem(
        session, cards[0].code, store_id=store.id, staff_id=clerk.id, key="tap", now=NOON
    )
    session.flush()

    found = reports.redemption(session, campaign.id)

    assert (found.issued, found.redeemed, found.ended, found.uses) == (2, 1, 0, 2)
    assert (found.cost_fen, found.revenue_fen) == (600, 2_000)
    assert reports.redeemed_of(session, [campaign.id]) == {campaign.id: 1}


def test_spending_counts_for_two_weeks(session: Session, store: Store, campaign: Campaign) -> None:
    person(session, campaign, store, Arm.reach, (100, 13.9), (10_000, 14.1))
    person(session, campaign, store, Arm.holdout)
    launched = campaign.launched_at
    assert launched is not None

    found = reports.spending(session, campaign, launched + timedelta(days=40))

    assert found is not None
    assert found.reached.total == 100
    assert found.until == launched + timedelta(days=14)


def test_running_sums_end_at_the_total(session: Session, store: Store, campaign: Campaign) -> None:
    person(session, campaign, store, Arm.reach, (100, 0.1), (200, 0.2), (300, 1.5))
    person(session, campaign, store, Arm.holdout, (50, 1.9))
    begin = campaign.launched_at
    assert begin is not None

    found = measuring.measure(session, campaign, begin + timedelta(days=2))

    assert len(found.edges) == len(found.part(measuring.REACH).daily) + 1
    assert measuring.running(found.part(measuring.REACH).daily)[-1] == 600
    assert measuring.running(found.part(measuring.HOLDOUT).daily)[-1] == 50
    assert measuring.running([1, 2, 0, 4]) == [1, 3, 3, 7]


def test_profit_takes_goods_coupons_and_messages_off(
    session: Session, store: Store, campaign: Campaign
) -> None:
    person(session, campaign, store, Arm.reach, (4_000, 0.5), state=RecipientState.sent)
    person(session, campaign, store, Arm.reach, state=RecipientState.failed)
    person(session, campaign, store, Arm.holdout, (2_000, 1))
    order = session.scalars(
        select(Order)
        .join(Purchase, Purchase.order_id == Order.id)
        .where(Purchase.amount_fen == 4_000)
    ).one()
    order.discount_fen = 1_000
    profit.say(
        session, campaign.merchant_id, margin_bp=6_000, message_fen=8, actor="staff:1", now=NOON
    )

    found = reports.spending(session, campaign, NOON)

    assert found is not None
    assert found.profit is not None
    # 60 % of 50 yuan less the 10 of the coupon is 20; one message of two people costs 4 fen each.
    reached = (2_000 - 8) / 2
    assert found.profit.point == pytest.approx(reached - 1_200)
    assert found.lift.point == pytest.approx(4_000 / 2 - 2_000)


def line(
    session: Session,
    order: Order,
    fen: int,
    *,
    cost_fen: int | None,
    pieces: int,
    options: Sequence[Option] = (),
) -> None:
    """`pieces` of one thing at `fen` together."""
    store = session.get_one(Store, order.store_id)
    product = make_product(session, store, name=f"茶{fen}")
    sku = make_sku(session, store, product=product)
    sku.cost_fen = cost_fen
    for group in {option.group_id for option in options}:
        session.get_one(OptionGroup, group).product_id = product.id
    session.add(
        OrderLine(
            order_id=order.id,
            position=len(session.scalars(select(OrderLine)).all()),
            sku_id=sku.id,
            product_id=product.id,
            name="茶",
            options=[asdict(PricedOption(o.id, "加料", o.name, o.price_fen)) for o in options],
            quantity=pieces,
            unit_fen=fen // pieces,
            amount_fen=fen,
            payable_fen=fen,
        )
    )
    session.flush()


def test_goods_cost_what_they_cost_and_the_others_the_margin(
    session: Session, store: Store, campaign: Campaign
) -> None:
    person(session, campaign, store, Arm.reach, (4_000, 0.5))
    person(session, campaign, store, Arm.holdout, (2_000, 1))
    orders = {
        purchase.amount_fen: session.get_one(Order, purchase.order_id)
        for purchase in session.scalars(select(Purchase))
    }
    orders[4_000].discount_fen = 1_000
    line(session, orders[4_000], 3_000, cost_fen=450, pieces=2)
    line(session, orders[4_000], 2_000, cost_fen=None, pieces=1)
    line(session, orders[2_000], 2_000, cost_fen=500, pieces=1)
    half = session.scalars(select(Purchase).where(Purchase.amount_fen == 2_000)).one()
    half.refunded_fen = 1_000
    session.flush()
    assert reports.spending(session, campaign, NOON).profit is None  # type: ignore[union-attr]
    who = {"actor": "staff:1", "now": NOON}
    profit.say(session, campaign.merchant_id, margin_bp=6_000, **who)

    found = reports.spending(session, campaign, NOON)

    assert found is not None
    assert found.profit is not None
    # 40 paid, two at 4.50, and 40 % of the other 20; of the half that stayed, half of 5 yuan.
    assert found.profit.point == pytest.approx((4_000 - 900 - 800) - (1_000 - 250))
    assert found.known == pytest.approx(4_000 / 6_000)
    for sku in session.scalars(select(Sku)):
        sku.cost_fen = 100
    session.delete(profit.find(session, campaign.merchant_id))
    session.flush()
    without = reports.spending(session, campaign, NOON)
    assert without is not None
    assert without.profit is not None  # all costs are known: nobody has to say a margin
    assert without.profit.point == pytest.approx((4_000 - 300) - (1_000 - 50))


def options_of(session: Session, store: Store, options: dict[str, int]) -> list[Option]:
    """Options of a product of their own."""
    product = make_product(session, store)
    return make_group(session, product.id, name="加料", least=0, most=9, options=options)[1]


def test_options_cost_what_they_cost_and_the_others_the_margin(
    session: Session, store: Store, campaign: Campaign
) -> None:
    person(session, campaign, store, Arm.reach, (4_000, 0.5))
    person(session, campaign, store, Arm.holdout, (2_000, 1))
    orders = {
        purchase.amount_fen: session.get_one(Order, purchase.order_id)
        for purchase in session.scalars(select(Purchase))
    }
    extras = options_of(session, store, {"珍珠": 300, "椰果": 200, "热": 0})
    pearls, coconut, hot = extras
    pearls.cost_fen = 90
    line(session, orders[4_000], 4_000, cost_fen=450, pieces=2, options=extras)
    plain = options_of(session, store, {"珍珠": 300})
    line(session, orders[2_000], 2_000, cost_fen=500, pieces=1, options=())
    bought = select(OrderLine.product_id).where(OrderLine.order_id == orders[2_000].id)
    offered = session.get_one(OptionGroup, plain[0].group_id)
    offered.product_id = session.scalars(bought).one()  # on offer with it, and not chosen
    plain[0].cost_fen = 1
    who = {"actor": "staff:1", "now": NOON}
    profit.say(session, campaign.merchant_id, margin_bp=6_000, **who)
    session.flush()

    found = reports.spending(session, campaign, NOON)

    assert found is not None
    assert found.profit is not None
    # Two at 4.50 with pearls at 0.90; of the coconut, 2 yuan each, 40 % are costs.
    assert found.profit.point == pytest.approx((4_000 - 1_080 - 160) - (2_000 - 500))
    assert found.known == pytest.approx(5_600 / 6_000)
    said = {coconut.id: 70, pearls.id: 90, hot.id: 5}
    assert costs.say_options(session, store.merchant_id, said, **who) == 2
    session.expire_all()
    assert (coconut.cost_fen, plain[0].cost_fen, hot.cost_fen) == (70, 90, None)


def test_what_is_called_the_same_costs_the_same(session: Session, store: Store) -> None:
    elsewhere = make_store(session, make_merchant(session, code="other"))
    one, other, stranger = (
        options_of(session, where, {"珍珠": 300})[0] for where in (store, store, elsewhere)
    )
    who = {"actor": "staff:1", "now": NOON}

    assert costs.say_options(session, store.merchant_id, {one.id: 90, stranger.id: 1}, **who) == 1
    with pytest.raises(CostInvalid) as refused:
        costs.say_options(session, store.merchant_id, {one.id: -1}, **who)

    session.expire_all()
    assert (one.cost_fen, other.cost_fen, stranger.cost_fen) == (90, 90, None)
    assert list(refused.value.errors) == [f"option_{one.id}"]
    (listed,) = costs.list_option_costs(session, store.merchant_id)
    assert (listed.option_id, listed.group, listed.name, listed.cost_fen) == (
        one.id, "加料", "珍珠", 90,
    )  # fmt: skip
    entry = session.scalars(select(AuditEntry)).one()
    assert entry.after == {"加料 珍珠": "¥0.90"}


def test_costs_are_the_merchants_own_and_on_record(session: Session, store: Store) -> None:
    sku = make_sku(session, store, name="大杯")
    foreign = make_sku(session, make_store(session, make_merchant(session, code="other")))
    who = {"actor": "staff:1", "now": NOON}

    assert costs.say(session, store.merchant_id, {sku.id: 850, foreign.id: 1}, **who) == 1
    with pytest.raises(CostInvalid) as refused:
        costs.say(session, store.merchant_id, {sku.id: -1}, **who)

    assert (sku.cost_fen, foreign.cost_fen) == (850, None)
    assert refused.value.errors == {f"cost_{sku.id}": "成本在 0 到 10 万元之间"}
    assert [one.cost_fen for one in costs.list_costs(session, store.merchant_id)] == [850]
    entry = session.scalars(select(AuditEntry)).one()
    assert list((entry.after or {}).values()) == ["¥8.50"]


def test_what_was_measured_is_kept_and_read_until_it_is_old(
    session: Session, store: Store, campaign: Campaign
) -> None:
    person(session, campaign, store, Arm.reach, (4_000, 0.5))
    person(session, campaign, store, Arm.holdout)
    launched = campaign.launched_at
    assert launched is not None
    soon = launched + timedelta(days=1)
    assert measuring.list_due(session, soon) == [campaign.id]

    measuring.keep(session, campaign, measuring.measure(session, campaign, soon))

    assert measuring.list_due(session, soon) == []
    person(session, campaign, store, Arm.reach, (9_999, 0.7))
    session.flush()
    kept = latest(session, campaign, soon + timedelta(minutes=10))
    assert kept is not None
    assert (kept.part("reach").people, kept.part("reach").revenue.total) == (1, 4_000)
    later = soon + timedelta(minutes=30)
    assert measuring.list_due(session, later) == [campaign.id]
    fresh = latest(session, campaign, later)
    assert fresh is not None
    assert fresh.part("reach").people == 2
    campaign.audience_count = measuring.SMALL + 1  # too many to count while a page waits
    assert latest(session, campaign, later) == kept
    over = launched + timedelta(days=15)
    measuring.keep(session, campaign, measuring.measure(session, campaign, over))
    assert measuring.list_due(session, over + timedelta(days=1)) == []
    final = latest(session, campaign, over + timedelta(days=90))
    assert final is not None
    assert final.part("reach").revenue.total == 13_999


def test_variants_are_compared_without_those_who_waited_for_the_winner(
    session: Session, store: Store, campaign: Campaign
) -> None:
    waves = [
        CampaignWave(campaign_id=campaign.id, due_at=NOON, is_rest=is_rest)
        for is_rest in (False, True)
    ]
    session.add_all(waves)
    session.flush()
    for number in range(240):
        arm = Arm.holdout if number % 4 == 3 else Arm.reach
        fen = (2_000, 6_000, 9_000, 2_000)[number % 4] + number
        person(session, campaign, store, arm, *([(fen, 1.0)] if number % 3 else []))
        last = session.scalars(select(Recipient).order_by(Recipient.id.desc()).limit(1)).one()
        last.variant = (0, 1, 1, 0)[number % 4]
        last.wave_id = waves[number % 4 == 2].id if arm is Arm.reach else None
    session.flush()

    found = measuring.measure(session, campaign, NOON)
    a, b = reports.trials(found)

    assert found.part("reach").people == 180
    assert {no: part.people for no, part in found.tried.items()} == {0: 60, 1: 60}
    assert found.part("reach").revenue.total > found.part("reach:1").revenue.total
    assert (a.no, a.people, a.against_first) == (0, 60, None)
    assert not a.against_held.sure  # it spent as the hold-out did
    assert b.against_held.sure
    assert b.against_first is not None
    assert b.against_first.low > 0
    once = compare(found.part("reach:1").revenue, found.part("reach:0").revenue)
    assert b.against_first.low < once.low
    measuring.keep(session, campaign, found)
    assert measuring.read_many(session, [campaign])[campaign.id] == found


def latest(session: Session, campaign: Campaign, now: datetime) -> measuring.Measured | None:
    return measuring.latest_many(session, [campaign], now).get(campaign.id)


def test_a_margin_has_to_be_one(session: Session, merchant: Merchant) -> None:
    with pytest.raises(profit.AssumptionInvalid) as refused:
        profit.say(
            session, merchant.id, margin_bp=10_000, message_fen=-1, actor="staff:1", now=NOON
        )

    assert sorted(refused.value.errors) == ["margin", "message_cost"]
    assert profit.find(session, merchant.id) is None


def test_a_draft_has_no_report(session: Session) -> None:
    assert reports.spending(session, make_campaign(session, approved=False), NOON) is None


@pytest.mark.parametrize("sort", ["visit", "spent", "orders", "joined"])
def test_a_list_of_members_is_paged_whole_also_past_those_who_never_came(
    session: Session, merchant: Merchant, sort: str
) -> None:
    for number in range(9):
        came = NOON - timedelta(days=number // 2) if number < 5 else None
        make_member(
            session,
            merchant=merchant,
            last_visit_at=came,
            spent_fen=number // 3 * 100,
            orders_count=number % 2,
            joined_at=NOON - timedelta(days=number % 4),
        )
    wanted = members.Wanted(merchant.id, sort=sort)

    seen, cursor = [], ""
    while True:
        page = members.page(session, wanted, cursor=cursor, limit=2)
        seen += [member.id for member, _ in page.items]
        if page.next is None:
            break
        cursor = page.next

    whole = members.page(session, wanted, limit=50)
    assert seen == [member.id for member, _ in whole.items]
    assert len(seen) == members.count(session, wanted) == 9
