"""The last fen that goes back ends an order that nobody has fetched, for the shop and the guest."""

import pytest
from sqlalchemy import select

from catalogue.models import StockHold
from core import database
from core.clock import now
from merchants.models import Role
from orders import handover
from orders.models import HistoryKind, Order, OrderHistory, OrderState, PaymentState
from payments import refunding
from payments.models import RefundState
from payments.refunding import stuck
from tests.payments.conftest import Till, log_in
from tests.payments.test_balance import mixed, top_up
from tests.payments.test_counter_page import log_in as staff_in
from tests.payments.test_refund_lines import Shop, shop
from tests.payments.test_refund_told import store_of
from tests.payments.test_refunds import paid_order, request

__all__ = ["shop"]


def taken_on(order: Order, *verbs: str) -> None:
    with database.transaction() as session:
        mine = session.get_one(Order, order.id)
        for verb in ("accept", *verbs):
            getattr(handover, verb)(session, mine, actor="staff:7", now=now())


def arrive(till: Till, refund_no: str) -> None:
    till.run_jobs("payments.refund")
    till.channel.decide_refund(refund_no, "SUCCESS")
    assert till.deliver(till.channel.next_notice()) == 204


def test_an_order_that_is_refunded_whole_is_over_for_the_shop_and_the_guest(till: Till) -> None:
    order = paid_order(till)
    taken_on(order)
    first, last = request(order, 1_000), request(order, 1_500)
    arrive(till, first.out_refund_no)
    assert till.read(order).state is OrderState.accepted  # a part of it is still to be made
    arrive(till, last.out_refund_no)

    over = till.read(order)
    assert (over.state, over.payment_state) == (OrderState.cancelled, PaymentState.refunded)
    assert (over.cancel_reason, over.refunded_fen) == ("已全额退款", 2_500)
    with database.reading() as session:
        ends = session.scalars(
            select(OrderHistory.after).where(
                OrderHistory.order_id == order.id,
                OrderHistory.kind == HistoryKind.state,
                OrderHistory.actor == "system",
            )
        ).all()
    assert ends == ["cancelled"]
    manager = staff_in(till, store_of(order), Role.manager)
    tabs = {
        tab: f"/orders/{order.no}" in manager.get(f"/orders/?tab={tab}").text
        for tab in ("open", "making", "cancelled")
    }
    assert tabs == {"open": False, "making": False, "cancelled": True}
    page = manager.get(f"/orders/{order.no}").text
    assert "出餐" not in page
    headers = {"Authorization": f"Bearer {log_in(till.member, 'aqing')}"}
    mine = till.app.test_client().get(f"/api/v1/orders/{order.no}", headers=headers).get_json()
    assert (mine["state"], mine["payment_state"]) == ("cancelled", "refunded")


@pytest.mark.parametrize("verbs", [(), ("start",), ("ready",)])
def test_so_it_ends_wherever_the_counter_had_got_to(till: Till, verbs: tuple[str, ...]) -> None:
    top_up(till)
    order = till.order(2_500)
    till.channel.pay(till.open(order, mixed(till)))
    till.deliver(till.channel.next_notice())
    taken_on(order, *verbs)
    refund = request(order, 2_500)  # what was stored value is back at once
    assert till.read(order).payment_state is PaymentState.part_refunded
    assert till.read(order).state is not OrderState.cancelled

    arrive(till, refund.out_refund_no)

    assert till.read(order).state is OrderState.cancelled


def test_what_was_handed_over_stays_so(till: Till) -> None:
    order = paid_order(till)
    taken_on(order, "ready")
    with database.transaction() as session:
        mine = session.get_one(Order, order.id)
        handover.complete(session, mine, code=mine.pickup_code, actor="staff:7", now=now())

    arrive(till, request(order, 2_500).out_refund_no)

    done = till.read(order)
    assert (done.state, done.payment_state) == (OrderState.completed, PaymentState.refunded)


def test_so_does_money_that_was_given_back_by_hand(till: Till) -> None:
    order = paid_order(till)
    taken_on(order)
    refund = request(order, 2_500)
    with database.transaction() as session:
        refunding.fail(session, refund.id, "NOT_ENOUGH", now())

    with database.transaction() as session:
        [row] = till.refunds(order)
        assert row.state is RefundState.failed
        mine = session.merge(row)
        stuck.finish_by_hand(session, mine, "现金退了", actor="staff:7", now=now())

    assert till.read(order).state is OrderState.cancelled


def test_pieces_that_a_refund_named_go_where_it_said_and_the_others_are_sold_again(
    shop: Shop,
) -> None:
    one, other = shop.ask(p0=2, restock=(0,)), shop.ask(p1=1)  # two teas back, the cake was dropped
    assert shop.left() == [8, 8]
    rest = shop.ask(3_500 - one.amount_fen - other.amount_fen)
    for refund in (one, other, rest):
        assert shop.decide(refund, "SUCCESS") == "refunded"

    shop.session.refresh(shop.order)
    assert shop.order.state is OrderState.cancelled
    assert shop.left() == [9, 8]
    back = select(StockHold.returned).order_by(StockHold.sku_id)
    assert list(shop.session.scalars(back)) == [3, 0]


def test_what_was_begun_to_be_made_is_not_sold_again(shop: Shop) -> None:
    for verb in (handover.accept, handover.start):
        verb(shop.session, shop.order, actor="staff:7", now=now())
    assert shop.decide(shop.ask(3_500), "SUCCESS") == "refunded"

    shop.session.refresh(shop.order)
    assert (shop.order.state, shop.left()) == (OrderState.cancelled, [6, 8])
