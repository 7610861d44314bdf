"""A refund that failed is started again or finished by hand, once."""

import pytest
from sqlalchemy import select

from core.outbox import OutboxJob
from payments import refunding
from payments.errors import (
    RefundNotStuck,
    RefundTooMuch,
)
from payments.models import (
    RefundState,
)
from payments.refunding import stuck
from tests.conftest import NOW
from tests.payments.test_refund_lines import Shop, entries, shop

__all__ = ["shop"]


def test_a_refund_that_failed_frees_its_lines_and_is_started_again_once(shop: Shop) -> None:
    first = shop.ask(p0=1)
    assert refunding.fail(shop.session, first.id, "USER_ACCOUNT_ABNORMAL", NOW)
    assert shop.taken() == {0: (0, 0)}
    assert stuck.is_stuck(shop.session, first, NOW)

    again = stuck.restart(shop.session, first, actor="staff:8", now=NOW)

    assert (again.replaces_id, again.batch, again.actor) == (first.id, first.batch, "staff:8")
    assert (shop.lines(again), shop.taken()) == ([(0, 1, 667)], {0: (1, 667)})
    assert not stuck.is_stuck(shop.session, first, NOW)
    with pytest.raises(RefundNotStuck):
        stuck.restart(shop.session, first, actor="staff:8", now=NOW)
    assert shop.decide(again, "SUCCESS") == "refunded"
    assert len(shop.refunds()) == 2


def test_an_abnormal_one_is_never_asked_again_but_finished_by_hand(shop: Shop) -> None:
    refund = shop.ask(p0=1)
    assert shop.decide(refund, "ABNORMAL") == "abnormal"
    assert shop.taken() == {0: (1, 667)}
    with pytest.raises(RefundNotStuck):
        stuck.restart(shop.session, refund, actor="staff:8", now=NOW)

    stuck.finish_by_hand(shop.session, refund, "店里退了现金", actor="staff:8", now=NOW)

    assert (refund.state, refund.finished_by, refund.note) == (
        RefundState.succeeded, "staff:8", "店里退了现金",
    )  # fmt: skip
    shop.session.refresh(shop.order)
    assert shop.order.refunded_fen == 667
    assert entries(shop.session, refund) == {"by_hand": -667, "sales": 667}
    assert shop.decide(refund, "SUCCESS") == "repeated"  # the channel paid too: an owner is told
    assert shop.order.refunded_fen == 667
    with pytest.raises(RefundNotStuck):
        stuck.finish_by_hand(shop.session, refund, "再来", actor="staff:8", now=NOW)


def test_what_the_channel_refused_is_finished_by_hand_too(shop: Shop) -> None:
    refund = shop.ask(p1=1)
    refunding.fail(shop.session, refund.id, "USER_ACCOUNT_ABNORMAL", NOW)

    done = stuck.finish_by_hand(shop.session, refund, "转账", actor="staff:8", now=NOW)

    assert (done.replaces_id, done.state) == (refund.id, RefundState.succeeded)
    assert shop.taken() == {1: (1, 1_500)}
    jobs = select(OutboxJob.args).where(OutboxJob.name == "payments.refund")
    assert [args["refund_id"] for args in shop.session.scalars(jobs)] == [refund.id]
    with pytest.raises(RefundTooMuch):
        shop.ask(2_001)


def test_one_that_is_on_its_way_is_left_alone_for_a_day(shop: Shop) -> None:
    refund = shop.ask(p0=1)
    shop.decide(refund, "PROCESSING")
    with pytest.raises(RefundNotStuck):
        stuck.finish_by_hand(shop.session, refund, "急", actor="staff:8", now=NOW)
    assert not stuck.is_stuck(shop.session, refund, NOW + stuck.SLOW / 2)
    assert stuck.tell_slow(shop.session, now=NOW + stuck.SLOW / 2) == 0

    late = NOW + stuck.SLOW
    assert stuck.is_stuck(shop.session, refund, late)
    assert stuck.tell_slow(shop.session, now=late) == stuck.tell_slow(shop.session, now=late) == 1

    told = select(OutboxJob).where(OutboxJob.name == "payments.tell_stuck")
    assert len(shop.session.scalars(told).all()) == 1
