"""A plan paid through the sandbox goes back through it: what was used is kept, and once only."""

import pytest
from sqlalchemy import select

from core import database
from coupons.models import Coupon, CouponState
from crm import balance
from crm.models import Member, PaidTerm, Plan, PlanKind, TermState
from crm.plans import offers
from crm.tiers import editing
from merchants.models import Merchant
from orders.models import Order, PaymentState
from orders.selling import place_plan
from payments import billing, plan_refunds, queries, refunding, stored
from payments.errors import RefundAmountInvalid
from payments.models import Refund
from payments.refunding import stuck
from tests.factories.coupons import make_template
from tests.factories.crm import make_member
from tests.payments.conftest import Till
from tests.payments.test_refunds import now, paid_order


def bought(till: Till, kind: PlanKind, **values: object) -> Order:
    """A plan of 100 yuan, paid on the sandbox's phone."""
    with database.transaction() as session:
        if kind is not PlanKind.top_up:
            uses = 10 if kind is PlanKind.card else 1
            merchant = session.get_one(Merchant, till.store.merchant_id)
            template = make_template(session, merchant, uses_total=uses)
            values["template_id"] = template.id
        editing.set_top_ups(session, till.store.merchant_id, True, actor="staff:1", now=now())
        row = {"name": "一档", "price_fen": 10_000, **values}
        plan = Plan(merchant_id=till.store.merchant_id, kind=kind, **row)
        offers.create(session, plan, actor="staff:1", now=now())
        member = session.get_one(Member, till.member.id)
        order, _ = place_plan(session, plan, member, till.store, key="plan-0001", now=now())
        billing.open_bill(session, order)
    sheet = till.open(order)
    till.channel.pay(sheet)
    assert till.deliver(till.channel.next_notice()) == 204
    return till.read(order)


def ask(order: Order, fen: int) -> Refund:
    with database.transaction() as session:
        mine = session.get_one(Order, order.id)
        return refunding.request(session, mine, fen, "顾客要求", "staff:7", now())


def due(order: Order) -> int:
    with database.reading() as session:
        return plan_refunds.refundable_fen(session, session.get_one(Order, order.id), now())[0]


def settle(till: Till, refund: Refund) -> None:
    till.run_jobs("payments.refund")
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    assert till.deliver(till.channel.next_notice()) == 204


def test_a_used_pass_goes_back_in_part_and_stops(till: Till) -> None:
    order = bought(till, PlanKind.card)
    with database.transaction() as session:
        session.scalars(select(Coupon)).one().uses_left = 6
    assert due(order) == 6_000

    settle(till, ask(order, 6_000))

    assert till.read(order).payment_state is PaymentState.part_refunded
    assert till.ledger() == [
        ("channel", 10_000), ("sales", -10_000), ("channel", -6_000), ("sales", 6_000),
    ]  # fmt: skip
    with database.reading() as session:
        assert session.scalars(select(Coupon.state)).one() is CouponState.void
    assert due(order) == 0


def test_stored_value_goes_back_with_its_part_of_the_bonus(till: Till) -> None:
    order = bought(till, PlanKind.top_up, bonus_fen=2_000)
    with database.transaction() as session:
        balance.freeze(session, till.member.id, "x", 4_000, now=now())
    assert due(order) == 6_000

    settle(till, ask(order, 6_000))

    with database.reading() as session:
        found = session.get_one(Member, till.member.id)
        assert (found.balance_fen, found.balance_bonus_fen) == (0, 0)
        assert balance.list_unbalanced(session, range(found.id, found.id + 1)) == []
    assert due(order) == 0


def test_money_that_could_not_go_back_is_asked_for_again(till: Till) -> None:
    order = bought(till, PlanKind.membership, days=30, coupons=2)
    first = ask(order, 10_000)
    with database.transaction() as session:
        assert refunding.fail(session, first.id, "USER_ACCOUNT_ABNORMAL", now())
    assert due(order) == 10_000
    with pytest.raises(RefundAmountInvalid):
        ask(order, 9_999)

    again = ask(order, 10_000)
    assert due(order) == 0
    settle(till, again)

    assert till.read(order).payment_state is PaymentState.refunded
    with database.reading() as session:
        assert session.scalars(select(PaidTerm.state)).one() is TermState.refunded


def test_two_members_who_pay_with_one_wallet_are_found_out(till: Till) -> None:
    paid_order(till)
    with database.transaction() as session:
        other = make_member(session, merchant=session.get_one(Merchant, till.store.merchant_id))
    alone = Till(till.app, till.channel, other, till.store)

    def alike() -> bool:
        with database.reading() as session:
            return queries.share_a_payer(session, till.member.id, other.id)

    assert not alike()
    paid_order(alone)
    assert alike()


def test_a_top_up_whose_refund_was_started_again_fails_as_often_as_it_likes(till: Till) -> None:
    """Each time the balance is taken, and is there again; the ledger hears of both, each once."""
    order = bought(till, PlanKind.top_up, bonus_fen=2_000)
    first = ask(order, 10_000)

    def fail(refund: Refund) -> int:
        with database.transaction() as session:
            assert refunding.fail(session, refund.id, "USER_ACCOUNT_ABNORMAL", now())
            return session.get_one(Member, till.member.id).balance_fen

    assert fail(first) == 12_000
    with database.transaction() as session:
        mine = session.get_one(Refund, first.id)
        again = stuck.restart(session, mine, actor="staff:8", now=now())
        assert session.get_one(Member, till.member.id).balance_fen == 0
    assert fail(again) == 12_000
    with database.reading() as session:
        assert stored.list_different(session, [order.merchant_id]) == []
