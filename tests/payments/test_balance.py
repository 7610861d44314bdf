"""Stored value pays, alone or beside a channel: frozen first, spent once, free when that fails."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from core import clock, database
from core.outbox import enqueue
from core.rows import NotMoved
from crm.balance import NotEnoughBalance
from crm.journeys import drafting
from crm.models import BalanceHold, HoldState, Member, MemberEvent, Plan, PlanKind
from crm.plans import offers
from crm.tiers import editing
from orders.models import Order, OrderState, PaymentState
from orders.selling import place_plan
from payments import attempts, billing, remote, stored
from payments.attempts import Means
from payments.errors import BalanceNotTaken, BalancePartInvalid
from payments.models import AttemptState, BillState, Channel, LedgerEntry
from sandbox.people import openid_of
from tests.factories.journeys import plan, runs_of
from tests.payments.conftest import MINI, Post, Till

BALANCE = Means(Channel.balance)


def top_up(till: Till, *, paid_fen: int = 10_000, bonus_fen: int = 2_000) -> Order:
    """The member has stored 100 yuan and was given 20, paid on the sandbox's phone."""
    order = ordered_top_up(till, paid_fen, bonus_fen)
    till.channel.pay(till.open(order))
    assert till.deliver(till.channel.next_notice()) == 204
    return order


def ordered_top_up(till: Till, paid_fen: int = 10_000, bonus_fen: int = 2_000) -> Order:
    now = clock.now()
    with database.transaction() as session:
        merchant_id = till.store.merchant_id
        editing.set_top_ups(session, merchant_id, True, actor="staff:1", now=now)
        row = {"name": "一档", "price_fen": paid_fen, "bonus_fen": bonus_fen}
        plan = Plan(merchant_id=merchant_id, kind=PlanKind.top_up, **row)
        offers.create(session, plan, actor="staff:1", now=now)
        member = session.get_one(Member, till.member.id)
        order, _ = place_plan(session, plan, member, till.store, key="plan-0001", now=now)
        billing.open_bill(session, order)
        return order


def has(till: Till) -> tuple[int, int]:
    """What the member can spend, and how much of it was given."""
    with database.reading() as session:
        member = session.get_one(Member, till.member.id)
        return member.balance_fen, member.balance_bonus_fen


def holds() -> list[tuple[HoldState, int]]:
    with database.reading() as session:
        found = session.scalars(select(BalanceHold).order_by(BalanceHold.id))
        return [(hold.state, hold.amount_fen) for hold in found]


def assert_books_agree(till: Till) -> None:
    with database.reading() as session:
        assert stored.list_different(session, [till.store.merchant_id]) == []


def mixed(till: Till, balance_fen: int = 1_000) -> Means:
    return replace(till.means, balance_fen=balance_fen)


def test_a_top_up_is_owed_and_no_sale(till: Till) -> None:
    top_up(till)

    assert has(till) == (12_000, 2_000)
    assert till.ledger() == [("channel", 10_000), ("balance", -12_000), ("bonus", 2_000)]
    assert_books_agree(till)


def test_the_balance_pays_at_once_and_nobody_is_asked(till: Till, post: Post) -> None:
    top_up(till)
    order = till.order(11_000)
    path, body = f"orders/{order.no}/payment", {"channel": "balance"}

    answers = [post(path, body=body) for _ in range(2)]

    assert [(a.status_code, a.get_json()) for a in answers] == [
        (200, {"show": "done", "params": {}})
    ] * 2
    paid, [attempt] = till.read(order), till.attempts(order)
    assert (paid.payment_state, paid.paid_fen) == (PaymentState.paid, 11_000)
    assert till.bill(order).state is BillState.paid
    assert (attempt.channel, attempt.state, attempt.balance_fen, attempt.channel_fen) == (
        Channel.balance,
        AttemptState.succeeded,
        11_000,
        0,
    )
    assert has(till) == (1_000, 1_000)
    assert holds() == [(HoldState.spent, 11_000)]
    assert till.ledger()[3:] == [("balance", 11_000), ("sales", -11_000)]
    assert till.queued().count("payments.query_pending") == 1  # of the top-up
    assert till.queued().count("orders.after_paid") == 2
    assert_books_agree(till)


def test_the_balance_pays_a_part_and_wechat_the_rest(till: Till, post: Post) -> None:
    top_up(till)
    order = till.order(2_500)
    body = {"channel": "wechat", "balance_fen": 1_000}

    answer = post(f"orders/{order.no}/payment", body=body)

    assert (answer.status_code, answer.get_json()["show"]) == (200, "sheet")
    assert has(till) == (11_000, 2_000)
    assert holds() == [(HoldState.held, 1_000)]
    assert_books_agree(till)
    till.channel.pay(answer.get_json()["params"])
    assert till.deliver(till.channel.next_notice()) == 204
    [attempt] = till.attempts(order)
    assert till.asked(attempt).amount_fen == 1_500
    assert (till.read(order).paid_fen, attempt.state) == (2_500, AttemptState.succeeded)
    assert holds() == [(HoldState.spent, 1_000)]
    assert till.ledger()[3:] == [("channel", 1_500), ("balance", 1_000), ("sales", -2_500)]
    assert_books_agree(till)


def test_what_was_frozen_is_free_when_the_order_is_cancelled(till: Till) -> None:
    top_up(till)
    order = till.order(2_500)
    till.open(order, mixed(till))

    remote.cancel_order(till.cashier, order.id, actor="member:1", reason="不要了", now=clock.now())

    assert till.read(order).state is OrderState.cancelled
    assert has(till) == (12_000, 2_000)
    assert holds() == [(HoldState.returned, 1_000)]
    assert_books_agree(till)


def test_what_was_frozen_is_free_when_the_attempt_runs_out(till: Till) -> None:
    top_up(till)
    order = till.order(2_500)
    till.open(order, mixed(till))
    [attempt] = till.attempts(order)
    with database.transaction() as session:
        session.merge(attempt).expires_at = clock.now() - timedelta(hours=1)

    assert till.run_jobs("payments.query_pending")[-1] == "done"

    assert till.attempts(order)[0].state is AttemptState.closed
    assert has(till) == (12_000, 2_000)


def test_another_way_to_pay_closes_the_first_and_frees_its_part(till: Till) -> None:
    top_up(till)
    order = till.order(2_500)
    till.open(order, mixed(till))

    till.open(order, BALANCE)

    old, new = till.attempts(order)
    assert (old.state, new.state) == (AttemptState.closed, AttemptState.succeeded)
    assert till.asked(old).state == "CLOSED"
    assert has(till) == (9_500, 2_000)
    assert holds() == [(HoldState.returned, 1_000), (HoldState.spent, 2_500)]
    assert_books_agree(till)


def test_a_late_success_gives_back_what_the_channel_took_and_the_balance_once(till: Till) -> None:
    top_up(till)
    order = till.order(2_500)
    till.channel.pay(till.open(order, mixed(till)))
    notice = till.channel.next_notice()
    [attempt] = till.attempts(order)
    with database.transaction() as session:  # counted as closed, and paid all the same
        assert attempts.end(session, attempt.id, AttemptState.closed, now=clock.now())
    assert has(till) == (12_000, 2_000)

    assert [till.deliver(notice), till.deliver(notice)] == [204, 204]

    [late], [refund] = till.attempts(order), till.refunds(order)
    assert (late.state, late.amount_fen, late.balance_fen) == (
        AttemptState.succeeded_late,
        1_500,
        0,
    )
    assert refund.amount_fen == 1_500
    assert has(till) == (12_000, 2_000)
    assert till.ledger()[3:] == [("channel", 1_500), ("unclaimed", -1_500)]
    assert_books_agree(till)


def test_a_success_after_the_order_has_gone_frees_what_is_still_frozen(till: Till) -> None:
    top_up(till)
    order = till.order(2_500)
    till.channel.pay(till.open(order, mixed(till)))
    with database.transaction() as session:  # cancelled without asking: a crash, a bug, a race
        billing.void_bill(session, till.bill(order))
        session.get_one(Order, order.id).state = OrderState.cancelled

    assert till.deliver(till.channel.next_notice()) == 204

    assert has(till) == (12_000, 2_000)
    assert [refund.amount_fen for refund in till.refunds(order)] == [1_500]
    assert_books_agree(till)


def lose_the_hold() -> None:
    """What should be frozen is not: a bug, or somebody in the tables."""
    with database.transaction() as session:
        session.execute(update(BalanceHold).values(state=HoldState.returned))


def test_a_part_that_is_frozen_no_more_pays_nothing(till: Till) -> None:
    top_up(till)
    order = till.order(2_500)
    till.channel.pay(till.open(order, mixed(till)))
    lose_the_hold()

    assert till.deliver(till.channel.next_notice()) == 500

    unpaid, [attempt] = till.read(order), till.attempts(order)
    assert (unpaid.payment_state, unpaid.paid_fen) == (PaymentState.unpaid, 0)
    assert attempt.state is AttemptState.pending
    assert len(till.ledger()) == 3
    assert till.queued().count("orders.after_paid") == 1  # of the top-up


def test_an_attempt_does_not_end_without_freeing_what_it_froze(till: Till) -> None:
    top_up(till)
    order = till.order(2_500)
    till.open(order, mixed(till))
    [attempt] = till.attempts(order)
    lose_the_hold()

    with pytest.raises(NotMoved), database.transaction() as session:
        attempts.end(session, attempt.id, AttemptState.closed, now=clock.now())

    assert till.attempts(order)[0].state is AttemptState.pending
    assert has(till) == (11_000, 2_000)


@pytest.mark.parametrize(
    ("means", "refusal"),
    [
        (BALANCE, NotEnoughBalance),
        (Means(Channel.wechat, balance_fen=12_001), NotEnoughBalance),
        (Means(Channel.wechat, balance_fen=12_500), BalancePartInvalid),
        (Means(Channel.wechat, balance_fen=12_501), BalancePartInvalid),
        (Means(Channel.wechat, balance_fen=-1), BalancePartInvalid),
    ],
    ids=lambda value: str(getattr(value, "balance_fen", "")),
)
def test_what_the_balance_cannot_pay_changes_nothing(
    till: Till, means: Means, refusal: type[Exception]
) -> None:
    top_up(till)
    order = till.order(12_500)
    if means.channel is Channel.wechat:
        means = mixed(till, means.balance_fen)
    before = till.queued()

    with pytest.raises(refusal):
        till.open(order, means)

    assert has(till) == (12_000, 2_000)
    assert (till.attempts(order), holds(), till.queued()) == ([], [], before)


def test_stored_value_buys_no_stored_value(till: Till) -> None:
    top_up(till)
    with database.transaction() as session:
        plan = session.scalars(select(Plan)).one()
        member = session.get_one(Member, till.member.id)
        now = clock.now()
        second, _ = place_plan(session, plan, member, till.store, key="plan-0002", now=now)
        billing.open_bill(session, second)

    for means in (BALANCE, mixed(till)):
        with pytest.raises(BalanceNotTaken):
            till.open(second, means)

    assert has(till) == (12_000, 2_000)


def test_another_payer_has_no_part_in_what_the_member_stored(till: Till, post: Post) -> None:
    top_up(till)
    order = till.order(2_500)
    till.open(order, mixed(till))

    till.open(order, replace(till.means, payer=openid_of(MINI, "xiaozhou")))

    assert has(till) == (12_000, 2_000)
    assert till.attempts(order)[1].channel_fen == 2_500


def test_who_falls_below_the_line_by_paying_enters_the_journey(till: Till, post: Post) -> None:
    top_up(till)
    order = till.order(10_500)
    with database.transaction() as session:
        member = session.get_one(Member, till.member.id)
        hello = {"kind": "message", "text": "余额不多了"}
        low = plan(hello, trigger={"kind": "low_balance"})
        made = {"name": "余额快用完", "graph": low, "actor": "staff:1", "now": clock.now()}
        journey = drafting.create(session, member.merchant_id, **made)
        drafting.publish(session, journey, actor="staff:1", now=clock.now())

    assert post(f"orders/{order.no}/payment", body={"channel": "balance"}).status_code == 200
    assert till.run_jobs("crm.journey_heard")[-1] == "done"

    with database.reading() as session:
        low = session.scalars(select(MemberEvent).where(MemberEvent.kind == "balance_low")).all()
    assert [(event.member_id, event.data) for event in low] == [
        (till.member.id, {"balance_fen": 1_500})
    ]
    with database.reading() as session:
        assert [run.member_id for run in runs_of(session, journey)] == [till.member.id]


def test_the_nightly_look_finds_stored_value_that_the_ledger_does_not_owe(till: Till) -> None:
    top_up(till)
    with database.transaction() as session:
        enqueue(session, "core.check_books")
    assert till.run_jobs("core.check_books") == ["done"]
    with database.transaction() as session:
        owed = LedgerEntry.account.startswith("balance:")
        session.execute(
            update(LedgerEntry).where(owed).values(amount_fen=LedgerEntry.amount_fen + 1)
        )

    with database.reading() as session:
        assert stored.list_different(session, [till.store.merchant_id]) == [till.store.merchant_id]
