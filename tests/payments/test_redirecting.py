"""A refund that the payer's account did not take goes to another account, under the same number."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from core.audit import AuditEntry
from core.database import reading, transaction
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from gateways.pay.redirecting import Card
from merchants.models import Role
from orders.models import Order, PaymentState
from payments import redirecting, refunding
from payments.errors import RefundNotStuck
from payments.models import Refund, RefundState
from tests.payments.conftest import MCHID, Till
from tests.payments.test_counter_page import collect, log_in, order_of, shown

CARD = Card("CMB_DEBIT", "6225880212345678", "阿青")


def now() -> datetime:
    return datetime.now(UTC)


def abnormal(till: Till) -> tuple[Order, Refund]:
    """Paid, refunded, and sent back by the bank."""
    order = till.order(2500)
    till.channel.pay(till.open(order))
    till.deliver(till.channel.next_notice())
    with transaction() as session:
        paid = session.get_one(Order, order.id)
        refunding.request(session, paid, 2500, reason="洒了", actor="staff:1", now=now())
    till.run_jobs("payments.refund")
    [refund] = till.refunds(order)
    till.channel.decide_refund(refund.out_refund_no, "ABNORMAL")
    till.deliver(till.channel.next_notice())
    return order, till.refunds(order)[0]


def state_there(till: Till, refund: Refund) -> str:
    return till.channel.world.ledger.refunds[f"{MCHID}|{refund.out_refund_no}"].status


def redirect(till: Till, refund: Refund, card: Card | None = None) -> str:
    return redirecting.redirect(till.cashier, refund.id, card, actor="staff:1", now=now())


@pytest.mark.parametrize("card", [None, CARD], ids=["merchant", "card"])
def test_it_ends_well_under_its_own_number(till: Till, card: Card | None) -> None:
    order, refund = abnormal(till)

    assert redirect(till, refund, card) == "PROCESSING"
    assert till.run_jobs("payments.query_redirected") == ["later"]
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")

    assert till.run_jobs("payments.query_redirected") == ["done"]
    [ended] = till.refunds(order)
    assert (ended.out_refund_no, ended.state) == (refund.out_refund_no, RefundState.succeeded)
    assert till.read(order).payment_state is PaymentState.refunded
    assert sum(amount for _, amount in till.ledger()) == 0


def test_an_answer_that_is_lost_is_asked_for(till: Till) -> None:
    order, refund = abnormal(till)
    till.channel.fault(api="pay.abnormal_refund", kind="drop_after")

    with pytest.raises(ChannelUnavailable):
        redirect(till, refund)

    assert state_there(till, refund) == "PROCESSING"
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    assert till.run_jobs("payments.query_redirected") == ["done"]
    assert till.refunds(order)[0].state is RefundState.succeeded


def test_asked_twice_it_is_one_refund(till: Till) -> None:
    _, refund = abnormal(till)
    redirect(till, refund)
    with pytest.raises(ChannelRefused):
        redirect(till, refund)
    assert state_there(till, refund) == "PROCESSING"


def test_one_that_arrived_is_not_redirected(till: Till) -> None:
    _, refund = abnormal(till)
    redirect(till, refund)
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    till.run_jobs("payments.query_redirected")

    with pytest.raises(RefundNotStuck):
        redirect(till, refund)


def test_what_the_card_says_is_kept_nowhere(till: Till) -> None:
    _, refund = abnormal(till)
    redirect(till, refund, CARD)

    with reading() as session:
        acts = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "refund.redirect")
        ).all()
    assert [each.after["to"] for each in acts] == ["card"]
    assert CARD.number not in repr(CARD)
    assert not any(CARD.number in str(vars(each)) for each in acts)


def test_the_page_asks_for_proof_and_for_a_whole_card(till: Till) -> None:
    _, refund = abnormal(till)
    manager = log_in(till, till.store, role=Role.manager)
    path = f"/redirects/{refund.out_refund_no}"
    assert "换个账户退 ¥25.00" in manager.get(path).text

    answers = [
        manager.post(path, where="merchant"),
        manager.post(path, where="card", bank="CMB_DEBIT", number="12", holder="阿青"),
        log_in(till, till.store).get(path),
    ]

    assert [answer.status_code for answer in answers] == [422, 422, 403]
    assert "卡号是 12 到 20 位数字" in answers[1].text
    assert state_there(till, refund) == "ABNORMAL"


def test_a_refund_of_a_sum_of_nobody_known_has_its_page(till: Till) -> None:
    manager = log_in(till, till.store, role=Role.manager)
    path = collect(manager)
    manager.post(f"{path}/code", code=shown(till))
    with transaction() as session:
        paid = session.get_one(Order, order_of(path).id)
        refunding.request(session, paid, 250, reason="收多了", actor="staff:1", now=now())
    [refund] = till.refunds(order_of(path))

    assert "¥2.50" in manager.get(f"/refunds/{refund.out_refund_no}").text
    assert "¥2.50" in manager.get(f"/orders/{order_of(path).no}").text
    assert manager.get("/payments/").status_code == 200
    assert manager.get("/refunds/").status_code == 200
