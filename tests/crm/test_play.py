"""Signing in, drawing lots, bringing a friend."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from coupons.models import Coupon
from crm import merging, phones, points, purchases
from crm.models import (
    Draw,
    GrowthEntry,
    Lottery,
    Member,
    Prize,
    PrizeKind,
    ReferralRules,
    ReferralState,
    SignIn,
    SignRules,
)
from crm.play import drawing, referring, signing_in
from tests.factories.campaigns import make_identity
from tests.factories.coupons import make_template
from tests.factories.crm import make_member, make_merchant, make_order_id, make_store
from tests.factories.merchants import make_staff

DAY = timedelta(days=1)


def sign_rules(session: Session, **values: object) -> SignRules:
    row = {"points": 2, "milestones": [], **values}
    rules = SignRules(merchant_id=make_merchant(session).id, **row)
    session.add(rules)
    session.flush()
    return rules


def test_once_a_day_and_more_on_the_days_that_count(session: Session, now: datetime) -> None:
    merchant, member = make_merchant(session), make_member(session)
    template = make_template(session, merchant, per_member_limit=9)
    sign_rules(session, growth=1, milestones=[[3, 10, 0], [7, 30, template.id]])

    signed = [
        signing_in.sign_in(session, merchant.id, member.id, now=now + DAY * day) for day in range(8)
    ]

    assert [(each.streak, each.points, each.coupon) for each in signed] == [
        (1, 2, False), (2, 2, False), (3, 12, False), (4, 2, False), (5, 2, False),
        (6, 2, False), (7, 32, True), (8, 2, False),
    ]  # fmt: skip
    with pytest.raises(signing_in.SignedAlready):
        signing_in.sign_in(session, merchant.id, member.id, now=now + DAY * 7)
    session.refresh(member)
    assert member.points == 56
    assert session.scalar(select(func.sum(GrowthEntry.growth))) == 8
    assert session.scalar(select(func.count(Coupon.id))) == 1


def test_a_missed_day_begins_anew(session: Session, now: datetime) -> None:
    merchant, member = make_merchant(session), make_member(session)
    sign_rules(session)

    for day in (0, 1, 3):
        signing_in.sign_in(session, merchant.id, member.id, now=now + DAY * day)

    assert session.scalars(select(SignIn.streak).order_by(SignIn.day)).all() == [1, 2, 1]


def test_a_shop_that_has_none_refuses(session: Session, now: datetime) -> None:
    merchant, member = make_merchant(session), make_member(session)
    with pytest.raises(signing_in.SignInOff):
        signing_in.sign_in(session, merchant.id, member.id, now=now)
    sign_rules(session, is_on=False)
    with pytest.raises(signing_in.SignInOff):
        signing_in.sign_in(session, merchant.id, member.id, now=now)
    assert session.scalar(select(func.count(SignIn.id))) == 0


def make_lottery(
    session: Session, now: datetime, *prizes: Prize, cost: int = 0, per_day: int = 3
) -> Lottery:
    lottery = Lottery(
        merchant_id=make_merchant(session).id, name="周年转盘", points=cost, per_day=per_day,
        starts_at=now - DAY, ends_at=now + DAY,
    )  # fmt: skip
    return drawing.create(session, lottery, prizes, actor="staff:1", now=now)


def prize(odds_bp: int, stock: int, **values: object) -> Prize:
    return Prize(
        **{"kind": PrizeKind.text, "name": "一杯茶", **values}, odds_bp=odds_bp, stock=stock
    )


def test_a_draw_is_settled_before_it_is_drawn(session: Session, now: datetime) -> None:
    lottery = make_lottery(session, now, prize(2_500, 99), prize(2_500, 99, name="贴纸"))
    shown = lottery.seed_hash
    member = make_member(session)

    drawn, won = drawing.draw(session, lottery.merchant_id, member.id, lottery.id, now=now)

    assert drawn.ticket == f"{member.no}:20261122:1"
    assert drawn.roll == drawing.roll_of(lottery.seed, drawn.ticket)
    assert hashlib.sha256(lottery.seed.encode()).hexdigest() == shown
    expected = drawing.prize_at(drawing.prizes_of(session, lottery.id), drawn.roll)
    assert (won and won.id) == (expected and expected.id) == drawn.prize_id


def test_the_odds_are_what_is_published() -> None:
    prizes = [Prize(position=n, odds_bp=odds) for n, odds in enumerate((100, 1_900, 3_000))]
    drawn = [drawing.prize_at(prizes, drawing.roll_of("a seed", f"m:{n}")) for n in range(20_000)]

    won = [sum(1 for each in drawn if each is prize_) for prize_ in (*prizes, None)]

    # Chi-square, three degrees of freedom: one seed in a thousand is over 16.3; this one is fixed.
    expected = [200, 3_800, 6_000, 10_000]
    assert sum((a - b) ** 2 / b for a, b in zip(won, expected, strict=True)) < 16.3


@settings(max_examples=15)
@given(seed=st.text(min_size=1, max_size=20), odds=st.lists(st.integers(500, 2_500), max_size=4))
def test_whatever_the_seed_draws_are_as_published(seed: str, odds: list[int]) -> None:
    prizes = [Prize(position=n, odds_bp=each, stock_left=9) for n, each in enumerate(odds)]
    number = 3_000
    won = [0] * (len(odds) + 1)
    for ticket in range(number):
        prize_ = drawing.prize_at(prizes, drawing.roll_of(seed, f"m:{ticket}"))
        won[prize_.position if prize_ else -1] += 1

    published = [*odds, drawing.WHOLE_BP - sum(odds)]
    for drawn, odds_bp in zip(won, published, strict=True):
        expected = number * odds_bp / drawing.WHOLE_BP
        assert abs(drawn - expected) <= 6 * max(expected, 1) ** 0.5


def test_a_prize_that_ran_out_has_no_odds_and_nothing_has_them(
    session: Session, now: datetime
) -> None:
    lottery = make_lottery(session, now, prize(10_000, 1), per_day=2)
    member = make_member(session)
    by = (session, lottery.merchant_id, member.id, lottery.id)
    assert drawing.odds_now(drawing.prizes_of(session, lottery.id)) == [10_000]

    assert drawing.draw(*by, now=now)[1] is not None
    session.expire_all()
    assert drawing.odds_now(drawing.prizes_of(session, lottery.id)) == [0]
    assert drawing.draw(*by, now=now)[1] is None


def test_a_day_begins_at_midnight_in_the_shops_zone(session: Session, now: datetime) -> None:
    merchant, member = make_merchant(session), make_member(session)
    sign_rules(session)
    late = datetime(2026, 11, 22, 15, 59, 59, tzinfo=UTC)

    signed = [
        signing_in.sign_in(session, merchant.id, member.id, now=late + timedelta(seconds=ahead))
        for ahead in (0, 1)
    ]

    assert [each.streak for each in signed] == [1, 2]
    with pytest.raises(signing_in.SignedAlready):
        signing_in.sign_in(session, merchant.id, member.id, now=late + timedelta(hours=24))


def test_no_more_than_there_is_and_points_are_paid(session: Session, now: datetime) -> None:
    template = make_template(session, make_merchant(session), per_member_limit=99)
    tea = prize(10_000, 2, kind=PrizeKind.coupon, template_id=template.id)
    lottery = make_lottery(session, now, tea, cost=10)
    member = make_member(session)
    points.grant(session, member.id, 25, cause="gift", now=now)
    by = (session, lottery.merchant_id, member.id, lottery.id)

    assert drawing.draw(*by, now=now)[1] is not None
    assert drawing.draw(*by, now=now)[1] is not None
    with pytest.raises(points.NotEnoughPoints), session.begin_nested():
        drawing.draw(*by, now=now)
    points.grant(session, member.id, 25, cause="more", now=now)
    assert drawing.draw(*by, now=now)[1] is None
    with pytest.raises(drawing.DrawnEnough):
        drawing.draw(*by, now=now)

    session.refresh(tea)
    assert (tea.stock_left, session.scalar(select(func.count(Coupon.id)))) == (0, 2)
    assert session.scalar(select(func.count(Draw.id))) == 3
    with pytest.raises(drawing.LotteryOver):
        drawing.draw(*by, now=now + DAY)


def test_odds_over_the_whole_are_refused(session: Session, now: datetime) -> None:
    with pytest.raises(drawing.LotteryInvalid):
        make_lottery(session, now, prize(6_000, 1), prize(4_001, 1))
    assert session.scalar(select(func.count(Lottery.id))) == 0


def referral_rules(session: Session, **values: int) -> None:
    row = {"inviter_points": 50, "newcomer_points": 20, "growth": 5, **values}
    session.add(ReferralRules(merchant_id=make_merchant(session).id, **row))
    session.flush()


def buy(session: Session, member: Member, fen: int, at: datetime) -> int:
    store = make_store(session)
    order_id = make_order_id(session, member, store, at=at)
    purchases.record_purchase(session, member.id, order_id, store.id, fen, at)
    return order_id


def test_both_are_rewarded_when_the_first_order_is_safe(session: Session, now: datetime) -> None:
    referral_rules(session)
    inviter, newcomer = make_member(session), make_member(session)
    code = referring.code_of(session, inviter.id)
    assert referring.code_of(session, inviter.id) == code

    referral = referring.accept(session, newcomer, code.lower(), now=now)
    assert referring.accept(session, newcomer, code, now=now).id == referral.id
    buy(session, newcomer, 2_000, now)
    referring.settle_due(session, make_merchant(session).id, now=now + DAY * 6)
    assert referral.state is ReferralState.waiting
    for _ in range(2):
        referring.settle_due(session, make_merchant(session).id, now=now + DAY * 7)

    session.refresh(inviter)
    session.refresh(newcomer)
    assert (referral.state, inviter.points, newcomer.points) == (ReferralState.rewarded, 50, 20)
    assert session.scalars(select(GrowthEntry.growth)).all() == [5]


def test_an_order_that_was_given_back_brings_nothing(session: Session, now: datetime) -> None:
    referral_rules(session)
    inviter, newcomer = make_member(session), make_member(session)
    referral = referring.accept(session, newcomer, referring.code_of(session, inviter.id), now=now)
    order_id = buy(session, newcomer, 2_000, now)
    purchases.reverse_purchase(session, order_id, 2_000, now)

    referring.settle_due(session, make_merchant(session).id, now=now + DAY * 8)

    assert referral.state is ReferralState.waiting


@pytest.mark.parametrize("why", ["self", "not_new", "staff"])
def test_who_may_not_be_brought(session: Session, now: datetime, why: str) -> None:
    referral_rules(session)
    inviter, newcomer = make_member(session), make_member(session)
    code = referring.code_of(session, inviter.id)
    if why == "not_new":
        newcomer.first_paid_at = now
    if why == "staff":
        make_staff(session, make_merchant(session)).person_id = inviter.person_id
    session.flush()

    with pytest.raises(referring.InviteRefused) as refused:
        referring.accept(session, inviter if why == "self" else newcomer, code, now=now)

    assert refused.value.extra == {"why": why}
    assert referring.list_referrals(session, inviter.merchant_id) == []


def test_many_in_a_day_wait_for_somebody_and_a_month_has_a_cap(
    session: Session, now: datetime
) -> None:
    referral_rules(session, held_over_a_day=2, most_a_month=2)
    inviter = make_member(session)
    code = referring.code_of(session, inviter.id)
    brought = []
    for _ in range(4):
        newcomer = make_member(session)
        brought.append(referring.accept(session, newcomer, code, now=now))
        buy(session, newcomer, 2_000, now)
    by = {"actor": "staff:1", "now": now}
    assert [each.state.value for each in brought] == ["waiting", "waiting", "held", "held"]

    assert referring.decide(session, brought[2], fair=True, **by)
    assert not referring.decide(session, brought[2], fair=False, **by)
    assert referring.decide(session, brought[3], fair=False, **by)
    referring.settle_due(session, make_merchant(session).id, now=now + DAY * 7)

    assert [(each.state.value, each.reason) for each in brought] == [
        ("rewarded", ""), ("rewarded", ""), ("refused", "cap"), ("refused", "by_hand"),
    ]  # fmt: skip
    session.refresh(inviter)
    assert inviter.points == 100


def test_one_phone_for_both_waits_for_somebody(session: Session, now: datetime) -> None:
    referral_rules(session)
    inviter = make_member(session)
    code = referring.code_of(session, inviter.id, device="phone-of-aqing")

    def brought(device: str) -> tuple[str, str]:
        found = referring.accept(session, make_member(session), code, device=device, now=now)
        return found.state.value, found.reason

    assert brought("phone-of-aqing") == ("held", "same_device")
    assert brought("phone-of-xiaoman") == ("waiting", "")
    assert brought("phone-of-xiaoman") == ("held", "same_device")
    assert brought("") == ("waiting", "")
    assert referring.count_by_state(session, inviter.merchant_id)[ReferralState.held] == 2


def test_a_number_that_was_the_inviters_is_looked_at(session: Session, now: datetime) -> None:
    referral_rules(session)
    inviter, newcomer, other = (make_member(session) for _ in range(3))
    for member in (inviter, newcomer, other):
        make_identity(session, member)
    code = referring.code_of(session, inviter.id)
    first, second = (referring.accept(session, each, code, now=now) for each in (newcomer, other))
    phones.verify(session, inviter, "13812343097", now=now)

    phones.verify(session, newcomer, "13812343097", now=now)

    session.refresh(first)
    session.refresh(second)
    assert (first.state, first.reason) == (ReferralState.held, "same_phone")
    assert second.state is ReferralState.waiting


def test_one_wallet_is_held_until_somebody_lets_it_pass(session: Session, now: datetime) -> None:
    referral_rules(session)
    inviter, newcomer = make_member(session), make_member(session)
    referral = referring.accept(session, newcomer, referring.code_of(session, inviter.id), now=now)
    buy(session, newcomer, 2_000, now)
    late = now + DAY * 7

    for _ in range(2):
        referring.settle_due(
            session, make_merchant(session).id, now=late, same_payer=lambda *_: True
        )
    assert (referral.state, referral.reason) == (ReferralState.held, "same_payer")
    assert referring.decide(session, referral, fair=True, actor="staff:1", now=late)
    referring.settle_due(session, make_merchant(session).id, now=late, same_payer=lambda *_: True)

    assert referral.state is ReferralState.rewarded


def test_a_merged_account_cannot_invite_itself(session: Session, now: datetime) -> None:
    referral_rules(session)
    me, old = make_member(session), make_member(session)
    code = referring.code_of(session, old.id)
    merging.merge(session, winner_id=me.id, loser_id=old.id, now=now)

    with pytest.raises(referring.InviteRefused) as refused:
        referring.accept(session, me, code, now=now)

    assert refused.value.extra == {"why": "self"}


def test_two_friends_do_not_bring_each_other_and_a_few_fen_are_no_order(
    session: Session, now: datetime
) -> None:
    referral_rules(session)
    one, two = make_member(session), make_member(session)
    its, theirs = (referring.code_of(session, member.id) for member in (one, two))
    referral = referring.accept(session, two, its, now=now)
    with pytest.raises(referring.InviteRefused) as refused:
        referring.accept(session, one, theirs, now=now)
    assert refused.value.extra["why"] == "mutual"

    buy(session, two, 499, now)
    referring.settle_due(session, make_merchant(session).id, now=now + DAY * 8)
    session.refresh(referral)
    assert referral.state is ReferralState.waiting

    buy(session, two, 500, now)
    referring.settle_due(session, make_merchant(session).id, now=now + DAY * 8)
    session.refresh(referral)
    session.refresh(one)
    session.refresh(two)
    assert (referral.state, one.points, two.points) == (ReferralState.rewarded, 50, 20)
