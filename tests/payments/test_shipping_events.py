"""What WeChat tells of payments that it holds back: from the callback to states."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core import clock
from core.database import claim, reading, transaction
from core.inbox import InboundEvent
from core.outbox import OutboxJob
from gateways.wechat.trade_events import read_trade
from payments.shipping import hearing, remote
from payments.shipping.hearing import Heard
from payments.shipping.models import PaymentShipping, ShippingControl, ShippingState
from sandbox.wechat import tradeevents
from tests.payments.conftest import MINI, Till
from tests.payments.test_shipping import at_wechat, desk, hand_over, pay, row, told

HEAR, TELL = "payments.hear_of_shipping", "payments.tell_shipping"


@pytest.fixture(autouse=True)
def each_once(till: Till) -> None:
    """The sandbox tells a silent shop three times; here each of them would have to be delivered."""
    till.channel.world.settings = replace(till.channel.world.settings, push_tries=1)


def hear(till: Till) -> None:
    while (notice := till.channel.next_notice()).path.startswith("/pay/"):
        pass  # of a payment that was paid long ago by the sandbox's clock
    assert till.deliver(notice) == 200
    assert till.run_jobs(HEAR) == ["done"]


def receive(till: Till) -> None:
    body = {"transaction_id": row().transaction_id}
    answer = till.channel.client.post("/sandbox/api/people/aqing/receipts", json=body)
    assert answer.status_code == 200, answer.text


def act(event: str, **values: Any) -> str:
    values = {"transaction_id": row().transaction_id} | values
    with transaction() as session:
        return hearing.act(session, Heard(event, MINI, **values), now=clock.now())


def test_a_payment_is_followed_from_its_shipping_to_the_money(till: Till) -> None:
    hand_over(till, pay(till))
    till.run_jobs(TELL)
    hear(till)

    shipped = row()
    assert shipped.state is ShippingState.uploaded
    assert shipped.shipped_at is not None
    assert shipped.settle_by == shipped.shipped_at + timedelta(days=2)
    assert shipped.settled_at is None
    receive(till)
    hear(till)

    done = row()
    assert (done.state, done.confirmed_by) == (ShippingState.settled, tradeevents.BY_HAND)
    assert done.settled_at == done.confirmed_at is not None


def test_the_phone_shows_what_was_shipped_and_takes_the_receipt_once(till: Till) -> None:
    till.channel.world.shippings.control(MINI).page = "pages/order/order"
    told(till)
    person = till.channel.world.people.get("aqing")
    (shown,) = till.channel.world.chats.list(person, MINI)

    assert (shown["title"], shown["confirm"]) == ("商品已自提", row().transaction_id)
    assert shown["path"].startswith(f"/pages/order/order?transaction_id={row().transaction_id}&")
    receive(till)
    again = till.channel.client.post(
        "/sandbox/api/people/aqing/receipts", json={"transaction_id": row().transaction_id}
    )
    assert again.status_code == 409
    (after,) = till.channel.world.chats.list(person, MINI)
    assert (after["title"], after["confirm"]) == ("已确认收货", "")


def test_time_confirms_what_nobody_confirms(till: Till) -> None:
    told(till)
    till.channel.world.clock.advance(2 * 86_400 + 5)
    hear(till)

    assert (row().state, row().confirmed_by) == (ShippingState.settled, tradeevents.BY_TIME)


def test_a_settlement_that_nobody_told_of_is_asked_for(till: Till) -> None:
    told(till)
    receive(till)
    with transaction() as session:
        old = clock.now() - timedelta(days=12)
        claim(session, update(PaymentShipping).values(told_at=old))
    with transaction() as session:
        session.add(OutboxJob(**job("payments.watch_shipping")))
    assert till.run_jobs("payments.watch_shipping") == ["done"]
    assert till.run_jobs("payments.follow_shipping") == ["done"]

    assert row().state is ShippingState.settled
    assert row().settled_at is not None
    assert row().followed_at is not None


def test_what_is_shipped_but_not_settled_stays_when_it_is_followed(till: Till) -> None:
    told(till)

    assert remote.follow(desk, row().id, clock.now()) == "shipped"
    assert row().state is ShippingState.uploaded


def test_events_may_come_twice_and_in_any_order(till: Till) -> None:
    told(till)
    now = clock.now().replace(microsecond=0)

    assert act(hearing.SETTLEMENT, settled_at=now, confirmed_at=now) == "settled"
    assert act(hearing.SETTLEMENT, settled_at=now, confirmed_at=now) == "repeated"
    assert act(hearing.SETTLEMENT, shipped_at=now, settle_by=now) == "ignored"
    assert (row().state, row().settled_at, row().shipped_at) == (ShippingState.settled, now, now)


def test_what_was_shipped_on_wechats_own_pages_is_not_told_by_us(till: Till) -> None:
    order = pay(till)
    assert act(hearing.SETTLEMENT, shipped_at=clock.now()) == "elsewhere"
    assert (row().state, row().reason) == (ShippingState.uploaded, remote.ELSEWHERE)
    hand_over(till, order)

    assert (till.queued().count(TELL), at_wechat(till)) == (0, None)


def test_a_reminder_has_what_is_due_told_at_once(till: Till) -> None:
    hand_over(till, pay(till))
    before = till.queued().count(TELL)

    assert act(hearing.REMINDED, message="请尽快发货") == "reminded"
    assert till.queued().count(TELL) == before + 1
    assert "payments.watch_shipping" in till.queued()
    till.run_jobs(TELL)
    assert act(hearing.REMINDED) == "told"


def test_a_reminder_of_a_payment_that_nobody_wrote_down_writes_it_down(till: Till) -> None:
    pay(till)
    transaction_id = row().transaction_id
    with transaction() as session:
        session.delete(session.scalars(select(PaymentShipping)).one())
    told_of = {"transaction_id": transaction_id}
    with transaction() as session:
        heard = Heard(hearing.REMINDED, MINI, **told_of)
        assert hearing.act(session, heard, now=clock.now()) == "owed"
    till.run_jobs("payments.owe_shipping")

    assert row().transaction_id == transaction_id
    assert act(hearing.REMINDED, transaction_id="4200-of-nobody") == "unknown"


def test_the_platforms_word_to_the_mini_program_is_kept_and_asked_after(till: Till) -> None:
    body = {"appid": MINI, "managed": True, "confirmed": False}
    assert till.channel.client.post("/sandbox/api/trades", json=body).status_code == 200
    for _ in range(2):
        till.deliver(till.channel.next_notice())
    assert till.run_jobs(HEAR) == ["done", "done"]
    assert set(till.run_jobs("payments.check_shipping_control")) == {"done"}

    with reading() as session:
        control = session.scalars(select(ShippingControl)).one()
    assert (control.managed, control.confirmed) == (True, False)
    assert control.message in ("小程序已纳入发货信息管理", "请完成发货信息录入功能的接入")


def test_two_settlements_of_one_second_are_two_events(till: Till) -> None:
    fields = {"merchant_trade_no": "P1", "settlement_time": 1}
    world, account = till.channel.world, till.channel.world.account(MINI)
    for number in ("4200-a", "4200-b", "4200-a"):
        push = tradeevents.pushes.build(
            world,
            account,
            world.people.get("aqing"),
            "o-aqing",
            MsgType="event",
            Event="trade_manage_order_settlement",
            transaction_id=number,
            title="",
            shown=False,
            **fields,
        )
        push.fields["CreateTime"] = int(clock.now().timestamp()) // 60 * 60
        tradeevents.pushes.send(world, push, wait=False)
        till.deliver(till.channel.next_notice())

    with reading() as session:
        kept = session.scalars(select(InboundEvent.body)).all()
    assert [body["fields"]["transaction_id"] for body in kept] == ["4200-a", "4200-b"]


@pytest.mark.parametrize("value", [None, "", "soon", -5, 10**12, True, [], "２"])
def test_a_field_that_nobody_can_read_is_not_said(value: Any) -> None:
    assert read_trade({"settlement_time": value, "transaction_id": 7}).settled_at == 0


def job(name: str) -> dict[str, Any]:
    now = clock.now()
    return {"name": name, "args": {}, "run_at": now, "created_at": now}
