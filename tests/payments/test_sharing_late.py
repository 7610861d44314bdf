"""What comes late or lies long: an answer to an earlier number, and returns behind many others."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from core import database
from gateways.pay.sharing import SharingChannel, SharingResult
from payments.models import PartState, Sharing, SharingPart, SharingState
from payments.sharing import remote, returning
from tests.payments.conftest import MCHID
from tests.payments.test_sharing import OFFICE, Provider
from tests.payments.test_sharing import provider as provider_fixture
from tests.payments.test_sharing import till_config as provider_config

till_config, provider = provider_config, provider_fixture


class Hung:
    """The channel of a worker that hangs between the channel's no and writing it down."""

    def __init__(self, channel: SharingChannel, meanwhile: Callable[[], None]) -> None:
        self.share, self._channel, self._meanwhile = channel.share, channel, meanwhile

    def query_sharing(self, no: str, transaction_id: str) -> SharingResult | None:
        known = self._channel.query_sharing(no, transaction_id)
        self._meanwhile()
        return known


@pytest.mark.parametrize("code", ["RULE_LIMIT", "INVALID_REQUEST"])
def test_a_late_no_to_an_earlier_number_leaves_the_later_one_asked(
    provider: Provider, code: str
) -> None:
    provider.agree(500, (OFFICE, 1_000))
    provider.sell()
    [sharing] = provider.all(Sharing)
    provider.till.channel.fault(api="pay.share", kind="error", status=403, code=code, times=1)

    def another_worker() -> None:
        for _ in range(2):
            provider.share()
            provider.decide()
        assert [one.state for one in provider.all(SharingPart)] == [
            PartState.succeeded,
            PartState.asked,
        ]

    def hung(account: str) -> Any:
        return Hung(provider.till.cashier.sharing(account), another_worker)

    assert remote.advance(hung, sharing.id, datetime.now(UTC)) == "repeated"

    [after] = provider.all(Sharing)
    assert (after.state, after.round, after.error) == (SharingState.asked, 2, "")
    assert [one.state for one in provider.all(SharingPart)] == [
        PartState.succeeded,
        PartState.asked,
    ]
    assert "payments.tell_sharing" not in provider.till.queued()
    provider.till.run_jobs("payments.share")
    assert len(provider.till.channel.world.sharings.shares) == 3  # two sharings, one release
    assert provider.sums() == {
        "channel": 8_500,
        "sales": -10_000,
        "commission": 500,
        "sharing": 1_000,
    }


def test_returns_that_were_made_good_hide_no_newer_one(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "MOST_LISTED", 1)
    provider.agree(1_000)
    first, second = provider.sell(), provider.sell()
    provider.settle()
    for order, refuse in ((first, True), (first, False), (second, True)):
        provider.refund(order, 2_500)
        provider.till.run_jobs("payments.refund")
        provider.decide(**({MCHID: "PAYER_ACCOUNT_ABNORMAL"} if refuse else {}))
        provider.till.run_jobs("payments.refund")

    with database.reading() as session:
        listed = returning.list_failed(session, provider.merchant_id)
    assert [(back.amount_fen, order_id) for back, _, order_id in listed] == [(250, second.id)]
