"""A refund that was believed failed turns out done while the one in its place was begun: money,
lines, stored value and receivers' parts are taken once, and nothing is sent a second time."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock, database, outbox
from core.outbox import OutboxJob
from gateways.pay.records import Asked, RefundAsk, RefundResult
from gateways.wechat.pay import PayMerchant
from orders.models import Order, PaymentState
from payments import refunding, remote
from payments.errors import RefundNotStuck, RefundTooMuch
from payments.models import Refund, RefundState, ReturnState, SharingPart, SharingReturn
from payments.refunding import stuck
from payments.sharing import returning
from tests.payments.conftest import MCHID, Post, Till
from tests.payments.test_balance import assert_books_agree, has, top_up
from tests.payments.test_failed_refunds import ask, fail, finish, restart, stuck_ones
from tests.payments.test_recon_acts import forgotten, told
from tests.payments.test_refund_lines import NOW, Shop, shop
from tests.payments.test_several_bills import pay
from tests.payments.test_sharing import Provider, provider, till_config

__all__ = ["provider", "shop", "till_config"]

ENDED = [(RefundState.succeeded, ""), (RefundState.failed, "DONE_BEFORE")]


def believed_failed(till: Till, first: Refund) -> None:
    """Sent; we give it up, and the channel does it all the same, telling nobody."""
    fail(first)
    till.channel.decide_refund(first.out_refund_no, "SUCCESS")
    while not till.channel.held.empty():
        till.channel.next_notice()


def begin(till: Till, first: Refund) -> Refund:
    """Another is asked for in its place, and the channel has not money enough for it just now."""
    second = restart(first)
    till.channel.fault(api="pay.refund", kind="error", code="NOT_ENOUGH")
    with forgotten(till, first):
        assert till.run_jobs("payments.refund") == ["later"]
    return second


def hear(till: Till, first: Refund) -> str:
    return remote.check_refund(till.cashier, first.id, clock.now())


def ends(till: Till, order: Order) -> list[tuple[RefundState, str]]:
    return [(refund.state, refund.error) for refund in till.refunds(order)]


def given_back(till: Till) -> int:
    known = till.channel.world.ledger.refunds.values()
    return sum(refund.refund_fen for refund in known if refund.status == "SUCCESS")


def sums(till: Till) -> dict[str, int]:
    found: dict[str, int] = {}
    for account, fen in till.ledger():
        found[account] = found.get(account, 0) + fen
    return found


def test_a_whole_refund_that_turns_out_done_leaves_nothing_to_send(till: Till) -> None:
    order = till.order(3_000)
    pay(till, order)
    first = ask(order, 3_000)
    till.run_jobs("payments.refund")
    believed_failed(till, first)
    second = begin(till, first)

    assert hear(till, first) == "refunded"

    assert ends(till, order) == ENDED
    assert told() == ["refund_after_failure"]  # the second had been begun
    assert till.run_jobs("payments.refund") == ["done"]
    assert f"{MCHID}|{second.out_refund_no}" not in till.channel.world.ledger.refunds
    assert ends(till, order) == ENDED
    assert (given_back(till), sums(till)) == (3_000, {"channel": 0, "sales": 0})
    assert till.read(order).payment_state is PaymentState.refunded
    assert till.attempts(order)[0].refunded_fen == 3_000
    assert stuck_ones(till, order) == []
    for act in (restart, finish):
        for refund in (first, second):
            with pytest.raises(RefundNotStuck):
                act(refund)
    assert told() == ["refund_after_failure"]


def begun(session: Session, refund: Refund) -> None:
    found = select(OutboxJob.id).where(OutboxJob.key == f"payments.refund:{refund.id}")
    job_id = session.scalars(found).one()
    assert outbox.take(session, job_id, lease=timedelta(minutes=1), now=NOW)


def test_its_lines_stay_refunded_whatever_the_second_held(session: Session, shop: Shop) -> None:
    first = shop.ask(L1=1)  # the one cake
    assert refunding.fail(session, first.id, "USER_ACCOUNT_ABNORMAL", NOW)
    second = stuck.restart(session, first, actor="staff:1", now=NOW)
    begun(session, second)

    assert shop.decide(first, "SUCCESS") == "refunded"

    assert (second.state, second.error) == ENDED[1]
    assert shop.taken() == {1: (1, 1_500)}
    assert (shop.lines(first), shop.order.refunded_fen) == ([(1, 1, 1_500)], 1_500)
    assert not refunding.fail(session, second.id, "USER_ACCOUNT_ABNORMAL", NOW)
    assert shop.taken() == {1: (1, 1_500)}
    with pytest.raises(RefundTooMuch):
        shop.ask(L1=1)


def test_what_it_took_of_a_top_up_stays_taken(till: Till, post: Post) -> None:
    order = top_up(till, paid_fen=10_000, bonus_fen=0)
    first = ask(order, 4_000)
    till.run_jobs("payments.refund")
    believed_failed(till, first)
    begin(till, first)
    assert has(till) == (6_000, 0)
    meal = till.order(3_000)
    assert post(f"orders/{meal.no}/payment", body={"channel": "balance"}).status_code == 200

    assert hear(till, first) == "refunded"
    assert till.run_jobs("payments.refund") == ["done"]

    assert has(till) == (3_000, 0)
    assert ends(till, order) == ENDED
    assert (given_back(till), till.attempts(order)[0].refunded_fen) == (4_000, 4_000)
    assert told() == ["refund_after_failure"]
    assert_books_agree(till)


def test_one_that_was_on_the_wire_just_then_is_followed_and_told(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = till.order(3_000)
    pay(till, order)
    first = ask(order, 1_000)
    till.run_jobs("payments.refund")
    believed_failed(till, first)
    second = restart(first)
    known, key = till.channel.world.ledger.refunds, f"{MCHID}|{first.out_refund_no}"
    hidden, heard = known.pop(key), []
    send = PayMerchant.refund

    def refund(self: PayMerchant, asked: Asked, wanted: RefundAsk) -> RefundResult:
        answer = send(self, asked, wanted)
        known[key] = hidden
        heard.append(hear(till, first))
        return answer

    monkeypatch.setattr(PayMerchant, "refund", refund)
    assert till.run_jobs("payments.refund") == ["done"]

    assert (heard, ends(till, order)) == (["refunded"], ENDED)
    assert till.attempts(order)[0].refunded_fen == 1_000
    assert till.run_jobs("payments.query_refund") == ["done", "later"]  # the first, the second
    till.channel.decide_refund(second.out_refund_no, "SUCCESS")
    till.channel.next_notice()  # lost
    assert till.run_jobs("payments.query_refund") == ["done"]

    assert ends(till, order) == [(RefundState.succeeded, "")] * 2
    assert told() == ["refund_after_failure"] * 2
    assert (given_back(till), sums(till)) == (2_000, {"channel": 1_000, "sales": -1_000})
    assert till.read(order).refunded_fen == till.attempts(order)[0].refunded_fen == 2_000


def shared_sale(provider: Provider) -> tuple[Order, Refund]:
    """10 % of a payment is the platform's; 2500 are on their way back, and 250 came back for it."""
    provider.agree(1_000)
    order = provider.sell()
    provider.settle()
    first = provider.refund(order, 2_500)
    provider.till.run_jobs("payments.refund")
    provider.decide()
    provider.till.run_jobs("payments.refund")
    assert provider.sums()["commission"] == 750
    return order, first


def short(provider: Provider) -> list[tuple[int, int]]:
    with database.reading() as session:
        found = returning.list_short(session, provider.merchant_id)
        return [(each.refund.id, each.fen) for each in found]


def test_a_receiver_gives_its_part_back_once(provider: Provider) -> None:
    order, first = shared_sale(provider)
    till = provider.till
    believed_failed(till, first)
    begin(till, first)

    assert hear(till, first) == "refunded"
    assert till.run_jobs("payments.refund") == ["done"]
    provider.decide()

    assert ends(till, order) == ENDED
    assert [(back.refund_id, back.amount_fen) for back in provider.all(SharingReturn)] == [
        (first.id, 250)
    ]
    assert [part.returned_fen for part in provider.all(SharingPart)] == [250]
    assert provider.sums() == {"channel": 10_000 - 2_500 - 750, "sales": -7_500, "commission": 750}
    assert short(provider) == []


def test_what_came_back_for_one_that_ended_is_named(provider: Provider) -> None:
    """Both were at the channel, and a third was shared in between: the second then closes."""
    order, first = shared_sale(provider)
    till = provider.till
    fail(first)
    second = restart(first)
    with forgotten(till, first):
        assert till.run_jobs("payments.refund") == ["done"]
    till.channel.decide_refund(first.out_refund_no, "SUCCESS")
    assert hear(till, first) == "refunded"
    third = provider.refund(order, 1_000)
    till.run_jobs("payments.refund")
    provider.decide()
    assert [back.amount_fen for back in provider.all(SharingReturn)] == [250, 350]
    assert short(provider) == []

    till.channel.decide_refund(second.out_refund_no, "CLOSED")
    assert remote.check_refund(till.cashier, second.id, clock.now()) == "closed"

    assert till.attempts(order)[0].refunded_fen == 3_500
    assert short(provider) == [(second.id, 250)]
    assert till.run_jobs("payments.tell_short")[-1] == "done"
    assert third.replaces_id is None


def test_what_was_shared_while_a_refund_counted_as_failed_comes_back_when_it_was_done(
    provider: Provider,
) -> None:
    till = provider.till
    provider.agree(1_000)
    order = provider.sell()
    first = provider.refund(order, 2_500)
    till.run_jobs("payments.refund")
    believed_failed(till, first)
    provider.settle()
    assert [part.amount_fen for part in provider.all(SharingPart)] == [1_000]

    assert hear(till, first) == "refunded"
    assert till.run_jobs("payments.return_after") == ["done"]

    [back] = provider.all(SharingReturn)
    assert (back.refund_id, back.amount_fen, back.state) == (first.id, 250, ReturnState.asked)
    assert till.run_jobs("payments.check_return") == ["later"]
    provider.decide()
    assert till.run_jobs("payments.check_return") == ["done"]
    assert [part.returned_fen for part in provider.all(SharingPart)] == [250]
    assert provider.sums() == {"channel": 10_000 - 2_500 - 750, "sales": -7_500, "commission": 750}
    assert hear(till, first) == "repeated"
    assert "payments.return_after" not in till.queued()
