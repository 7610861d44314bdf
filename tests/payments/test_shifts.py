"""交班: the figures of a shift are those of its payments and refunds, each in one shift only."""

import re
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select

from core import database
from core.audit import AuditEntry
from core.clock import now as clock_now
from core.database import reading, transaction
from merchants.models import Merchant, Role, Staff, Store
from orders.models import Order
from payments import refunding, shifts
from payments.models import (
    ABNORMAL,
    AttemptState,
    Bill,
    Channel,
    CounterSale,
    PaymentAttempt,
    Refund,
    RefundState,
    Shift,
    ShiftLine,
)
from tests.console.conftest import HASH, PASSWORD, Browser
from tests.counting import statements
from tests.factories.merchants import make_store
from tests.payments.conftest import Till
from tests.payments.test_counter_page import clerk as clerk
from tests.payments.test_counter_page import log_in
from tests.payments.test_takings import take


def all_of(model: type[Any]) -> list[Any]:
    with reading() as session:
        return list(session.scalars(select(model).order_by(model.id)))


def hand_over(clerk: Browser, seq: int, store: Store) -> str:
    answer = clerk.post("/collect/shifts/", store=str(store.id), seq=str(seq))
    assert answer.status_code == 303, answer.text
    return str(answer.location).removeprefix("/console")


def give_back(till: Till, order: Order, fen: int, *, by: int, arrived: bool = True) -> Refund:
    """Money that somebody of the staff gave back; `arrived`: the channel did it."""
    now = clock_now()
    with transaction() as session:
        found = session.get_one(Order, order.id)
        refunding.request(session, found, fen, "多收了", f"staff:{by}", now)
    [*_, refund] = till.refunds(order)
    if arrived:
        arrive(refund)
    return refund


def arrive(refund: Refund) -> None:
    with transaction() as session:
        found = session.get_one(Refund, refund.id)
        found.state, found.settled_at = RefundState.succeeded, clock_now()


def seller(order: Order) -> int:
    with reading() as session:
        of_order = select(CounterSale.staff_id).join(Bill, Bill.id == CounterSale.bill_id)
        return session.scalars(of_order.where(Bill.order_id == order.id)).one()


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.split('id="main"')[1]))


def test_a_shift_is_the_payments_since_the_last_one(till: Till, clerk: Browser) -> None:
    orders = [
        take(till, clerk, "12.50"),
        take(till, clerk, "30.00", channel=Channel.alipay),
        take(till, clerk, "52.00", channel_fen=3200, balance_fen=2000),
    ]
    give_back(till, orders[1], 500, by=seller(orders[1]))
    before = text_of(clerk.get("/collect/shifts/").text)
    assert "收了 3 笔 ¥94.50" in before
    assert "我退的 1 笔 ¥5.00 收减退 ¥89.50" in before

    page = text_of(clerk.get(hand_over(clerk, 1, till.store)).text)

    [shift] = all_of(Shift)
    assert (shift.seq, shift.store_id, shift.staff_id) == (1, till.store.id, seller(orders[0]))
    assert (shift.payments, shift.amount_fen, shift.refunds, shift.refund_fen) == (3, 9450, 1, 500)
    assert shift.ways == {"wechat": [4450, 0], "alipay": [3000, 500], "balance": [2000, 0]}
    attempts = [attempt for order in orders for attempt in till.attempts(order)]
    lines = all_of(ShiftLine)
    assert [each.attempt_id for each in lines[:3]] == [attempt.id for attempt in attempts]
    assert sum(attempt.amount_fen for attempt in attempts) == shift.amount_fen
    assert lines[3].refund_id == till.refunds(orders[1])[0].id
    assert shift.started_at == min(each.settled_at for each in attempts if each.settled_at)
    assert "收了 3 笔 ¥94.50 微信支付 ¥44.50" in page
    assert "支付宝 ¥30.00 退 ¥5.00" in page
    assert "退了 1 笔 ¥5.00 收减退 ¥89.50" in page
    for order in orders:
        assert order.no in page
    assert "上次交班以后你没有收过" in clerk.get("/collect/shifts/").text
    with reading() as session:
        act = session.scalars(select(AuditEntry).where(AuditEntry.action == "shift.close")).one()
        assert act.after == {"amount_fen": 9450, "refund_fen": 500}


def test_a_refund_after_the_shift_belongs_to_the_next(till: Till, clerk: Browser) -> None:
    first, second = take(till, clerk, "12.50"), take(till, clerk, "20.00")
    who = seller(first)
    on_its_way = give_back(till, second, 700, by=who, arrived=False)
    hand_over(clerk, 1, till.store)

    arrive(on_its_way)
    give_back(till, first, 1250, by=who)
    hand_over(clerk, 2, till.store)

    one, two = all_of(Shift)
    assert (one.payments, one.amount_fen, one.refunds, one.refund_fen) == (2, 3250, 0, 0)
    assert (two.payments, two.amount_fen, two.refunds, two.refund_fen) == (0, 0, 2, 1950)
    assert two.ways == {"wechat": [0, 1950]}
    assert two.started_at == one.ended_at
    assert "收减退 −¥19.50" in text_of(clerk.get(f"/collect/shifts/{two.id}").text)


def test_what_goes_back_in_two_parts_is_one_refund(till: Till, clerk: Browser) -> None:
    order = take(till, clerk, "52.00")
    who = seller(order)
    parts = [give_back(till, order, fen, by=who) for fen in (3200, 2000)]
    with transaction() as session:
        session.get_one(Refund, parts[1].id).batch = parts[0].batch

    hand_over(clerk, 1, till.store)

    [shift] = all_of(Shift)
    assert (shift.refunds, shift.refund_fen) == (1, 5200)
    assert [each.refund_id for each in all_of(ShiftLine)[1:]] == [part.id for part in parts]
    sheet = clerk.get(f"/collect/shifts/{shift.id}").text
    assert "−¥52.00 多收了 · 微信支付 ¥32.00 + 微信支付 ¥20.00 · " in text_of(sheet)
    assert sheet.count("−¥") == 1
    assert re.search(r'<h1 class="print-only">\S+ 交班单</h1>', sheet)


def test_what_a_manager_gives_back_by_hand_is_theirs_and_no_channels(
    till: Till, clerk: Browser
) -> None:
    """The clerk had asked for both: one the channel holds on to, the other it refused."""
    orders = [take(till, clerk, "30.00"), take(till, clerk, "20.00")]
    asked = [give_back(till, each, 1_500, by=seller(each), arrived=False) for each in orders]
    for refund, word in zip(asked, (ABNORMAL, "USER_ACCOUNT_ABNORMAL"), strict=True):
        with transaction() as session:
            refunding.fail(session, refund.id, word, clock_now())
    manager = log_in(till, till.store, Role.manager)
    with transaction() as session:
        boss = session.scalars(select(Staff).where(Staff.role == Role.manager)).one()
        boss.username, boss.password_hash = "boss", HASH
    for refund in asked:
        path = f"/refunds/{refund.out_refund_no}/finish"
        done = manager.post(path, note="店里退了现金", password=PASSWORD)
        assert done.status_code == 303, done.text

    clerks = text_of(clerk.get(hand_over(clerk, 1, till.store)).text)
    managers = text_of(manager.get(hand_over(manager, 1, till.store)).text)

    mine, theirs = all_of(Shift)
    assert (mine.payments, mine.refunds, mine.ways) == (2, 0, {"wechat": [5_000, 0]})
    assert (theirs.staff_id, theirs.payments, theirs.refund_fen) == (boss.id, 0, 3_000)
    assert theirs.ways == {"hand": [0, 3_000]}
    assert "收减退 ¥50.00" in clerks
    assert "线下 ¥0.00 退 ¥30.00" in managers
    assert managers.count("线下退的 · 店里退了现金") == 2


def test_a_payment_that_is_heard_of_late_is_in_the_next_shift(till: Till, clerk: Browser) -> None:
    """Its channel took it before the shift ended; nobody had told us."""
    take(till, clerk, "12.50")
    late = take(till, clerk, "20.00")
    with transaction() as session:
        [attempt] = till.attempts(late)
        mine = session.get_one(PaymentAttempt, attempt.id)
        mine.state = AttemptState.pending
    hand_over(clerk, 1, till.store)
    with transaction() as session:
        session.get_one(PaymentAttempt, attempt.id).state = AttemptState.succeeded

    hand_over(clerk, 2, till.store)

    assert [(each.payments, each.amount_fen) for each in all_of(Shift)] == [(1, 1250), (1, 2000)]


def test_a_second_tap_is_the_same_shift(till: Till, clerk: Browser) -> None:
    take(till, clerk, "12.50")

    first = hand_over(clerk, 1, till.store)
    take(till, clerk, "20.00")
    again = hand_over(clerk, 1, till.store)

    assert first == again
    assert [shift.amount_fen for shift in all_of(Shift)] == [1250]
    with reading() as session:
        acts = select(func.count()).where(AuditEntry.action == "shift.close")
        assert session.scalar(acts) == 1


@pytest.mark.parametrize("seq", [2, 7])
def test_a_number_that_is_not_next_closes_nothing(till: Till, clerk: Browser, seq: int) -> None:
    take(till, clerk, "12.50")

    assert hand_over(clerk, seq, till.store) == "/collect/shifts/"

    assert all_of(Shift) == all_of(ShiftLine) == []


def test_an_empty_shift_is_none(till: Till, clerk: Browser) -> None:
    assert hand_over(clerk, 1, till.store) == "/collect/shifts/"
    assert all_of(Shift) == []
    assert clerk.post("/collect/shifts/", store=str(till.store.id), seq="x").status_code == 400
    assert clerk.post("/collect/shifts/", store="999", seq="1").status_code == 400


def test_everybody_hands_over_what_they_took_themselves(till: Till, clerk: Browser) -> None:
    colleague = log_in(till, till.store)
    take(till, clerk, "12.50")
    theirs = take(till, colleague, "30.00")

    hand_over(colleague, 1, till.store)

    [shift] = all_of(Shift)
    assert (shift.amount_fen, shift.staff_id) == (3000, seller(theirs))
    assert "收了 1 笔 ¥12.50" in text_of(clerk.get("/collect/shifts/").text)


def test_a_clerk_sees_their_own_shifts_and_a_manager_all(till: Till, clerk: Browser) -> None:
    colleague, manager = log_in(till, till.store), log_in(till, till.store, Role.manager)
    with transaction() as session:
        merchant = session.get_one(Merchant, till.store.merchant_id)
        elsewhere = make_store(session, merchant, name="浦东店")
    stranger = log_in(till, elsewhere, Role.manager)
    take(till, clerk, "12.50")
    path = hand_over(clerk, 1, till.store)

    seen = {
        name: (browser.get(path).status_code, path in browser.get("/collect/shifts/").text)
        for name, browser in (
            ("own", clerk),
            ("colleague", colleague),
            ("manager", manager),
            ("stranger", stranger),
        )
    }

    assert seen == {
        "own": (200, True),
        "colleague": (404, False),
        "manager": (200, True),
        "stranger": (404, False),
    }


def test_shifts_are_paged_the_latest_first(till: Till, clerk: Browser) -> None:
    for number in (1, 2, 3):
        take(till, clerk, f"{number}.00")
        hand_over(clerk, number, till.store)

    with reading() as session:
        mine = (till.store.merchant_id, [till.store.id])
        first = shifts.page(session, *mine, limit=2)
        rest = shifts.page(session, *mine, limit=2, cursor=first.next or "")

    assert [row.shift.seq for row in first.rows] == [3, 2]
    assert [row.shift.seq for row in rest.rows] == [1]
    assert rest.next is None


def test_the_page_asks_as_often_however_much_was_taken(till: Till, clerk: Browser) -> None:
    def asked() -> int:
        with statements(database.db.engine) as seen:
            assert clerk.get("/collect/shifts/").status_code == 200
        return len(seen)

    take(till, clerk, "1.00")
    few = asked()
    for fen in range(2, 5):
        take(till, clerk, f"{fen}.00")
    hand_over(clerk, 1, till.store)
    take(till, clerk, "9.00")

    assert asked() == few


def test_two_taps_at_once_make_one_shift(mariadb_till: Till) -> None:
    till = mariadb_till
    clerk = log_in(till, till.store)
    order = take(till, clerk, "12.50")
    who, both = seller(order), Barrier(2)

    def tap(_: int) -> tuple[int, bool]:
        with till.app.app_context(), transaction() as session:
            staff = session.get_one(Staff, who)
            both.wait(10)
            shift, newly = shifts.close(session, staff, till.store.id, 1, clock_now())
            return shift.id, newly

    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(tap, range(2)))

    [shift] = all_of(Shift)
    assert {id_ for id_, _ in found} == {shift.id}
    assert sorted(newly for _, newly in found) == [False, True]
    assert len(all_of(ShiftLine)) == 1
