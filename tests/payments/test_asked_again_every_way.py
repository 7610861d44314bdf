"""Whatever failed and however it is asked for again: it goes back once, to the fen, and nothing
stays stuck.

A cake of 40 out of 100 yuan goes back, some of the parts fail, and all of the money that failed is
asked for once more.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from core import clock, database
from gateways.pay.records import RefundResult
from merchants.models import Merchant, Role, Staff, Store
from orders.models import Order, OrderLine, OrderState
from payments import asking, billing, refunding, remote
from payments.errors import AskedChanged, RefundNotStuck, RefundTooMuch
from payments.models import PaymentAttempt, Refund, RefundState
from payments.refunding import Wanted, stuck
from payments.refunding.proposing import list_sources
from payments.refunding.taking import lines_of
from payments.refunding.wanted import Act, free
from tests.factories.catalogue import make_sku
from tests.factories.merchants import make_staff
from tests.payments.conftest import Till
from tests.payments.test_balance import assert_books_agree, mixed, top_up
from tests.payments.test_failed_refunds import fail, finish, restart, stuck_ones
from tests.payments.test_refund_successors import given_back
from tests.payments.test_several_bills import pay, split

CAKE = Wanted({0: 1})


def sell(till: Till, kind: str) -> Order:
    order = till.order(10_000)
    with database.transaction() as session:
        sku = make_sku(session, session.get_one(Store, order.store_id))
        session.query(OrderLine).filter_by(order_id=order.id).delete()
        for position, (name, fen) in enumerate((("蛋糕", 4_000), ("面包", 6_000))):
            mine = {"order_id": order.id, "position": position, "sku_id": sku.id, "name": name}
            session.add(
                OrderLine(**mine, quantity=1, unit_fen=fen, amount_fen=fen, payable_fen=fen)
            )
        if kind == "deposit":
            of, now = session.get_one(Order, order.id), clock.now()
            billing.open_deposit(session, of, 7_000, rest_by=now + timedelta(days=3), now=now)
    if kind in ("mixed", "table of mixed"):
        top_up(till)
    if kind.startswith("table"):
        split(order, 5_000, 5_000)
    if kind == "mixed":
        pay(till, order, mixed(till, 2_000))
    elif kind == "table of mixed":
        pay(till, order, mixed(till, 1_000))
        pay(till, order)
    else:
        for _ in range(1 if kind == "plain" else 2):
            pay(till, order)
    return order


def give(order: Order, wanted: Wanted) -> Refund:
    with database.transaction() as session:
        mine = session.get_one(Order, order.id)
        return refunding.request(session, mine, wanted, "洒了", "staff:1", clock.now())


def gone(till: Till, order: Order) -> int:
    return sum(attempt.refunded_fen for attempt in till.attempts(order))


def by_line(till: Till, order: Order, failed: Sequence[Refund]) -> None:
    with database.reading() as session:
        carries = any(part.pieces for each in failed for part in lines_of(session, each.id))
    if carries:
        give(order, CAKE)
        return
    with pytest.raises(RefundTooMuch, match="没退成"):
        give(order, CAKE)
    by_sum(till, order, failed)


def by_sum(till: Till, order: Order, failed: Sequence[Refund]) -> None:
    give(order, free(sum(each.amount_fen for each in failed)))


def one_by_one(till: Till, order: Order, failed: Sequence[Refund]) -> None:
    for each in reversed(failed):
        give(order, free(each.amount_fen))


def by_restart(till: Till, order: Order, failed: Sequence[Refund]) -> None:
    for each in failed:
        restart(each)


def by_hand(till: Till, order: Order, failed: Sequence[Refund]) -> None:
    for each in failed:
        finish(each)


def in_chat(till: Till, order: Order, failed: Sequence[Refund]) -> None:
    agree(till, order, free(sum(each.amount_fen for each in failed)))


def restart_in_chat(till: Till, order: Order, failed: Sequence[Refund]) -> None:
    for each in failed:
        agree(till, order, Wanted(act=Act.restart, of_refund=each.id))


def by_itself_and_then(till: Till, order: Order, failed: Sequence[Refund]) -> None:
    """The channel closes it, again and again, until nobody asks any more but a human."""
    for each in failed:
        newest = restart(each)
        while newest.state is not RefundState.failed:
            assert close(newest) in ("replaced", "closed")
            newest = till.refunds(order)[-1]
        restart(newest)


def by_the_rest(till: Till, order: Order, failed: Sequence[Refund]) -> None:
    with database.reading() as session:
        left = sum(source.left_fen for source in list_sources(session, order.id))
    give(order, free(left))


def by_what_is_left(till: Till, order: Order, failed: Sequence[Refund]) -> None:
    """全部退 of the form: the pieces that are left, and the money that is for none of them."""
    with database.reading() as session:
        left = sum(source.left_fen for source in list_sources(session, order.id))
    give(order, Wanted({1: 1}, free_fen=left - 6_000))


def by_cancelling(till: Till, order: Order, failed: Sequence[Refund]) -> None:
    remote.cancel_order(till.cashier, order.id, actor="member:1", reason="不来了", now=clock.now())
    assert till.read(order).state is OrderState.cancelled


def people(order: Order) -> tuple[Staff, Staff]:
    with database.transaction() as session:
        merchant = session.get_one(Merchant, order.merchant_id)
        return make_staff(session, merchant, role=Role.manager), make_staff(
            session, merchant, role=Role.owner
        )


def agree(till: Till, order: Order, wanted: Wanted, before: Callable[[], object] = int) -> None:
    asker, other = people(order)
    with database.transaction() as session:
        mine, actor = session.get_one(Order, order.id), f"staff:{asker.id}"
        asked = asking.ask(session, mine, wanted, reason="洒了", actor=actor, now=clock.now())
    before()
    with database.transaction() as session:
        question = asking.find_by_code(session, order.merchant_id, asked.code)
        second = session.get_one(Staff, other.id)
        asking.agree(session, question, staff=second, via=asking.CHAT, now=clock.now())


def close(refund: Refund) -> str:
    with database.transaction() as session:
        mine = session.get_one(Refund, refund.id)
        paid = session.get_one(PaymentAttempt, mine.attempt_id)
        no, fen = mine.out_refund_no, mine.channel_fen
        said = RefundResult(no, f"50{no}", "CLOSED", fen, paid.channel_fen, None, paid.account)
        return refunding.record_result(session, said, clock.now())


def arrive(till: Till, order: Order) -> None:
    """Whatever is asked of the channel is done there, and heard."""
    till.run_jobs("payments.refund")
    for no in [each.split("|")[1] for each in till.channel.world.ledger.refunds]:
        till.channel.decide_refund(no, "SUCCESS")
    for each in till.refunds(order):
        if each.state in stuck.ON_THE_WAY:
            assert remote.check_refund(till.cashier, each.id, clock.now()) == "refunded"


KINDS = ("plain", "mixed", "deposit", "table", "table of mixed")
CAKE_AGAIN = (
    *(by_line, by_sum, one_by_one, by_restart, by_hand),
    *(in_chat, restart_in_chat, by_itself_and_then),
)
ALL_OF_IT = (by_the_rest, by_what_is_left, by_cancelling)


CASES = [
    *((kind, again, "all") for kind in KINDS for again in CAKE_AGAIN),
    *((kind, again, "all") for kind in KINDS[3:] for again in ALL_OF_IT),
    *(("table", again, "last") for again in (by_line, by_sum, by_restart, by_hand, *ALL_OF_IT)),
    *((kind, by_line, which) for kind in KINDS[2::2] for which in ("first", "last")),
]


@pytest.mark.parametrize(("kind", "again", "which"), CASES)
def test_it_goes_back_once(
    till: Till, kind: str, again: Callable[[Till, Order, Sequence[Refund]], None], which: str
) -> None:
    order = sell(till, kind)
    give(order, CAKE)
    parts = [each for each in till.refunds(order) if each.channel_fen]
    failed = {"first": parts[:1], "last": parts[-1:], "all": parts}[which]
    for each in failed:
        fail(each)
    lost = sum(each.amount_fen for each in failed)
    assert gone(till, order) == 4_000 - lost
    assert stuck_ones(till, order) == [each.id for each in failed]

    again(till, order, failed)

    meant = 10_000 if again in ALL_OF_IT else 4_000
    assert gone(till, order) == meant
    assert stuck_ones(till, order) == []
    for act in (restart, finish):
        for each in failed:
            with pytest.raises((RefundNotStuck, RefundTooMuch), match=r"退|可退"):
                act(each)
    with pytest.raises(RefundTooMuch, match="蛋糕已经退过了" if meant == 4_000 else "退"):
        give(order, CAKE)
    arrive(till, order)
    assert till.read(order).refunded_fen == gone(till, order) == meant
    balance = sum(
        each.balance_fen for each in till.refunds(order) if each.state is RefundState.succeeded
    )
    by_hand_fen = sum(each.channel_fen for each in till.refunds(order) if each.finished_by)
    assert given_back(till) + balance + by_hand_fen == meant
    assert_books_agree(till)


def test_a_part_without_pieces_goes_to_whom_it_was_for_and_keeps_its_line(till: Till) -> None:
    order = sell(till, "table")
    give(order, CAKE)
    _, second = till.refunds(order)
    fail(second)
    with pytest.raises(RefundTooMuch, match=r"蛋糕有 ¥20.00 没退成，到「退款」里处理"):
        give(order, CAKE)
    assert gone(till, order) == 2_000

    again = give(order, free(2_000))

    assert (again.attempt_id, again.replaces_id) == (second.attempt_id, second.id)
    assert [attempt.refunded_fen for attempt in till.attempts(order)] == [2_000, 2_000]
    for act in (restart, finish):
        with pytest.raises(RefundNotStuck, match="后来已经再退过了"):
            act(second)
    assert gone(till, order) == 4_000


def test_a_question_about_what_went_on_meanwhile_is_put_anew(till: Till) -> None:
    order = sell(till, "table")
    give(order, CAKE)
    _, second = till.refunds(order)
    fail(second)

    with pytest.raises(AskedChanged, match="已经再退过了"):
        agree(till, order, free(2_000), before=lambda: restart(second))

    assert gone(till, order) == 4_000


def test_the_lines_of_one_that_failed_go_back_otherwise(till: Till) -> None:
    """Cake and bread failed together; the cake is asked for alone, and then the bread."""
    order = sell(till, "plain")
    both = give(order, Wanted({0: 1, 1: 1}))
    then = [(CAKE, 4_000, [both.id]), (Wanted({1: 1}), 10_000, [])]
    fail(both)
    for wanted, fen, left in then:
        give(order, wanted)
        assert (gone(till, order), stuck_ones(till, order)) == (fen, left)
        for act in (restart, finish):
            with pytest.raises((RefundNotStuck, RefundTooMuch), match="已经"):
                act(both)
    assert gone(till, order) == 10_000


def test_what_was_for_lines_that_all_came_back_is_stuck_no_longer(till: Till) -> None:
    order = sell(till, "table")
    first = give(order, CAKE)
    both = till.refunds(order)
    for each in both:
        fail(each)
    give(order, free(3_000))
    assert stuck_ones(till, order) == [each.id for each in both]
    give(order, CAKE)
    assert first.id in {each.replaces_id for each in till.refunds(order)}
    assert gone(till, order) == 7_000
    assert stuck_ones(till, order) == []
