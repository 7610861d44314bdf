"""A sum at the counter is an order that its payment completes, of a member or of nobody known."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.idempotency import IdempotencyConflict
from core.outbox import OutboxJob
from crm.models import Member, Purchase
from merchants.models import Merchant, Store
from orders import cancelling, collecting, paying
from orders.models import Fulfilment, LineKind, Order, OrderLine, OrderState, PaymentState
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@pytest.fixture
def store(session: Session) -> Store:
    return make_store(session, make_merchant(session))


@pytest.fixture
def member(session: Session, store: Store) -> Member:
    return make_member(session, merchant=session.get_one(Merchant, store.merchant_id))


def place(session: Session, store: Store, fen: int = 1250, **more: object) -> Order:
    given = {"actor": "staff:7", "key": "k1", "now": NOW} | more
    order, _ = collecting.place_amount(session, store, fen, **given)  # type: ignore[arg-type]
    return order


def test_it_is_one_line_of_money(session: Session, store: Store) -> None:
    order = place(session, store)

    [line] = session.scalars(select(OrderLine).where(OrderLine.order_id == order.id))
    assert (order.kind, order.fulfilment, order.member_id) == (
        LineKind.amount,
        Fulfilment.none,
        None,
    )
    assert (order.payable_fen, order.pickup_number) == (1250, None)
    assert (line.name, line.quantity, line.payable_fen) == ("收款", 1, 1250)
    jobs = session.scalars(select(OutboxJob.name)).all()
    assert list(jobs) == ["orders.expire"]


def test_the_same_key_is_the_same_order(session: Session, store: Store) -> None:
    first = place(session, store)
    again, newly = collecting.place_amount(session, store, 1250, actor="staff:7", key="k1", now=NOW)
    assert (again.id, newly) == (first.id, False)
    with pytest.raises(IdempotencyConflict):
        place(session, store, 1300)
    assert session.scalar(select(func.count()).select_from(Order)) == 1


def test_nothing_cannot_be_asked_for(session: Session, store: Store) -> None:
    with pytest.raises(ValueError, match="nothing"):
        place(session, store, 0)
    assert session.scalar(select(func.count()).select_from(Order)) == 0


def test_paying_completes_it_and_is_nobodys_purchase(session: Session, store: Store) -> None:
    order = place(session, store)

    assert paying.mark_paid(session, order, amount_fen=1250, now=NOW)
    session.flush()

    kept = session.get_one(Order, order.id, populate_existing=True)
    assert (kept.state, kept.payment_state) == (OrderState.completed, PaymentState.paid)
    assert session.scalar(select(func.count()).select_from(Purchase)) == 0


def test_what_a_member_pays_counts_for_the_member(
    session: Session, store: Store, member: Member
) -> None:
    order = place(session, store, member=member)

    assert paying.mark_paid(session, order, amount_fen=1250, now=NOW)
    session.flush()

    [bought] = session.scalars(select(Purchase))
    assert (bought.member_id, bought.amount_fen) == (member.id, 1250)


def test_a_refund_of_it_leaves_no_purchase_behind(session: Session, store: Store) -> None:
    order = place(session, store)
    paying.mark_paid(session, order, amount_fen=1250, now=NOW)
    session.flush()

    assert paying.record_refund(session, order, 250, NOW)
    session.flush()

    assert session.get_one(Order, order.id).refunded_fen == 250


def test_one_that_nobody_pays_ends(session: Session, store: Store) -> None:
    order = place(session, store)
    assert cancelling.cancel(session, order, actor="system", reason="超时未付款", now=NOW)
    assert order.state is OrderState.cancelled
