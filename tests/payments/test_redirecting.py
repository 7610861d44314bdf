"""A refund that the payer's account did not take goes to another account, under the same number."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import step_up
from core.audit import AuditEntry
from core.database import reading, transaction
from core.security_events import SecurityEvent
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from gateways.pay.redirecting import Card
from merchants.models import Role
from orders.models import Order, PaymentState
from payments import redirecting, refunding
from payments.errors import RefundNotStuck
from payments.models import Refund, RefundState
from payments.refunding import rules, stuck
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


def finish(session: Session, refund: Refund, *, actor: str, now: datetime) -> Refund:
    return stuck.finish_by_hand(session, refund, "店里退了现金", actor=actor, now=now)


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
    with pytest.raises(RefundNotStuck):
        redirect(till, refund)
    assert state_there(till, refund) == "PROCESSING"


def test_on_its_way_to_another_account_nobody_gives_it_back_otherwise(till: Till) -> None:
    order, refund = abnormal(till)
    redirect(till, refund)

    for act in (stuck.restart, finish):
        with pytest.raises(RefundNotStuck), transaction() as session:
            act(session, session.get_one(Refund, refund.id), actor="staff:1", now=now())

    [held] = till.refunds(order)
    assert (held.state, held.error) == (RefundState.failed, "REDIRECTED")
    assert till.read(order).refunded_fen == 0
    page = log_in(till, till.store, role=Role.manager).get(f"/refunds/{refund.out_refund_no}").text
    assert ("正在退到另一个账户" in page, "已用别的办法退了" in page) == (True, False)
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    assert till.run_jobs("payments.query_redirected") == ["done"]
    assert till.read(order).refunded_fen == 2500


def test_one_that_was_not_sent_on_is_abnormal_again(till: Till) -> None:
    order, refund = abnormal(till)
    till.channel.fault(api="pay.abnormal_refund", kind="drop_before")

    with pytest.raises(ChannelUnavailable):
        redirect(till, refund)

    assert till.refunds(order)[0].error == "REDIRECTED"
    assert till.run_jobs("payments.query_redirected") == ["done"]
    assert (till.refunds(order)[0].error, state_there(till, refund)) == ("ABNORMAL", "ABNORMAL")
    assert redirect(till, refund) == "PROCESSING"


def test_a_plain_no_may_be_tried_again_at_once(till: Till) -> None:
    order, refund = abnormal(till)
    till.channel.fault(api="pay.abnormal_refund", kind="error", code="PARAM_ERROR")

    with pytest.raises(ChannelRefused):
        redirect(till, refund, CARD)

    assert (till.refunds(order)[0].error, state_there(till, refund)) == ("ABNORMAL", "ABNORMAL")
    assert redirect(till, refund, CARD) == "PROCESSING"


def test_finished_by_hand_after_it_seemed_lost_the_channel_is_asked_and_told_of(till: Till) -> None:
    order, refund = abnormal(till)
    with transaction() as session:
        finish(session, session.get_one(Refund, refund.id), actor="staff:1", now=now())
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")

    assert redirecting.check(till.cashier, refund.id, now()) == "SUCCESS"

    with reading() as session:
        told = session.scalars(select(SecurityEvent.kind)).all()
    assert (told, till.read(order).refunded_fen) == (["refund_after_failure"], 2500)


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


def test_beyond_a_managers_limit_nothing_goes_to_a_card(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, refund = abnormal(till)
    with transaction() as session:
        none = rules.Rules(manager_fen=2499)
        rules.save(session, refund.merchant_id, none, actor="staff:1", now=now())
    monkeypatch.setattr(step_up, "is_proved", lambda form, at: True)
    card = {"where": "card", "bank": CARD.bank, "number": CARD.number, "holder": CARD.holder}
    path = f"/redirects/{refund.out_refund_no}"

    refused = log_in(till, till.store, role=Role.manager).post(path, **card)

    assert (refused.status_code, "请店主来办" in refused.text) == (422, True)
    assert (state_there(till, refund), till.refunds(order)[0].error) == ("ABNORMAL", "ABNORMAL")
    assert log_in(till, till.store, role=Role.owner).post(path, **card).status_code == 303
    assert state_there(till, refund) == "PROCESSING"


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
