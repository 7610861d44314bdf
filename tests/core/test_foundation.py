"""The core's promises, through the application that doors use."""

from datetime import UTC, datetime

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import select

from core import clock, idempotency, inbox, lockouts, outbox
from core.crypto import Unreadable, keyring
from core.database import TransactionNested, reading, transaction
from core.errors import Malformed, TooMany


def test_health_answers_and_says_that_redis_is_away(client: FlaskClient) -> None:
    assert client.get("/healthz").json == {"status": "ok"}
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json) == (
        200,
        {"status": "ok", "database": True, "redis": False},
    )


def test_an_unknown_address_is_a_problem_document(client: FlaskClient) -> None:
    answer = client.get("/nowhere")

    assert answer.status_code == 404
    assert answer.content_type == "application/problem+json"
    assert answer.json["code"] == "not_found"
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_a_transaction_is_not_opened_inside_another(app: Flask) -> None:
    with transaction(), pytest.raises(TransactionNested), transaction():
        pass


def test_a_rolled_back_cause_leaves_no_job(app: Flask) -> None:
    with pytest.raises(ZeroDivisionError), transaction() as session:
        outbox.enqueue(session, "core.tidy")
        raise ZeroDivisionError

    with reading() as session:
        assert session.scalars(select(outbox.OutboxJob)).all() == []


def test_a_key_is_enqueued_once(app: Flask) -> None:
    with transaction() as session:
        assert outbox.enqueue(session, "core.tidy", key="k") is True
        assert outbox.enqueue(session, "core.tidy", key="k") is False


def test_an_event_is_recorded_once_and_done_once(app: Flask, now: datetime) -> None:
    facts = {"source": "s", "external_id": "1", "kind": "k", "body": {"a": 1}, "now": now}
    with transaction() as session:
        event, fresh = inbox.record(session, **facts)
        again, fresh_again = inbox.record(session, **facts)
    assert (fresh, fresh_again, event.id) == (True, False, again.id)

    with transaction() as session:
        assert inbox.mark_done(session, event.id, outcome="handled", now=now) is True
        assert inbox.mark_done(session, event.id, outcome="handled", now=now) is False


def test_the_same_key_replays_and_another_body_conflicts(app: Flask, now: datetime) -> None:
    with transaction() as session:
        asked = {"scope": "orders", "key": "k1", "now": now}
        assert idempotency.begin(session, body={"a": 1}, **asked) is None
        idempotency.finish(session, scope="orders", key="k1", result={"no": "7"})
    with transaction() as session:
        replay = idempotency.begin(session, body={"a": 1}, **asked)
        assert replay == idempotency.Replay({"no": "7"})
        with pytest.raises(idempotency.IdempotencyConflict):
            idempotency.begin(session, body={"a": 2}, **asked)
        with pytest.raises(Malformed):
            idempotency.begin(session, scope="orders", key="", body={}, now=now)


def test_ten_failures_lock_and_a_success_clears(app: Flask, now: datetime) -> None:
    with transaction() as session:
        locked = [lockouts.fail(session, "codes:1", now=now) for _ in range(10)]
        assert locked == [False] * 9 + [True]
        with pytest.raises(TooMany) as refusal:
            lockouts.check(session, "codes:1", now=now)
        assert refusal.value.retry_after == 301
        lockouts.clear(session, "codes:1", now=now)
        lockouts.check(session, "codes:1", now=now)


def test_what_is_sealed_opens_and_what_was_changed_does_not(app: Flask) -> None:
    sealed = keyring().seal("13800138000")

    assert keyring().open(sealed) == "13800138000"
    assert "13800138000" not in sealed
    with pytest.raises(Unreadable):
        keyring().open(sealed[:-4] + "AAAA")
    assert keyring().is_signed("x", "coupon", keyring().sign("x", "coupon"))
    assert not keyring().is_signed("x", "other", keyring().sign("x", "coupon"))


def test_business_days_are_the_stores(now: datetime) -> None:
    late = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)

    assert clock.business_day(late).isoformat() == "2026-11-23"
    start, end = clock.day_bounds(clock.business_day(late))
    assert (start, end) == (
        datetime(2026, 11, 22, 16, tzinfo=UTC),
        datetime(2026, 11, 23, 16, tzinfo=UTC),
    )


@pytest.mark.mariadb
def test_the_same_promises_on_mariadb(mariadb_app: Flask, redis: Redis, now: datetime) -> None:
    test_a_key_is_enqueued_once(mariadb_app)
    test_an_event_is_recorded_once_and_done_once(mariadb_app, now)
    test_the_same_key_replays_and_another_body_conflicts(mariadb_app, now)
    test_ten_failures_lock_and_a_success_clears(mariadb_app, now)
    assert mariadb_app.test_client().get("/readyz").json["redis"] is True
