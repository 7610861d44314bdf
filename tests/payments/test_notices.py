"""What arrives under /pay/wechat/notify: kept once, acted upon once, refused when forged."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymysql
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core import database
from core.inbox import EventState, InboundEvent
from core.outbox import JobState, OutboxJob, enqueue
from gateways.wechat.pay_records import Notice
from orders.models import Order, PaymentState
from payments import notices
from payments.models import AttemptState, BillState, Channel
from sandbox.pay import notices as sandbox_notices
from tests.payments.conftest import MCHID, HeldNotice, Till


def paid_notice(till: Till) -> HeldNotice:
    order = till.order()
    till.channel.pay(till.open(order))
    return till.channel.next_notice()


def keep(session: Session, notice: Notice, at: datetime) -> None:
    """What the door does before it acts."""
    notices.record(
        session,
        Channel.wechat,
        MCHID,
        external_id=notice.id,
        kind=notice.event_type,
        body=notice.resource,
        now=at,
    )


def events() -> list[InboundEvent]:
    with database.reading() as session:
        return list(session.scalars(select(InboundEvent)))


def test_a_notice_is_kept_with_what_became_of_it(till: Till) -> None:
    notice = paid_notice(till)

    assert [till.deliver(notice), till.deliver(notice)] == [204, 204]

    [event] = events()
    assert (event.source, event.kind) == (f"wechat.pay:{MCHID}", "TRANSACTION.SUCCESS")
    assert event.external_id == json.loads(notice.body)["id"]
    assert (event.state, event.outcome) == (EventState.done, "paid")


def test_a_deadlocks_victim_acts_again_at_once(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    notice, act, broken = paid_notice(till), notices.act, [1213]

    def fall_once(*args: Any) -> str:
        outcome = act(*args)
        if broken:
            raise OperationalError("", None, pymysql.OperationalError(broken.pop(), "Deadlock"))
        return outcome

    monkeypatch.setattr(notices, "act", fall_once)

    assert till.deliver(notice) == 204
    [event] = events()
    assert (event.state, event.outcome) == (EventState.done, "paid")


def test_a_forged_notice_is_refused_and_leaves_no_trace(till: Till) -> None:
    notice = paid_notice(till)
    signature = notice.headers["Wechatpay-Signature"]
    broken = {"Wechatpay-Signature": signature[:-8] + "AAAAAAA="}

    for forged in (
        replace(notice, headers=notice.headers | broken),
        replace(notice, body=notice.body + b" "),
        replace(notice, headers={"Content-Type": "application/json"}),
        replace(notice, headers=notice.headers | {"Wechatpay-Timestamp": "1"}),
        replace(
            notice,
            headers=notice.headers | {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + signature},
        ),
    ):
        assert till.deliver(forged) == 403

    assert events() == []
    assert till.ledger() == []


def test_an_unknown_merchant_is_not_found(till: Till) -> None:
    notice = paid_notice(till)

    assert till.deliver(replace(notice, path="/pay/wechat/notify/1900000000")) == 404
    assert events() == []


def test_an_event_that_is_not_ours_is_kept_and_left(till: Till) -> None:
    world = till.channel.world
    sandbox_notices.create(
        world,
        MCHID,
        "http://127.0.0.1:8000/pay/wechat/notify/" + MCHID,
        event_type="COUPON.USE",
        original_type="coupon",
        summary="用券",
        plain={"mchid": MCHID, "coupon_id": "1"},
        title="通知",
        person=None,
    )

    assert till.deliver(till.channel.next_notice()) == 204

    [event] = events()
    assert (event.kind, event.state, event.outcome) == ("COUPON.USE", EventState.done, "ignored")


@pytest.mark.parametrize("plain", [{"mchid": MCHID}, {"mchid": MCHID, "amount": []}])
def test_a_signed_notice_without_sense_is_kept_as_malformed(
    till: Till, plain: dict[str, object]
) -> None:
    sandbox_notices.create(
        till.channel.world,
        MCHID,
        "http://127.0.0.1:8000/pay/wechat/notify/" + MCHID,
        event_type="TRANSACTION.SUCCESS",
        original_type="transaction",
        summary="支付成功",
        plain=plain,
        title="通知",
        person=None,
    )

    assert till.deliver(till.channel.next_notice()) == 204
    assert [event.outcome for event in events()] == ["malformed"]


@pytest.mark.parametrize(
    "odd", [5, ["a"], {"a": 1}, "x" * 65, "x" * 5000, "号", "a\nb"], ids=lambda odd: repr(odd)[:9]
)
def test_a_signed_notice_with_an_odd_number_is_kept_as_malformed(till: Till, odd: object) -> None:
    held = paid_notice(till)
    notice = till.wechat.pay(MCHID).read_notice(held.headers, held.body, datetime.now(UTC))
    sandbox_notices.create(
        till.channel.world,
        MCHID,
        "http://127.0.0.1:8000/pay/wechat/notify/" + MCHID,
        event_type="TRANSACTION.SUCCESS",
        original_type="transaction",
        summary="支付成功",
        plain=notice.resource | {"transaction_id": odd},
        title="通知",
        person=None,
    )

    assert till.deliver(till.channel.next_notice()) == 204
    assert [event.outcome for event in events()] == ["malformed"]
    assert till.ledger() == []


def test_a_notice_that_fails_and_fails_is_refused_at_last(till: Till) -> None:
    now = datetime.now(UTC)
    with database.transaction() as session:
        event = InboundEvent(
            source=f"{notices.SOURCES[Channel.wechat]}{MCHID}",
            external_id="poison",
            kind="TRANSACTION.SUCCESS",
            body=["no object"],
            received_at=now - timedelta(hours=1),
        )
        session.add(event)
        session.flush()

    for failed in range(3):
        with database.transaction() as session:
            enqueue(session, "payments.sweep_notices")
        assert till.run_jobs("payments.sweep_notices") == ["done"]
        assert till.run_jobs("payments.act_on_notice") == ["failed"]
        with database.transaction() as session:
            job = session.scalars(
                select(OutboxJob).where(OutboxJob.name == "payments.act_on_notice")
            ).all()[-1]
            job.state, job.key = JobState.dead, f"payments.act_on_notice:{event.id}:{failed}"
    assert [kept.state for kept in events()] == [EventState.received]
    with database.transaction() as session:
        enqueue(session, "payments.sweep_notices")
    assert till.run_jobs("payments.sweep_notices") == ["done"]

    [kept] = events()
    assert (kept.state, kept.outcome) == (EventState.done, "refused")
    assert till.run_jobs("payments.act_on_notice") == []


def test_what_was_kept_but_not_acted_upon_is_swept(till: Till) -> None:
    held = paid_notice(till)
    now = datetime.now(UTC)
    notice = till.wechat.pay(MCHID).read_notice(held.headers, held.body, now)
    with database.transaction() as session:  # the process dies right after this commit
        keep(session, notice, now - timedelta(minutes=1))
    with database.transaction() as session:
        enqueue(session, "payments.sweep_notices")

    assert till.run_jobs("payments.sweep_notices") == ["done"]
    assert till.run_jobs("payments.act_on_notice") == ["done"]

    [event] = events()
    assert (event.state, event.outcome) == (EventState.done, "paid")
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]


def kept_by_one_who_died(till: Till, *, ago: timedelta) -> HeldNotice:
    held = paid_notice(till)
    now = datetime.now(UTC)
    notice = till.wechat.pay(MCHID).read_notice(held.headers, held.body, now)
    with database.transaction() as session:
        keep(session, notice, now - ago)
    return held


def test_a_copy_leaves_what_is_in_hand_to_the_sweep(till: Till) -> None:
    held = kept_by_one_who_died(till, ago=timedelta(seconds=3))

    assert till.deliver(held) == 204

    [event] = events()
    assert event.state is EventState.received
    assert till.ledger() == []
    with database.transaction() as session:
        session.query(InboundEvent).update(
            {InboundEvent.received_at: event.received_at - timedelta(seconds=30)}
        )
        enqueue(session, "payments.sweep_notices")
    assert till.run_jobs("payments.sweep_notices") == ["done"]
    assert till.run_jobs("payments.act_on_notice") == ["done"]
    [event] = events()
    assert (event.state, event.outcome) == (EventState.done, "paid")
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]


def test_wechats_own_repetition_acts_on_what_was_left(till: Till) -> None:
    held = kept_by_one_who_died(till, ago=timedelta(seconds=15))

    assert till.deliver(held) == 204

    [event] = events()
    assert (event.state, event.outcome) == (EventState.done, "paid")
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]


def test_the_copy_that_fails_says_so_and_the_next_one_acts(till: Till) -> None:
    held = paid_notice(till)
    with database.transaction() as session:
        session.connection().exec_driver_sql(
            "CREATE TRIGGER broken BEFORE INSERT ON ledger_entries"
            " BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )

    assert till.deliver(held) == 500

    [event] = events()
    assert event.state is EventState.received
    with database.transaction() as session:
        session.connection().exec_driver_sql("DROP TRIGGER broken")
        session.query(InboundEvent).update(
            {InboundEvent.received_at: event.received_at - notices.IN_HAND}
        )
    assert till.deliver(held) == 204
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]


def test_with_the_database_away_wechat_is_asked_to_come_again(till: Till) -> None:
    held = paid_notice(till)
    engine = database.db.engine
    file = Path(engine.url.database or "")
    engine.dispose()
    file.rename(away := file.with_suffix(".away"))
    file.mkdir()

    assert till.deliver(held) == 503

    file.rmdir()
    away.rename(file)
    assert till.deliver(held) == 204
    assert till.ledger() == [("channel", 2500), ("sales", -2500)]


def test_what_somebody_else_has_done_meanwhile_is_not_done_twice(till: Till) -> None:
    held = paid_notice(till)
    refusing("inbound_events", "new.state = 'done'")  # as if a copy had been faster

    assert till.deliver(held) == 204

    [event] = events()
    assert event.state is EventState.received
    assert till.ledger() == []


@pytest.mark.parametrize("table", ["bills", "payment_attempts"])
def test_a_payment_is_settled_whole_or_not_at_all(till: Till, table: str) -> None:
    held = paid_notice(till)
    refusing(table, "new.state in ('paid', 'succeeded')")

    assert till.deliver(held) == 500

    with database.reading() as session:
        order = session.scalars(select(Order)).one()
    assert order.payment_state is PaymentState.unpaid
    assert till.bill(order).state is BillState.open
    assert [attempt.state for attempt in till.attempts(order)] == [AttemptState.pending]
    assert till.ledger() == []
    assert events()[0].state is EventState.received


def refusing(table: str, when: str) -> None:
    """Updates that find no row, as when somebody else has moved it."""
    with database.transaction() as session:
        session.connection().exec_driver_sql(
            f"CREATE TRIGGER unmoved BEFORE UPDATE ON {table} WHEN {when}"
            " BEGIN SELECT RAISE(IGNORE); END"
        )
