"""Who gets a part of the payments: made known to the channel, refused by it, and let go."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from core import database
from core.clock import business_day
from gateways.cashier import Cashier
from payments.errors import ReceiverNotFound, SharedTooMuch
from payments.models import (
    PaymentAttempt,
    ReceiverPurpose,
    ReceiverState,
    SettlementTerms,
    Sharing,
    SharingPart,
    SharingReceiver,
    SharingState,
)
from payments.settlement import terms
from payments.sharing import receivers
from tests.payments.conftest import MCHID
from tests.payments.test_sharing import HEADQUARTER, OFFICE, SUB, Provider, provider, till_config

__all__ = ["provider", "till_config"]


def test_who_ends_gets_nothing_any_more(provider: Provider) -> None:
    provider.agree(60, (OFFICE, 500))
    office = provider.all(SharingReceiver)[1]
    with database.transaction() as session:
        now = datetime.now(UTC)
        receivers.end(session, provider.merchant_id, office.id, actor="staff:1", now=now)
    provider.till.run_jobs("payments.tell_receiver")

    assert [one.state for one in provider.all(SharingReceiver)] == [
        ReceiverState.active,
        ReceiverState.ended,
    ]
    assert set(provider.till.channel.world.sharings.receivers) == {f"{SUB}|{MCHID}"}
    provider.sell()
    provider.settle()
    assert [part.amount_fen for part in provider.all(SharingPart)] == [60]


def test_who_comes_later_has_no_part_of_what_was_paid_before(provider: Provider) -> None:
    """Nor may the commission of that day and a share of today together pass what is shared."""
    provider.agree(3_000)
    provider.sell()
    now = datetime.now(UTC)
    tomorrow = now + timedelta(days=1)
    with database.transaction() as session:
        told = {"commission_bp": 0, "coupon_platform_bp": 0, "actor": "operator", "now": now}
        terms.agree(session, provider.merchant_id, since=business_day(tomorrow), **told)
    with database.transaction() as session:
        told = {"purpose": ReceiverPurpose.share, "share_bp": 3_000, "actor": "staff:1"}
        receivers.add(session, provider.merchant_id, OFFICE, now=tomorrow, **told)
    assert provider.till.run_jobs("payments.tell_receiver") == ["done"]

    provider.settle()

    assert [part.amount_fen for part in provider.all(SharingPart)] == [3_000]
    [sharing] = provider.all(Sharing)
    assert (sharing.state, sharing.error) == (SharingState.released, "")


def test_a_commission_beside_shares_is_bounded_too(provider: Provider) -> None:
    provider.agree(1_000, (OFFICE, 2_000))

    with pytest.raises(SharedTooMuch):
        provider.agree(1_001)
    later = business_day(datetime.now(UTC)) + timedelta(days=30)
    with pytest.raises(SharedTooMuch), database.transaction() as session:
        now = datetime.now(UTC)
        told = {"commission_bp": 1_001, "coupon_platform_bp": 0, "actor": "operator", "now": now}
        terms.agree(session, provider.merchant_id, since=later, **told)

    with database.reading() as session:
        [known] = session.scalars(select(SettlementTerms)).all()
    assert known.commission_bp == 1_000


def test_a_receiver_refused_for_good_is_marked_and_told_of_once(provider: Provider) -> None:
    provider.till.channel.fault(
        api="pay.add_receiver", kind="error", status=403, code="RECEIVER_HIGH_RISK", times=1
    )
    provider.agree(60)

    [receiver] = provider.all(SharingReceiver)
    assert (receiver.state, receiver.error) == (ReceiverState.refused, "RECEIVER_HIGH_RISK")
    assert provider.till.queued().count("payments.tell_refused") == 1
    assert provider.till.run_jobs("payments.tell_refused") == ["done"]
    provider.sell()
    assert [attempt.shared for attempt in provider.all(PaymentAttempt)] == [False]


def test_a_receiver_that_the_channel_will_not_let_go_is_told_of_and_asked_once_more(
    provider: Provider,
) -> None:
    provider.agree(60, (OFFICE, 500))
    [office] = [one for one in provider.all(SharingReceiver) if one.account == HEADQUARTER]
    provider.till.channel.fault(
        api="pay.delete_receiver", kind="error", status=400, code="RULE_LIMIT", times=1
    )

    def end() -> None:
        with database.transaction() as session:
            now = datetime.now(UTC)
            receivers.end(session, provider.merchant_id, office.id, actor="staff:1", now=now)

    def kept() -> tuple[ReceiverState, str, int]:
        with database.reading() as session:
            found = session.get_one(SharingReceiver, office.id)
            number = receivers.count_kept(session, provider.merchant_id)
            return found.state, found.error, number

    end()
    with pytest.raises(ReceiverNotFound):
        end()  # it is on its way
    assert provider.till.run_jobs("payments.tell_receiver") == ["done"]
    assert kept() == (ReceiverState.ending, "RULE_LIMIT", 1)
    assert provider.till.run_jobs("payments.tell_refused") == ["done"]

    end()
    assert kept() == (ReceiverState.ending, "", 0)
    assert provider.till.run_jobs("payments.tell_receiver")[-1] == "done"

    assert kept() == (ReceiverState.ended, "", 0)
    with pytest.raises(ReceiverNotFound):
        end()


def test_a_platform_that_gets_nothing_holds_up_no_other(provider: Provider) -> None:
    provider.agree(60, (OFFICE, 500))
    provider.sell()
    provider.settle(**{MCHID: "RECEIVER_HIGH_RISK"})
    provider.settle(**{MCHID: "RECEIVER_HIGH_RISK"})

    [sharing] = provider.all(Sharing)
    assert (sharing.state, sharing.error) == (SharingState.shared, "RECEIVER_HIGH_RISK")
    assert provider.sums() == {"channel": 9_500, "sales": -10_000, "sharing": 500}
    assert [one.error for one in provider.all(SharingReceiver)] == ["RECEIVER_HIGH_RISK", ""]


def test_one_that_ends_where_nothing_is_shared_any_more_has_an_end(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The merchant has another number meanwhile: there is nobody to tell."""
    provider.agree(60, (OFFICE, 500))
    [office] = [one for one in provider.all(SharingReceiver) if one.account == HEADQUARTER]
    monkeypatch.setattr(Cashier, "sharing_for", lambda *_: None)
    with database.transaction() as session:
        now = datetime.now(UTC)
        receivers.end(session, provider.merchant_id, office.id, actor="staff:1", now=now)

    assert provider.till.run_jobs("payments.tell_receiver") == ["done"]

    assert [(one.state, one.error) for one in provider.all(SharingReceiver)] == [
        (ReceiverState.active, ""),
        (ReceiverState.ended, ""),
    ]
