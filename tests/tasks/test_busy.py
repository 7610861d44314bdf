"""WeChat's "busy" and its quota put a job off; a day later the message is given up, and so is what
it took."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from core import clock, outbox
from core.database import claim, reading, transaction
from core.outbox import JobState, OutboxJob
from crm import contacts, reminding
from crm.models import CouponReminder, MarketingContact
from gateways.wechat.errors import WechatError, WechatUnavailable
from messaging import remote, rules, sending
from messaging.models import Channel, MessageWindow, OutboundMessage, OutboundState, WindowKind
from tasks import runner
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member, make_merchant
from tests.working import run_inline


def write(kind: str = "order", key: str = "order:1", now: datetime | None = None) -> int:
    payload: dict[str, Any] = {"template_id": "x", "data": {}, "url": ""}
    channel = Channel.template
    if kind in rules.MARKETING_KINDS:
        channel, payload = Channel.customer_service, {"type": "text", "text": "来坐坐"}
    letter = sending.Letter(key, "wx", "o", channel, kind, payload)
    with transaction() as session:
        return sending.prepare_many(session, [letter], now=now or clock.now())[key]


def enqueue(name: str, message_id: int) -> int:
    with transaction() as session:
        outbox.enqueue(session, name, message_id=message_id)
        session.flush()
        return session.scalars(select(func.max(OutboxJob.id))).one()


def run(job_id: int) -> str:
    with transaction() as session:
        claim(session, update(OutboxJob).values(run_at=clock.now()))
        assert outbox.take(session, job_id, lease=timedelta(minutes=2), now=clock.now())
        attempt = session.scalars(select(OutboxJob.attempt).where(OutboxJob.id == job_id)).one()
    return runner.execute(job_id, attempt)


def state_of(message_id: int) -> tuple[OutboundState, str]:
    with reading() as session:
        message = session.get_one(OutboundMessage, message_id)
        return message.state, message.reason


@pytest.mark.parametrize(
    ("trouble", "waits"),
    [
        (WechatError(45009), [600] * 10),
        (WechatError(-1), [10, 20, 40, 80, 160, 320, 600, 600, 600, 600]),
        (WechatUnavailable("send", sent=False), [10, 20, 40, 80, 160, 320, 600, 600, 600, 600]),
    ],
)
def test_a_busy_wechat_is_no_failure_however_long_it_takes(
    app: Flask, monkeypatch: pytest.MonkeyPatch, trouble: Exception, waits: list[int]
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise trouble

    monkeypatch.setattr(remote, "call", refuse)
    message_id = write()
    job_id = enqueue("messaging.deliver", message_id)

    waited = []
    for _ in waits:
        assert run(job_id) == "later"
        with reading() as session:
            row = session.get_one(OutboxJob, job_id)
        waited.append(round((row.run_at - clock.now()).total_seconds(), -1))
        assert (row.state, row.failures) == (JobState.waiting, 0)

    assert waited == waits
    assert state_of(message_id) == (OutboundState.prepared, "wechat_busy")
    monkeypatch.setattr(remote, "call", lambda *_, **__: "7")
    assert run(job_id) == "done"
    assert state_of(message_id) == (OutboundState.sent, "")


def test_a_no_that_stays_a_no_is_still_a_failure(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise WechatError(48001)

    monkeypatch.setattr(remote, "create_scene_qr", refuse)
    with transaction() as session:
        outbox.enqueue(session, "messaging.create_scene_qr", scene_id=1)
        session.flush()
        job_id = session.scalars(select(OutboxJob.id)).one()

    assert run(job_id) == "failed"


def test_a_day_later_the_message_is_given_up_and_the_contact_is_back(app: Flask) -> None:
    long_ago = clock.now() - timedelta(days=1, minutes=1)
    with transaction() as session:
        merchant = make_merchant(session)
        member = make_member(session, merchant=merchant)
        coupon = make_coupon(session, member, make_template(session, merchant))
    message_id = write(reminding.KIND, f"coupon_expiring:{coupon.id}", now=long_ago)
    with transaction() as session:
        ref = reminding.contact_ref(clock.business_day(long_ago))
        for occasion in (ref, "expiring:of another day"):
            contacts.claim_many(
                session, merchant.id, [member.id], kind=reminding.KIND, ref=occasion, now=long_ago
            )
        told = {"coupon_id": coupon.id, "member_id": member.id, "outbound_id": message_id}
        session.add(CouponReminder(**told, outcome="told", at=long_ago))

    run_inline("messaging.deliver_marketing", message_id=message_id)

    assert state_of(message_id) == (OutboundState.failed, "too_late")
    with reading() as session:
        refs = session.scalars(select(MarketingContact.ref)).all()
        assert refs == ["expiring:of another day"]
        assert session.scalars(select(CouponReminder.outcome)).one() == "too_late"


@pytest.mark.parametrize(
    ("allows", "ended"),
    [(True, (OutboundState.sent, "")), (False, (OutboundState.failed, "no_consent"))],
)
def test_whoever_refuses_marketing_while_wechat_is_busy_is_not_written_to(
    app: Flask, monkeypatch: pytest.MonkeyPatch, allows: bool, ended: tuple[OutboundState, str]
) -> None:
    said: list[int] = []
    monkeypatch.setattr(remote, "call", lambda message, **_: str(said.append(message.id)))
    now = clock.now()
    with transaction() as session:
        merchant = make_merchant(session)
        member = make_member(session, merchant=merchant, marketing_consent=allows)
        coupon = make_coupon(session, member, make_template(session, merchant))
    message_id = write(reminding.KIND, f"coupon_expiring:{coupon.id}", now=now)
    with transaction() as session:
        session.add(
            MessageWindow(
                appid="wx",
                openid="o",
                kind=WindowKind.user_message,
                opened_at=now,
                expires_at=now + timedelta(hours=1),
                remaining=5,
            )
        )
        ref = reminding.contact_ref(clock.business_day(now))
        contacts.claim_many(
            session, merchant.id, [member.id], kind=reminding.KIND, ref=ref, now=now
        )
        told = {"coupon_id": coupon.id, "member_id": member.id, "outbound_id": message_id}
        session.add(CouponReminder(**told, outcome="told", at=now))

    run_inline("messaging.deliver_marketing", message_id=message_id)

    assert state_of(message_id) == ended
    assert said == ([message_id] if allows else [])
    with reading() as session:
        assert session.scalars(select(MarketingContact.ref)).all() == ([ref] if allows else [])
        outcome = session.scalars(select(CouponReminder.outcome)).one()
        assert outcome == ("told" if allows else "no_consent")


def test_what_no_job_is_after_any_more_is_taken_up_once_an_hour(app: Flask) -> None:
    now = clock.now()
    order = write(key="order:1", now=now - timedelta(minutes=61))
    journey = write("journey", "journey:1:a", now=now - timedelta(minutes=61))
    write("campaign", "campaign:1", now=now - timedelta(minutes=61))
    write(key="order:2", now=now - timedelta(minutes=59))

    run_inline("messaging.sweep")
    run_inline("messaging.sweep")

    with reading() as session:
        found = session.execute(
            select(OutboxJob.name, OutboxJob.args).where(OutboxJob.state == JobState.waiting)
        ).all()
    assert found == [
        ("messaging.deliver", {"message_id": order}),
        ("messaging.deliver_marketing", {"message_id": journey}),
    ]
