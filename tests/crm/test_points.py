"""Points by lot: what comes, what is spent, what lapses, what a refund takes back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import database
from core.audit import AuditEntry
from crm import merging, points, purchases, tiers
from crm.models import (
    BASE_TIER,
    EntryKind,
    Expiry,
    LotState,
    Member,
    MemberEvent,
    PointEntry,
    PointExchange,
    PointGoods,
    PointLot,
)
from crm.points import adjusting, lots, shop
from crm.tiers import Programme, Step, editing
from tests.factories.coupons import make_template
from tests.factories.crm import make_member, make_merchant, make_order_id, make_store

WEEK = timedelta(days=7)


def rules(session: Session, now: datetime, **values: object) -> None:
    wanted = tiers.DEFAULTS._replace(**values)
    editing.write(session, make_merchant(session).id, wanted, now)


def give(session: Session, member: Member, number: int, now: datetime, cause: str = "") -> None:
    serial = session.scalar(select(func.count()).select_from(PointEntry))
    assert points.grant(session, member.id, number, cause=cause or f"t:{serial}", now=now)
    session.refresh(member)


def buy(session: Session, member: Member, fen: int, at: datetime) -> int:
    store = make_store(session)
    order_id = make_order_id(session, member, store, at=at)
    purchases.record_purchase(session, member.id, order_id, store.id, fen, at)
    return order_id


def left(session: Session, member: Member) -> list[tuple[int, str]]:
    found = select(PointLot).where(PointLot.member_id == member.id).order_by(PointLot.id)
    return [(lot.points, lot.state.value) for lot in session.scalars(found.execution_options(
        populate_existing=True))]  # fmt: skip


def in_order(session: Session, member: Member) -> bool:
    ids = range(member.id, member.id + 1)
    return not points.list_unbalanced(session, ids)


def test_a_tier_multiplies_what_a_yuan_earns(session: Session, now: datetime) -> None:
    rules(session, now, steps=(Step("gold", 1, "金", 100, 15_000), Step(BASE_TIER, 0, "叶", 0)))
    member = make_member(session, tier="gold")

    order_id = buy(session, member, 3_399, now)
    purchases.reverse_purchase(session, order_id, 1_400, now)

    session.refresh(member)
    assert member.points_pending == 29  # 19.99 yuan at one and a half
    assert in_order(session, member)


def test_what_lapses_first_is_spent_first(session: Session, now: datetime) -> None:
    rules(session, now, expiry=Expiry.months, expiry_months=2)
    member = make_member(session)
    give(session, member, 30, now)
    give(session, member, 50, now - timedelta(days=40))

    parts = points.take(session, member.id, 60, kind=EntryKind.spent, cause="x", now=now)

    assert left(session, member) == [(20, "available"), (0, "spent")]
    assert parts is not None
    assert [part for _, part in parts] == [50, 10]
    session.refresh(member)
    assert member.points == 20
    assert in_order(session, member)


def test_more_than_there_is_is_refused_and_nothing_changes(session: Session, now: datetime) -> None:
    member = make_member(session)
    give(session, member, 30, now)

    with pytest.raises(points.NotEnoughPoints) as refused:
        points.take(session, member.id, 31, kind=EntryKind.spent, cause="x", now=now)

    assert refused.value.extra == {"points": 30}
    assert left(session, member) == [(30, "available")]
    assert session.scalar(select(func.count()).select_from(PointEntry)) == 1


def test_a_cause_gives_and_takes_once(session: Session, now: datetime) -> None:
    member = make_member(session)
    give(session, member, 30, now, "gift:1")

    assert not points.grant(session, member.id, 30, cause="gift:1", now=now)
    assert points.take(session, member.id, 5, kind=EntryKind.spent, cause="x", now=now)
    assert points.take(session, member.id, 5, kind=EntryKind.spent, cause="x", now=now) is None

    session.refresh(member)
    assert member.points == 25
    assert in_order(session, member)


@pytest.mark.parametrize(
    ("expiry", "values", "lapses"),
    [
        (Expiry.never, {}, None),
        (Expiry.months, {"expiry_months": 3}, datetime(2027, 2, 22, 16, tzinfo=UTC)),
        (Expiry.months, {"expiry_months": 12}, datetime(2027, 11, 22, 16, tzinfo=UTC)),
        (
            Expiry.yearly,
            {"expiry_month": 2, "expiry_day": 31},
            datetime(2027, 2, 28, 16, tzinfo=UTC),
        ),
    ],
)
def test_when_points_lapse(
    now: datetime, expiry: Expiry, values: dict[str, int], lapses: datetime | None
) -> None:
    programme = Programme(tiers.DEFAULTS.steps, expiry=expiry, **values)  # type: ignore[arg-type]

    assert lots.lapses(programme, now) == lapses


def test_points_lapse_on_their_day_and_once(session: Session, now: datetime) -> None:
    rules(session, now, expiry=Expiry.months, expiry_months=1)
    member = make_member(session)
    give(session, member, 30, now)
    points.take(session, member.id, 10, kind=EntryKind.spent, cause="x", now=now)
    over = datetime(2026, 12, 22, 16, tzinfo=UTC)

    assert (
        points.expire_due(session, make_merchant(session).id, now=over - timedelta(seconds=1)) == 0
    )
    assert points.expire_due(session, make_merchant(session).id, now=over) == 1
    assert points.expire_due(session, make_merchant(session).id, now=over) == 0

    session.refresh(member)
    assert (member.points, left(session, member)) == (0, [(0, "expired")])
    assert [line.points for line in points.ledger(session, member.id)] == [-20, -10, 30]
    assert in_order(session, member)


def shown(session: Session, member: Member) -> list[tuple[str, int, int, datetime | None]]:
    lines = points.ledger(session, member.id)
    return [(each.entry.kind.value, each.points, each.pending, each.lands_at) for each in lines]


def test_a_purchase_stands_in_the_ledger_once_at_the_time_it_was_made(
    session: Session, now: datetime
) -> None:
    member, due = make_member(session), now + WEEK
    order_id = buy(session, member, 5_000, now)
    buy(session, member, 3_000, now - timedelta(days=20))  # written later, happened before
    purchases.reverse_purchase(session, order_id, 2_000, now + timedelta(days=1))
    older = ("earned", 0, 30, due - timedelta(days=20))
    gone = ("clawed_back", 0, -20, None)
    assert shown(session, member) == [gone, ("earned", 0, 50, due), older]

    points.release_due(session, now=due)

    assert shown(session, member) == [
        ("clawed_back", -20, 0, None), ("earned", 50, 0, due),
        ("earned", 30, 0, due - timedelta(days=20)),
    ]  # fmt: skip
    session.refresh(member)
    assert member.points == sum(points_ for _, points_, _, _ in shown(session, member)) == 60
    (first, second, third) = points.ledger(session, member.id)
    place = (second.entry.at, second.entry.id)
    assert points.ledger(session, member.id, before=place) == [third]
    assert points.ledger(session, member.id, limit=1) == [first]


def test_what_was_earned_by_a_merged_account_is_released_in_the_others_ledger(
    session: Session, now: datetime
) -> None:
    winner, loser = make_member(session), make_member(session)
    buy(session, loser, 5_000, now)
    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)

    points.release_due(session, now=now + WEEK)

    assert [each[:3] for each in shown(session, winner)] == [("released", 50, 0), ("merged", 0, 50)]


def test_what_is_about_to_lapse_is_told_once(session: Session, now: datetime) -> None:
    rules(session, now, expiry=Expiry.months, expiry_months=1)
    member = make_member(session)
    give(session, member, 30, now)
    give(session, member, 12, now + timedelta(days=1))
    merchant_id, soon = member.merchant_id, now + timedelta(days=20)

    assert points.remind_due(session, merchant_id, 14, now=now) == 0
    assert points.remind_due(session, merchant_id, 14, now=soon) == 1
    assert points.remind_due(session, merchant_id, 14, now=soon) == 0

    told = session.scalars(select(MemberEvent).where(MemberEvent.kind == "points_expiring")).one()
    assert told.data == {"points": 42, "on": "2026-12-22"}


def test_a_refund_takes_other_points_and_then_owes(session: Session, now: datetime) -> None:
    """The rule: the order's own lot, then the next to lapse, then below zero."""
    member = make_member(session)
    order_id = buy(session, member, 10_000, now)
    points.release_due(session, now=now + WEEK)
    give(session, member, 20, now)
    points.take(session, member.id, 90, kind=EntryKind.spent, cause="x", now=now)

    purchases.reverse_purchase(session, order_id, 10_000, now + WEEK)

    session.refresh(member)
    assert member.points == -70
    assert left(session, member) == [(0, "clawed_back"), (0, "spent")]
    assert in_order(session, member)

    give(session, member, 30, now)
    assert (member.points, in_order(session, member)) == (-40, True)
    buy(session, member, 5_000, now)
    points.release_due(session, now=now + WEEK)
    session.refresh(member)
    assert (member.points, in_order(session, member)) == (10, True)
    assert left(session, member)[-1] == (10, "available")


def test_points_of_an_order_come_back_where_they_were(session: Session, now: datetime) -> None:
    member = make_member(session)
    give(session, member, 100, now)
    order_id = make_order_id(session, member, make_store(session))

    points.hold_for(session, member.id, order_id, 60, now=now)
    session.refresh(member)
    assert member.points == 40
    assert points.spend_held(session, order_id)
    assert not points.spend_held(session, order_id)
    assert points.give_back(session, order_id, part=1, whole=3, now=now) == 20
    assert points.give_back(session, order_id, part=1, whole=3, now=now) == 0
    assert points.give_back(session, order_id, part=3, whole=3, now=now) == 40

    session.refresh(member)
    assert (member.points, left(session, member)) == (100, [(100, "available")])
    assert in_order(session, member)


def test_what_comes_back_late_gets_a_week(session: Session, now: datetime) -> None:
    rules(session, now, expiry=Expiry.months, expiry_months=1)
    member = make_member(session)
    give(session, member, 50, now)
    order_id = make_order_id(session, member, make_store(session))
    points.hold_for(session, member.id, order_id, 50, now=now)
    late = now + timedelta(days=60)

    points.give_back(session, order_id, part=1, whole=1, now=late)

    back = session.scalars(select(PointLot).where(PointLot.state == LotState.available)).one()
    assert (back.points, back.expires_at) == (50, late + WEEK)
    assert in_order(session, member)


def test_a_merge_pays_what_one_of_them_owed(session: Session, now: datetime) -> None:
    winner, loser = make_member(session), make_member(session)
    give(session, winner, 50, now)
    order_id = buy(session, loser, 3_000, now)
    points.release_due(session, now=now + WEEK)
    points.take(session, loser.id, 30, kind=EntryKind.spent, cause="x", now=now)
    purchases.reverse_purchase(session, order_id, 3_000, now + WEEK)

    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now + WEEK)

    session.refresh(winner)
    session.refresh(loser)
    assert (winner.points, loser.points) == (20, 0)
    assert in_order(session, winner)
    assert in_order(session, loser)


def test_staff_adjust_within_a_limit_and_with_a_reason(session: Session, now: datetime) -> None:
    member = make_member(session)
    by = {"actor": "staff:1", "now": now}

    assert adjusting.adjust(session, member, 1_000, reason="补偿", key="a", owner=False, **by)
    assert not adjusting.adjust(session, member, 1_000, reason="补偿", key="a", owner=False, **by)
    other = make_member(session)
    with pytest.raises(adjusting.TooManyToAdjust) as refused, session.begin_nested():
        adjusting.adjust(session, other, 1, reason="补偿", key="a", owner=False, **by)
    with pytest.raises(adjusting.ReasonNeeded):
        adjusting.adjust(session, member, 1, reason=" ", key="c", owner=True, **by)
    by["now"] = now + timedelta(days=1)
    assert adjusting.adjust(session, member, -400, reason="发错了", key="d", owner=False, **by)
    left_ = {
        owner: adjusting.left_today(session, member.merchant_id, owner=owner, **by)
        for owner in (False, True)
    }

    session.refresh(member)
    session.refresh(other)
    assert (member.points, other.points, refused.value.extra["left"]) == (600, 0, 0)
    assert left_ == {False: 600, True: 9_600}
    entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "points.adjust")).all()
    assert [(entry.after, entry.reason) for entry in entries] == [
        ({"points": 1_000}, "补偿"),
        ({"points": -400}, "发错了"),
    ]
    assert in_order(session, member)


def test_points_buy_a_coupon_once_each(session: Session, now: datetime) -> None:
    merchant, member = make_merchant(session), make_member(session)
    goods = PointGoods(
        merchant_id=merchant.id,
        template_id=make_template(session, merchant).id,
        points=40,
        left=5,
        created_at=now,
    )
    session.add(goods)
    give(session, member, 100, now)

    coupon = shop.exchange(session, merchant.id, member.id, goods.id, now=now)

    assert coupon.member_id == member.id
    with pytest.raises(shop.EnoughExchanged):
        shop.exchange(session, merchant.id, member.id, goods.id, now=now)
    session.refresh(member)
    session.refresh(goods)
    assert (member.points, goods.left) == (60, 4)
    (offer,) = shop.offers(session, merchant.id, member.id)
    assert offer.taken == 1
    assert session.scalars(select(PointExchange.coupon_id)).all() == [coupon.id]


def test_what_two_accounts_bought_counts_for_the_one_they_become(
    session: Session, now: datetime
) -> None:
    merchant = make_merchant(session)
    winner, loser = make_member(session), make_member(session)
    template_id = make_template(session, merchant).id
    goods = PointGoods(
        merchant_id=merchant.id,
        template_id=template_id,
        points=40,
        per_member=2,
        created_at=now,
    )
    session.add(goods)
    for member in (winner, loser):
        give(session, member, 100, now)
        shop.exchange(session, merchant.id, member.id, goods.id, now=now)

    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)

    numbers = select(PointExchange.member_id, PointExchange.number).order_by(PointExchange.id)
    assert session.execute(numbers).all() == [(winner.id, 1), (winner.id, 2)]
    with pytest.raises(shop.EnoughExchanged):
        shop.exchange(session, merchant.id, winner.id, goods.id, now=now)


@pytest.mark.parametrize(("left_", "on_sale"), [(0, True), (5, False)])
def test_what_is_gone_or_off_sale_costs_nothing(
    session: Session, now: datetime, left_: int, on_sale: bool
) -> None:
    merchant, member = make_merchant(session), make_member(session)
    template = make_template(session, merchant)
    goods = PointGoods(
        merchant_id=merchant.id, template_id=template.id, points=40, left=left_,
        on_sale=on_sale, created_at=now,
    )  # fmt: skip
    session.add(goods)
    give(session, member, 100, now)

    with pytest.raises((shop.GoodsGone, shop.GoodsNotFound)):
        shop.exchange(session, merchant.id, member.id, goods.id, now=now)

    session.refresh(member)
    assert member.points == 100


ACTS = st.lists(
    st.tuples(st.sampled_from(["buy", "refund", "give", "take", "lapse", "order"]),
              st.integers(1, 120)),
    max_size=14,
)  # fmt: skip


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(acts=ACTS)
def test_books_and_lots_agree_whatever_happens(app: object, acts: list[tuple[str, int]]) -> None:
    now = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
    with database.Session(database.db.engine, expire_on_commit=False) as session:
        rules(session, now, expiry=Expiry.months, expiry_months=1)
        member, bought = make_member(session), []
        for number, (act, size) in enumerate(acts):
            now += timedelta(days=4)
            points.release_due(session, now=now)
            if act == "buy":
                bought.append((buy(session, member, size * 100, now), size * 100))
            elif act == "refund" and bought:
                order_id, fen = bought.pop(0)
                purchases.reverse_purchase(session, order_id, max(fen // 2, 1), now)
            elif act == "give":
                points.grant(session, member.id, size, cause=f"{number}", now=now)
            elif act == "lapse":
                points.expire_due(session, make_merchant(session).id, now=now)
            elif member.points >= size and act == "take":
                points.take(
                    session, member.id, size, kind=EntryKind.spent, cause=f"{number}", now=now
                )
            elif member.points >= size:
                order_id = make_order_id(session, member, make_store(session))
                points.hold_for(session, member.id, order_id, size, now=now)
                points.give_back(session, order_id, part=size % 3, whole=2, now=now)
            session.refresh(member)
            assert in_order(session, member), acts[: number + 1]
        session.rollback()
