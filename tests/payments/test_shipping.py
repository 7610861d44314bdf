"""Payments that a mini-program's platform holds back: told, corrected once, followed to the end."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

import gateways
from core import clock
from core.database import claim, reading, transaction
from core.errors import NotFound
from core.outbox import enqueue
from gateways.pay.shipping import (
    Logistics,
    Parcel,
    Shipping,
    ShippingKey,
    ShippingRefused,
    TradeState,
    Why,
)
from orders import handover
from orders.models import Fulfilment, Order, OrderLine, OrderState, PaymentState
from payments.shipping import owing, remote, watching, wishes
from payments.shipping.models import (
    PaymentShipping,
    ShippingControl,
    ShippingSetting,
    ShippingState,
    TellAt,
)
from payments.shipping.wishes import Wish, WrongShipping
from sandbox.people import openid_of
from tests.payments.conftest import MCHID, MINI, Till
from tests.payments.test_paying import open_sheet

PAID, TELL = "orders.after_paid", "payments.tell_shipping"
TEA = Wish(Logistics.pickup, (Parcel("杨枝甘露"),))


def parcel(number: str = "YT1234567890", company: str = "YTO") -> Parcel:
    return Parcel("茶叶礼盒", company, number)


def pay(till: Till, **values: Any) -> Order:
    order = till.order(2500, **values)
    with transaction() as session:
        line = {"name": "杨枝甘露", "quantity": 2, "unit_fen": 1250, "amount_fen": 2500}
        session.add(OrderLine(order_id=order.id, position=0, payable_fen=2500, **line))
    till.channel.pay(open_sheet(till, order))
    till.deliver(till.channel.next_notice())
    till.run_jobs(PAID)
    return order


def hand_over(till: Till, order: Order) -> None:
    with transaction() as session:
        fresh = session.get_one(Order, order.id)
        for verb in (handover.accept, handover.ready):
            verb(session, fresh, actor="staff:1", now=clock.now())
        code = {"code": order.pickup_code}
        handover.complete(session, fresh, actor="staff:1", now=clock.now(), **code)
    till.run_jobs("orders.after_completed")


def told(till: Till, **values: Any) -> Order:
    order = pay(till, **values)
    hand_over(till, order)
    assert till.run_jobs(TELL) == ["done"]
    till.channel.next_notice()
    return order


def row() -> PaymentShipping:
    with reading() as session:
        return session.scalars(select(PaymentShipping)).one()


def age(till: Till, by: timedelta) -> None:
    with transaction() as session:
        claim(session, update(PaymentShipping).values(paid_at=row().paid_at - by))


def at_wechat(till: Till) -> Any:
    return till.channel.world.shippings.by_transaction.get(row().transaction_id)


def change(order: Order, **values: Any) -> None:
    with transaction() as session:
        claim(session, update(Order).where(Order.id == order.id).values(**values))


def test_what_is_fetched_is_told_when_it_is_handed_over(till: Till) -> None:
    order = pay(till)

    assert (row().state, row().logistics) == (ShippingState.waiting, Logistics.pickup)
    assert (row().order_id, row().amount_fen, row().account) == (order.id, 2500, MCHID)
    assert TELL not in till.queued()
    hand_over(till, order)
    assert row().state is ShippingState.due
    assert till.run_jobs(TELL) == ["done"]

    done = row()
    assert (done.state, done.unsure, done.errcode) == (ShippingState.uploaded, False, None)
    assert done.told == Wish(Logistics.pickup, (Parcel("杨枝甘露×2"),)).as_row()
    seen = at_wechat(till)
    assert (seen.logistics, seen.mode, seen.told) == (4, 1, 1)
    assert seen.parcels == [{"item_desc": "杨枝甘露×2"}]


def test_a_merchant_may_have_it_told_at_the_payment(till: Till) -> None:
    with transaction() as session:
        owing.choose(session, till.store.merchant_id, TellAt.payment, now=clock.now())
        owing.choose(session, till.store.merchant_id, TellAt.payment, now=clock.now())
    pay(till)

    assert row().state is ShippingState.due
    with reading() as session:
        assert len(session.scalars(select(ShippingSetting)).all()) == 1


def test_what_nobody_hands_over_is_told_at_once_as_virtual(till: Till) -> None:
    order = pay(till, fulfilment=Fulfilment.none)

    assert (row().state, row().logistics) == (ShippingState.due, Logistics.virtual)
    till.run_jobs(TELL)
    assert (at_wechat(till).logistics, till.read(order).state) == (3, OrderState.placed)


def test_a_payment_is_owed_once_however_often_it_is_looked_at(till: Till) -> None:
    order = pay(till)
    with transaction() as session:
        assert owing.owe(session, session.get_one(Order, order.id), now=clock.now()) == 0

    assert row().state is ShippingState.waiting


def test_nothing_is_owed_for_what_is_not_paid(till: Till) -> None:
    order = till.order(2500)
    with transaction() as session:
        assert owing.owe(session, session.get_one(Order, order.id), now=clock.now()) == 0
        assert session.scalars(select(PaymentShipping)).all() == []


def test_a_mini_program_that_is_free_of_it_is_told_nothing(till: Till) -> None:
    till.channel.world.shippings.control(MINI).managed = False
    order = pay(till)
    hand_over(till, order)
    till.run_jobs(TELL)

    assert (row().state, row().reason) == (ShippingState.void, remote.NOT_HELD)
    assert at_wechat(till) is None
    second = pay(till)
    with reading() as session:
        owed = select(PaymentShipping).where(PaymentShipping.order_id == second.id)
        assert session.scalars(owed).all() == []


def test_whether_payments_are_held_back_is_remembered_and_messages_lead_to_the_order(
    till: Till,
) -> None:
    pay(till)
    assert till.run_jobs("payments.check_shipping_control") == ["done"]

    with reading() as session:
        control = session.scalars(select(ShippingControl)).one()
    assert (control.appid, control.managed, control.confirmed) == (MINI, True, True)
    assert control.page == till.channel.world.shippings.control(MINI).page == "pages/order/order"


def test_a_payment_that_wechat_does_not_know_yet_is_told_again(till: Till) -> None:
    hand_over(till, pay(till))
    till.channel.fault(api="api.upload_shipping_info", kind="error", errcode=10060001, times=1)

    assert till.run_jobs(TELL) == ["later"]
    assert (row().state, at_wechat(till)) == (ShippingState.due, None)
    assert till.run_jobs(TELL) == ["done"]
    assert row().state is ShippingState.uploaded


def test_what_wechat_never_learns_of_is_given_up_after_a_day(till: Till) -> None:
    hand_over(till, pay(till))
    age(till, timedelta(days=1, minutes=1))
    till.channel.fault(api="api.upload_shipping_info", kind="error", errcode=10060001, times=1)

    assert till.run_jobs(TELL) == ["done"]
    assert (row().state, row().errcode) == (ShippingState.failed, 10060001)
    assert "10060001" not in row().reason  # the number stands apart, for who has to ask WeChat


@pytest.mark.parametrize("errcode", [-1, 45009, 10060012, 10060019])
def test_a_busy_wechat_is_waited_for(till: Till, errcode: int) -> None:
    hand_over(till, pay(till))
    till.channel.fault(api="api.upload_shipping_info", kind="error", errcode=errcode, times=1)

    assert till.run_jobs(TELL) == ["later"]
    assert (row().state, row().unsure) == (ShippingState.due, False)


def test_an_answer_that_was_lost_does_not_cost_the_correction(till: Till) -> None:
    hand_over(till, pay(till))
    till.channel.fault(api="api.upload_shipping_info", kind="drop_after", times=1)

    assert till.run_jobs(TELL) == ["later"]
    assert (row().state, row().unsure, at_wechat(till).told) == (ShippingState.due, True, 1)
    assert till.run_jobs(TELL) == ["done"]

    assert (row().state, row().unsure, row().corrections) == (ShippingState.uploaded, False, 0)
    assert at_wechat(till).told == 1


def test_a_worker_that_died_in_the_middle_is_followed_by_one_that_asks_first(till: Till) -> None:
    told(till)
    with transaction() as session:
        now = clock.now()
        claim(session, update(PaymentShipping).values(state="uploading", changed_at=now))
    assert till.run_jobs(TELL) == []
    with pytest.raises(remote.ShippingBusy):
        remote.tell(desk, row().id, clock.now())

    later = clock.now() + remote.CUT_OFF + timedelta(seconds=1)
    assert remote.tell(desk, row().id, later) == "uploaded"
    assert at_wechat(till).told == 1


def test_what_was_refunded_needs_no_telling(till: Till) -> None:
    hand_over(till, pay(till))
    paid = till.channel.world.ledger.find_paid(row().transaction_id)
    assert paid is not None
    paid.refunded_fen = paid.total_fen
    till.run_jobs(TELL)

    assert (row().state, row().reason) == (ShippingState.void, remote.GONE)


def test_parcels_of_one_payment_are_told_as_they_leave(till: Till) -> None:
    pay(till)
    one = Wish(Logistics.parcel, (parcel("A1"), parcel("A2")), split=True, complete=False)
    rest = Wish(Logistics.parcel, (parcel("A3"),), split=True)
    with transaction() as session:
        owing.ship(session, row().id, one, now=clock.now())
    till.run_jobs(TELL)
    assert (row().state, at_wechat(till).complete) == (ShippingState.part, False)
    with transaction() as session:
        owing.ship(session, row().id, rest, now=clock.now())
    till.channel.fault(api="api.upload_shipping_info", kind="drop_after", times=1)
    assert till.run_jobs(TELL) == ["later"]
    assert till.run_jobs(TELL) == ["done"]

    assert row().state is ShippingState.uploaded
    assert [each["tracking_no"] for each in at_wechat(till).parcels] == ["A1", "A2", "A3"]
    assert [each["tracking_no"] for each in row().told["parcels"]] == ["A1", "A2", "A3"]
    assert at_wechat(till).told == 1


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        (Wish(Logistics.pickup, (Parcel("茶"), Parcel("茶")), split=True), "split"),
        (Wish(Logistics.pickup, (Parcel("茶"), Parcel("茶"))), "tracking_no"),
        (Wish(Logistics.parcel, tuple(parcel(f"A{n}") for n in range(16)), True), "tracking_no"),
        (Wish(Logistics.pickup, (Parcel(" "),)), "item"),
        (Wish(Logistics.pickup, (Parcel("茶" * 121),)), "item"),
        (
            Wish(
                Logistics.parcel,
                (parcel(""),),
            ),
            "tracking_no",
        ),
        (Wish(Logistics.parcel, (parcel("A1", ""),)), "company"),
        (Wish(Logistics.parcel, (parcel("A1", "SF"),)), "contact"),
    ],
)
def test_what_wechat_would_refuse_is_never_asked(wish: Wish, field: str) -> None:
    with pytest.raises(WrongShipping) as refusal:
        wishes.check(wish)

    assert set(refusal.value.errors) == {field}


def test_a_long_order_is_described_in_as_many_letters_as_wechat_takes() -> None:
    assert wishes.describe([("杨枝甘露", 2), ("纸袋", 1)]) == "杨枝甘露×2，纸袋"
    assert len(wishes.describe([("杨枝甘露", 2)] * 40)) == 120


def test_another_merchants_is_not_found(till: Till) -> None:
    pay(till)
    with reading() as session, pytest.raises(NotFound):
        owing.get_of(session, till.store.merchant_id + 1, row().id)


def test_combined_payments_are_told_together(till: Till) -> None:
    keys = [till.attempts(pay(till))[0].transaction_id for _ in range(2)]
    shippings = [Shipping(ShippingKey(str(key)), Logistics.city, (Parcel("茶"),)) for key in keys]

    desk(MINI).tell_combined(
        ShippingKey(str(keys[0])), shippings, openid_of(MINI, "aqing"), clock.now()
    )

    known = till.channel.world.shippings.by_transaction
    assert [known[str(key)].logistics for key in keys] == [2, 2]


def test_the_client_names_what_wechat_says(till: Till) -> None:
    pay(till)
    key = ShippingKey(account=MCHID, out_trade_no=row().out_trade_no)
    assert desk(MINI).find(ShippingKey("4200000000")) is None
    before = desk(MINI).find(key)
    assert before is not None
    assert (before.state, before.amount_fen, before.told) == (TradeState.unshipped, 2500, 0)
    assert before.key.transaction_id == row().transaction_id
    with pytest.raises(ShippingRefused) as refusal:
        desk(MINI).tell(TEA.as_shipping(key), "o-somebody-else", clock.now())
    assert (refusal.value.why, refusal.value.errcode) == (Why.wrong, 10060031)
    now = clock.now()
    page = desk(MINI).list_unshipped(now - timedelta(hours=1), now + timedelta(hours=1))
    assert [each.key.out_trade_no for each in page.trades] == [row().out_trade_no]
    assert (page.last_index, page.has_more) == ("1", False)

    desk(MINI).tell(
        Shipping(key, Logistics.parcel, (parcel(),)), openid_of(MINI, "aqing"), clock.now()
    )
    after = desk(MINI).find(key)
    assert after is not None
    assert (after.state, after.complete, after.told) == (TradeState.shipped, True, 1)
    assert (after.logistics, after.numbers) == (Logistics.parcel, ("YT1234567890",))
    received = clock.now() + timedelta(seconds=5)
    remote.remind_receipt(desk, row().id, received)
    with pytest.raises(ShippingRefused) as twice:
        remote.remind_receipt(desk, row().id, received)
    assert twice.value.errcode == 10060029


def test_what_wechat_waits_for_and_nobody_wrote_down_is_gathered(till: Till) -> None:
    pay(till)
    till.run_jobs("payments.check_shipping_control")
    with transaction() as session:
        session.delete(session.scalars(select(PaymentShipping)).one())
    with transaction() as session:
        enqueue(session, "payments.gather_unshipped", appid=MINI)
    assert till.run_jobs("payments.gather_unshipped") == ["done"]
    assert till.run_jobs("payments.owe_shipping") == ["done"]

    assert row().state is ShippingState.waiting


def test_what_was_handed_over_or_refunded_while_nobody_told_of_it_is_healed(till: Till) -> None:
    order = pay(till)
    change(order, state=OrderState.completed)
    with transaction() as session:
        assert watching.heal(session, now=clock.now()) == 1
    assert row().state is ShippingState.due
    change(order, payment_state=PaymentState.refunded)
    with transaction() as session:
        assert watching.heal(session, now=clock.now()) == 1
    assert (row().state, row().reason) == (ShippingState.void, remote.GONE)


def test_staff_are_warned_once_before_it_is_late_and_once_when_it_is(till: Till) -> None:
    pay(till)
    age(till, timedelta(hours=37))
    for mark in ("warned_at", "late_at"):
        with transaction() as session:
            watching.warn(session, now=clock.now())
        first = getattr(row(), mark)
        assert first is not None
        with transaction() as session:
            watching.warn(session, now=clock.now() + timedelta(minutes=5))
        assert getattr(row(), mark) == first
        age(till, timedelta(hours=12))


def desk(appid: str) -> Any:
    return gateways.wechat().mini(appid).shipping
