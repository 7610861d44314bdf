"""What was told of a shipment is corrected once, mended when refused, and never told twice."""

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from core import clock
from core.database import claim, transaction
from gateways.pay.shipping import (
    Logistics,
    Parcel,
    ShippingKey,
)
from payments.shipping import owing, remote
from payments.shipping.models import (
    PaymentShipping,
    ShippingState,
)
from payments.shipping.wishes import Wish
from sandbox.people import openid_of
from tests.payments.conftest import MINI, Till
from tests.payments.test_shipping import TEA, TELL, at_wechat, desk, hand_over, pay, row, told
from tests.racing import race, refusals


def test_it_is_corrected_once_and_then_never(till: Till) -> None:
    told(till)
    with transaction() as session:
        owing.correct(session, row().id, TEA, now=clock.now())
    assert till.run_jobs(TELL) == ["done"]

    assert (row().state, row().corrections, row().told) == (
        ShippingState.corrected,
        1,
        TEA.as_row(),
    )
    assert at_wechat(till).told == 2
    with transaction() as session, pytest.raises(owing.CorrectionUsed):
        owing.correct(session, row().id, TEA, now=clock.now())
    assert (row().state, till.queued().count(TELL)) == (ShippingState.corrected, 0)


def test_the_database_counts_corrections(till: Till) -> None:
    told(till)
    with pytest.raises(IntegrityError), transaction() as session:
        claim(session, update(PaymentShipping).values(corrections=2))
    assert row().corrections == 0


def test_a_correction_that_wechat_refuses_leaves_what_was_told(till: Till) -> None:
    told(till)
    before = row().told
    till.channel.world.shippings.by_transaction[row().transaction_id].told = 2
    with transaction() as session:
        owing.correct(session, row().id, TEA, now=clock.now())
    till.run_jobs(TELL)

    assert (row().state, row().reason) == (ShippingState.corrected, remote.NO_MORE)
    assert row().told == before


def test_what_was_told_on_wechats_own_pages_is_not_told_again(till: Till) -> None:
    order = pay(till)
    key = ShippingKey(row().transaction_id)
    desk(MINI).tell(TEA.as_shipping(key), openid_of(MINI, "aqing"), clock.now())
    till.channel.world.shippings.by_transaction[key.transaction_id].confirmed_at = 1.0
    hand_over(till, order)
    till.run_jobs(TELL)

    assert (row().state, row().reason) == (ShippingState.uploaded, remote.ELSEWHERE)
    assert at_wechat(till).told == 1


def test_what_wechat_refuses_is_mended_and_told_again(till: Till) -> None:
    pay(till)
    with transaction() as session:
        parcels = (Parcel("茶叶礼盒", "SF", "SF1", "****5678"),)
        owing.ship(session, row().id, Wish(Logistics.parcel, parcels), now=clock.now())
    till.channel.fault(api="api.upload_shipping_info", kind="error", errcode=268485227, times=1)
    till.run_jobs(TELL)
    assert (row().state, row().reason) == (ShippingState.failed, "缺快递公司")

    with transaction() as session:
        owing.retry(session, row().id, now=clock.now())
    till.run_jobs(TELL)
    assert row().state is ShippingState.uploaded
    assert at_wechat(till).parcels[0]["contact"] == {"receiver_contact": "****5678"}
    with transaction() as session, pytest.raises(owing.NotCorrectable):
        owing.retry(session, row().id, now=clock.now())


@pytest.mark.mariadb
def test_of_many_who_correct_or_tell_at_once_one_does(mariadb_till: Till) -> None:
    till = mariadb_till
    hand_over(till, pay(till))

    def tell(_: int) -> str:
        try:
            return remote.tell(desk, row().id, clock.now())
        except remote.ShippingBusy:
            return "busy"

    def correct(_: int) -> str:
        with transaction() as session:
            owing.correct(session, row().id, TEA, now=clock.now())
        return "corrected"

    told_by = race(till.app, 8, tell)
    assert told_by.count("uploaded") == 1
    assert set(told_by) <= {"uploaded", "busy", "nothing"}
    assert (at_wechat(till).told, row().state) == (1, ShippingState.uploaded)
    corrected = race(till.app, 8, correct)
    assert corrected.count("corrected") == 1
    assert refusals(corrected) == ["correction_used"] * 7
    assert row().corrections == 1
    assert race(till.app, 8, tell).count("corrected") == 1
    assert at_wechat(till).told == 2
