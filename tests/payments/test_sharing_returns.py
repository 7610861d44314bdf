"""What others give back when the payer gets a refund: first, once, or not at all."""

from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import select

from core import database
from core.audit import AuditEntry
from payments import proof, refunding, telling
from payments.errors import ReturnNotOwed, SharingNotFound
from payments.models import (
    Refund,
    RefundState,
    ReturnState,
    SharingPart,
    SharingReturn,
)
from payments.refunding import stuck
from payments.sharing import returning
from tests.payments.conftest import MCHID
from tests.payments.test_sharing import Provider, provider, till_config

__all__ = ["provider", "till_config"]


def test_a_refund_after_takes_the_part_back_first(provider: Provider) -> None:
    provider.agree(1_000)
    order = provider.sell()
    provider.settle()
    refund = provider.refund(order, 2_500)

    assert provider.till.run_jobs("payments.refund") == ["later"]
    [back] = provider.all(SharingReturn)
    assert (back.amount_fen, back.state) == (250, ReturnState.asked)
    assert provider.till.refunds(order)[0].state is RefundState.requested
    provider.decide()
    assert provider.till.run_jobs("payments.refund") == ["done"]

    [back] = provider.all(SharingReturn)
    assert back.state is ReturnState.succeeded
    assert provider.till.refunds(order)[0].state is RefundState.processing
    provider.till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    provider.till.deliver(provider.till.channel.next_notice())
    assert provider.sums() == {"channel": 10_000 - 750 - 2_500, "sales": -7_500, "commission": 750}

    provider.refund(order, 7_500)
    provider.till.run_jobs("payments.refund")
    provider.decide()
    provider.till.run_jobs("payments.refund")
    assert [one.amount_fen for one in provider.all(SharingReturn)] == [250, 750]
    assert provider.sums()["commission"] == 0


def test_a_receiver_that_does_not_give_back_holds_up_no_refund(provider: Provider) -> None:
    provider.agree(1_000)
    order = provider.sell()
    provider.settle()
    provider.refund(order, 2_500)
    provider.till.run_jobs("payments.refund")
    provider.decide(**{MCHID: "PAYER_ACCOUNT_ABNORMAL"})

    assert provider.till.run_jobs("payments.refund") == ["done"]

    [back] = provider.all(SharingReturn)
    assert (back.state, back.error) == (ReturnState.failed, "PAYER_ACCOUNT_ABNORMAL")
    [part] = provider.all(SharingPart)
    assert part.returned_fen == 0
    assert provider.till.refunds(order)[0].state is RefundState.processing
    assert provider.sums()["commission"] == 1_000


def test_what_did_not_come_back_is_asked_for_once_more_under_its_own_number(
    provider: Provider,
) -> None:
    provider.agree(1_000)
    order = provider.sell()
    provider.settle()
    provider.refund(order, 2_500)
    provider.till.run_jobs("payments.refund")
    provider.decide(**{MCHID: "PAYER_ACCOUNT_ABNORMAL"})
    provider.till.run_jobs("payments.refund")
    [failed] = provider.all(SharingReturn)
    assert provider.till.run_jobs("payments.tell_return") == ["done"]
    with database.transaction() as session:
        assert len(returning.list_failed(session, provider.merchant_id)) == 1
        now = datetime.now(UTC)
        returning.again(session, provider.merchant_id, failed.id, actor="staff:1", now=now)

    with database.transaction() as session, pytest.raises(SharingNotFound):
        returning.again(session, provider.merchant_id, failed.id, actor="staff:1", now=now)
    asked = provider.till.run_jobs("payments.check_return")
    provider.decide()
    done = provider.till.run_jobs("payments.check_return")

    assert (asked[-1], done[-1]) == ("later", "done")
    [back] = provider.all(SharingReturn)
    assert (back.state, back.no != failed.no, back.amount_fen) == (ReturnState.succeeded, True, 250)
    assert [part.returned_fen for part in provider.all(SharingPart)] == [250]
    assert provider.sums()["commission"] == 750
    with database.reading() as session:
        assert returning.list_failed(session, provider.merchant_id) == []


def test_a_later_refund_takes_back_what_an_earlier_one_did_not(provider: Provider) -> None:
    provider.agree(1_000)
    order = provider.sell()
    provider.settle()
    provider.refund(order, 2_500)
    provider.till.run_jobs("payments.refund")
    provider.decide(**{MCHID: "PAYER_ACCOUNT_ABNORMAL"})
    provider.till.run_jobs("payments.refund")
    [failed] = provider.all(SharingReturn)
    provider.refund(order, 2_500)
    provider.till.run_jobs("payments.refund")
    provider.decide()

    assert [one.amount_fen for one in provider.all(SharingReturn)] == [250, 500]
    with database.transaction() as session:
        assert returning.list_failed(session, provider.merchant_id) == []
        now = datetime.now(UTC)
        with pytest.raises(ReturnNotOwed):
            returning.again(session, provider.merchant_id, failed.id, actor="staff:1", now=now)


def test_shares_that_came_back_for_a_refund_that_failed_are_named_until_it_goes_on(
    provider: Provider,
) -> None:
    provider.agree(1_000)
    order = provider.sell()
    provider.settle()
    failed = provider.refund(order, 5_000)
    provider.till.run_jobs("payments.refund")
    provider.decide()
    provider.till.channel.fault(
        api="pay.refund", kind="error", status=403, code="USER_ACCOUNT_ABNORMAL", times=1
    )
    provider.till.run_jobs("payments.refund")
    assert provider.till.refunds(order)[0].state is RefundState.failed

    assert provider.till.run_jobs("payments.tell_short") == ["done"]
    with database.transaction() as session:
        [short] = returning.list_short(session, provider.merchant_id)
        assert (short.fen, short.refund.id, short.receiver.account) == (500, failed.id, MCHID)
        mine, now = session.get_one(Refund, failed.id), datetime.now(UTC)
        stuck.restart(session, mine, actor="staff:1", now=now)
    provider.till.run_jobs("payments.refund")

    assert [one.amount_fen for one in provider.all(SharingReturn)] == [500]
    assert provider.till.refunds(order)[1].state is RefundState.processing
    with database.reading() as session:
        assert returning.list_short(session, provider.merchant_id) == []
    assert provider.sums()["commission"] == 500


def test_what_the_channel_can_do_no_more_is_closed_with_a_note_and_asked_of_nobody_again(
    provider: Provider,
) -> None:
    provider.agree(1_000)
    order = provider.sell()
    provider.settle()
    provider.refund(order, 2_500)
    provider.till.run_jobs("payments.refund")
    provider.decide(**{MCHID: "PAYER_ACCOUNT_ABNORMAL"})
    provider.till.run_jobs("payments.refund")
    [failed] = provider.all(SharingReturn)
    now, whose = datetime.now(UTC), provider.merchant_id
    with database.transaction() as session:
        returning.close(session, whose, failed.id, "转账还了", actor="staff:1", now=now)

    for act in (returning.again, partial(returning.close, note="再记一次")):
        with database.transaction() as session, pytest.raises(SharingNotFound):
            act(session, whose, failed.id, actor="staff:1", now=now)

    [closed] = provider.all(SharingReturn)
    assert (closed.state, closed.no, closed.error) == (
        ReturnState.closed, failed.no, "PAYER_ACCOUNT_ABNORMAL",
    )  # fmt: skip
    with database.reading() as session:
        assert returning.list_failed(session, whose) == []
        entry = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc()).limit(1)).one()
        assert proof.wrong_sharings(session, range(1, 99)) == []
    assert (entry.action, entry.reason) == ("sharing.return_close", "转账还了")
    assert provider.sums()["commission"] == 1_000  # nothing came back through the channel
    provider.refund(order, 2_500)
    provider.till.run_jobs("payments.refund")
    assert [one.amount_fen for one in provider.all(SharingReturn)] == [250, 250]


def test_what_was_closed_with_a_note_never_came_back_and_is_owed_to_nobody(
    provider: Provider,
) -> None:
    """Two refunds took parts back, one of which was closed; the second refund then fails."""
    provider.agree(1_000)
    order = provider.sell()
    provider.settle()
    refunds = []
    for ends in ("PAYER_ACCOUNT_ABNORMAL", None):
        refunds.append(provider.refund(order, 2_500))
        provider.till.run_jobs("payments.refund")
        provider.decide(**({MCHID: ends} if ends else {}))
        if ends:
            provider.till.run_jobs("payments.refund")
            [failed] = provider.all(SharingReturn)
            with database.transaction() as session:
                now, whose = datetime.now(UTC), provider.merchant_id
                returning.close(session, whose, failed.id, "认了", actor="staff:1", now=now)
    assert [(one.amount_fen, one.state) for one in provider.all(SharingReturn)] == [
        (250, ReturnState.closed),
        (250, ReturnState.asked),
    ]
    provider.till.channel.fault(
        api="pay.refund", kind="error", status=403, code="USER_ACCOUNT_ABNORMAL", times=1
    )
    provider.till.run_jobs("payments.refund")
    first, second = provider.till.refunds(order)
    assert (first.state, second.state) == (RefundState.processing, RefundState.failed)
    with database.transaction() as session:  # the first needs what the second took back
        assert returning.list_short(session, provider.merchant_id) == []
        assert refunding.fail(session, first.id, "USER_ACCOUNT_ABNORMAL", datetime.now(UTC))

    with database.reading() as session:
        [short] = returning.list_short(session, provider.merchant_id)
        assert (short.fen, short.receiver.account) == (250, MCHID)
    assert provider.sums()["commission"] == 750  # the 250 that did come back


def test_nobody_is_told_to_pay_out_what_was_closed_and_never_came_back(provider: Provider) -> None:
    provider.agree(1_000)
    order = provider.sell()
    provider.settle()
    refund = provider.refund(order, 2_500)
    provider.till.run_jobs("payments.refund")
    provider.decide(**{MCHID: "PAYER_ACCOUNT_ABNORMAL"})
    provider.till.run_jobs("payments.refund")
    [failed] = provider.all(SharingReturn)
    with database.transaction() as session:
        now, whose = datetime.now(UTC), provider.merchant_id
        returning.close(session, whose, failed.id, "认了", actor="staff:1", now=now)
        assert refunding.fail(session, refund.id, "USER_ACCOUNT_ABNORMAL", now)

    with database.transaction() as session:
        assert returning.list_short(session, provider.merchant_id) == []
        assert telling.tell_short(session, refund.id, now=datetime.now(UTC)) == 0
    assert provider.sums()["commission"] == 1_000
