"""A bill of an order of goods is taken at the counter: the rest after a deposit, a share."""

import pytest
from sqlalchemy import func, select

from core import clock
from core.audit import AuditEntry
from core.clock import business_day, day_bounds
from core.database import reading
from gateways.pay.records import Way
from merchants.models import Staff
from orders.models import OrderState, PaymentState
from payments import takings
from payments.models import AttemptState, Shift
from sandbox.pay import sheet
from tests.payments.conftest import Till
from tests.payments.test_counter_page import clerk, log_in, shown  # noqa: F401
from tests.payments.test_several_bills import pay, with_deposit
from tests.payments.test_shares import Phone, friend, orderer, split  # noqa: F401


def test_the_rest_is_paid_by_the_payers_code(till: Till) -> None:
    order = with_deposit(till)
    pay(till, order)
    clerk = log_in(till, till.store)  # noqa: F811
    waiting = clerk.get(f"/orders/waiting/{order.no}").text
    assert waiting.count(">收尾款") == 1
    assert f"/console/collect/{order.no}?bill=3" in waiting
    assert "¥20.00" in clerk.get(f"/collect/{order.no}?bill=3").text
    till.open(order)  # the customer had gone to pay it on the phone

    answer = clerk.post(f"/collect/{order.no}/code?bill=3", code=shown(till))

    assert answer.status_code == 303
    paid = till.read(order)
    assert (paid.payment_state, paid.state, paid.paid_fen) == (
        PaymentState.paid,
        OrderState.placed,
        2_500,
    )
    assert [(each.way, each.state) for each in till.attempts(order)][1:] == [
        (Way.mini, AttemptState.closed),
        (Way.code, AttemptState.succeeded),
    ]
    assert "已收到" in clerk.get(f"/collect/{order.no}?bill=3").text
    assert taken_today(till) == (1, 2_000)
    handed = clerk.post("/collect/shifts/", store=str(till.store.id), seq="1")
    assert handed.status_code == 303
    with reading() as session:
        shift = session.scalars(select(Shift)).one()
        assert (shift.payments, shift.amount_fen, shift.ways) == (1, 2_000, {"wechat": [2_000, 0]})
        found = select(AuditEntry).where(AuditEntry.action == "payment.collect")
        assert session.scalars(found).one().after == {"amount_fen": 2_000, "bill": 3}


def test_the_deposit_is_scanned_and_not_taking_it_leaves_the_order(till: Till) -> None:
    order = with_deposit(till)
    clerk = log_in(till, till.store)  # noqa: F811
    path = f"/collect/{order.no}"
    assert clerk.post(f"{path}/qr?bill=2", channel="wechat").status_code == 303
    assert "请顾客用微信扫一扫" in clerk.get(f"{path}?bill=2").text

    left = clerk.post(f"{path}/cancel?bill=2")

    assert left.location.endswith(f"/orders/waiting/{order.no}")
    assert till.read(order).state is OrderState.placed
    assert [each.live for each in till.attempts(order)] == [None]


def test_what_the_customer_paid_on_the_phone_after_all_nobody_hands_over(till: Till) -> None:
    order = with_deposit(till)
    clerk, colleague = log_in(till, till.store), log_in(till, till.store)  # noqa: F811
    path = f"/collect/{order.no}"
    assert clerk.post(f"{path}/qr?bill=2", channel="wechat").status_code == 303
    assert clerk.post(f"{path}/cancel?bill=2").status_code == 303
    pay(till, order)
    assert taken_today(till) == (0, 0)

    assert colleague.post(f"{path}/code?bill=3", code=shown(till)).status_code == 303
    clerk.post(f"{path}/qr?bill=3", channel="wechat")  # too late to be the clerk's

    assert taken_today(till) == (1, 2_000)
    for each in (clerk, colleague):
        each.post("/collect/shifts/", store=str(till.store.id), seq="1")
    with reading() as session:
        latest = session.scalars(select(func.max(Staff.id))).one()
        handed = session.execute(select(Shift.staff_id, Shift.amount_fen)).all()
    assert handed == [(latest, 2_000)]


def taken_today(till: Till) -> tuple[int, int]:
    with reading() as session:
        taken = takings.sums(session, [till.store.id], *day_bounds(business_day(clock.now())))
    return taken.count, taken.fen


def test_a_share_that_a_friend_is_paying_is_not_taken(
    till: Till,
    orderer: Phone,  # noqa: F811
    friend: Phone,  # noqa: F811
) -> None:
    order = till.order(2_500)
    token = split(orderer, order, 2)
    friend.post(f"shares/{token}/payment", bill=2)
    clerk = log_in(till, till.store)  # noqa: F811

    answer = clerk.post(f"/collect/{order.no}/code?bill=2", code=shown(till))

    assert (answer.status_code, "有人正在用手机付这一份" in answer.text) == (422, True)
    assert len(till.attempts(order)) == 1


def test_not_taking_it_leaves_a_friend_to_pay_on_the_phone(
    till: Till,
    orderer: Phone,  # noqa: F811
    friend: Phone,  # noqa: F811
) -> None:
    order = till.order(2_500)
    token = split(orderer, order, 2)
    friend.post(f"shares/{token}/payment", bill=2)
    clerk = log_in(till, till.store)  # noqa: F811
    assert clerk.post(f"/collect/{order.no}/code?bill=2", code=shown(till)).status_code == 422

    left = clerk.post(f"/collect/{order.no}/cancel?bill=2")

    assert left.location.endswith(f"/orders/waiting/{order.no}")
    [theirs] = till.attempts(order)
    assert (theirs.way, theirs.state, theirs.live) == (Way.mini, AttemptState.pending, True)


@pytest.mark.parametrize("kind", ["till", pytest.param("mariadb_till", marks=pytest.mark.mariadb)])
def test_a_code_that_is_shown_again_is_noted_once_and_handed_over_by_the_last(
    kind: str, request: pytest.FixtureRequest
) -> None:
    till: Till = request.getfixturevalue(kind)
    order = with_deposit(till)
    clerk, colleague = log_in(till, till.store), log_in(till, till.store)  # noqa: F811
    path = f"/collect/{order.no}/qr?bill=2"
    for each in (clerk, clerk, colleague):
        assert each.post(path, channel="wechat").status_code == 303
    [attempt] = till.attempts(order)
    world = till.channel.world
    assert attempt.opening is not None

    sheet.pay_unsigned(world, world.people.get("xiaozhou"), attempt.opening["code_url"], "ok")
    assert till.deliver(till.channel.next_notice()) == 204

    assert taken_today(till) == (1, 500)
    for each in (clerk, colleague):
        each.post("/collect/shifts/", store=str(till.store.id), seq="1")
    with reading() as session:
        latest = session.scalars(select(func.max(Staff.id))).one()
        assert session.execute(select(Shift.staff_id, Shift.amount_fen)).all() == [(latest, 500)]
        noted = select(func.count()).where(AuditEntry.action == "payment.collect")
        assert session.scalar(noted) == 1


def test_the_rest_is_not_taken_before_the_deposit(till: Till) -> None:
    order = with_deposit(till)
    clerk = log_in(till, till.store)  # noqa: F811
    waiting = clerk.get(f"/orders/waiting/{order.no}").text
    assert ("bill=2" in waiting, "bill=3" in waiting) == (True, False)

    answers = [
        clerk.post(f"/collect/{order.no}/code?bill=3", code=shown(till)),
        clerk.post(f"/collect/{order.no}/qr?bill=3", channel="wechat"),
    ]

    said = [(each.status_code, "先付定金，再付尾款" in each.text) for each in answers]
    assert said == [(422, True)] * 2
    assert till.attempts(order) == []
    assert clerk.post(f"/collect/{order.no}/code?bill=2", code=shown(till)).status_code == 303
    assert clerk.post(f"/collect/{order.no}/code?bill=3", code=shown(till)).status_code == 303
    assert till.read(order).payment_state is PaymentState.paid


def test_goods_are_no_sum_and_another_bill_is_none(till: Till) -> None:
    order = with_deposit(till)
    clerk = log_in(till, till.store)  # noqa: F811
    paths = [f"/collect/{order.no}", *(f"/collect/{order.no}?bill={seq}" for seq in (0, 1, 9))]

    assert [clerk.get(path).status_code for path in paths] == [404] * 4
    assert clerk.post(f"/collect/{order.no}/cancel").status_code == 404
    assert till.read(order).state is OrderState.placed
