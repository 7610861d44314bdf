"""What the core forgets, and what it keeps."""

from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select, update

from core import clock, idempotency, outbox
from core.database import insert_ignore, reading, transaction
from core.idempotency import IdempotencyRecord
from core.inbox import EventState, InboundEvent
from core.lockouts import Lockout
from core.outbox import JobState, OutboxJob
from tasks.core import SLICE
from tests.working import run_inline


def names(column: Any) -> list[str]:
    with reading() as session:
        return sorted(session.scalars(select(column)))


def test_acted_on_events_are_forgotten_after_a_month_and_others_never(app: Flask) -> None:
    long_ago, lately = (clock.now() - timedelta(days=days) for days in (31, 29))
    done, left = EventState.done, EventState.received
    stored = [("new", lately, done), ("left behind", long_ago, left)]
    stored += [(f"old {number}", long_ago, done) for number in range(SLICE + 1)]
    rows = [
        {"source": "s", "external_id": id_, "kind": "k", "body": {}, "outcome": ""}
        | {"state": state, "received_at": at}
        for id_, at, state in stored
    ]
    rows += [{**rows[1], "external_id": "given up", "outcome": "given_up"}]
    with transaction() as session:
        insert_ignore(session, InboundEvent, rows)

    run_inline("core.tidy")

    assert names(InboundEvent.external_id) == ["left behind", "new"]


def test_idempotency_keys_are_forgotten_after_a_month(app: Flask) -> None:
    now = clock.now()
    with transaction() as session:
        for days in (29, 31, 32, 33):
            at = now - timedelta(days=days)
            idempotency.begin(session, scope="s", key=f"{days}", body={}, now=at)

    run_inline("core.tidy")

    assert names(IdempotencyRecord.key) == ["29"]


def test_failures_are_forgotten_once_they_count_no_more(app: Flask) -> None:
    now = clock.now()
    past, future = now - timedelta(seconds=1), now + timedelta(minutes=1)
    rows = [
        {"subject": subject, "failures": 1, "window_ends_at": ends, "locked_until": locked}
        for subject, ends, locked in (
            ("password:made-up", past, None),
            ("password:was-locked", past, past),
            ("password:counting", future, None),
            ("password:locked", past, future),
        )
    ]
    with transaction() as session:
        insert_ignore(session, Lockout, rows)

    run_inline("core.tidy")

    assert names(Lockout.subject) == ["password:counting", "password:locked"]


def test_finished_jobs_are_forgotten_after_a_week_and_dead_ones_never(app: Flask) -> None:
    now = clock.now()
    states = {"done": JobState.done, "dead": JobState.dead, "waiting": JobState.waiting}
    with transaction() as session:
        for key, state in states.items():
            outbox.enqueue(session, "core.tidy", key=key, run_at=now - timedelta(days=8))
            session.execute(update(OutboxJob).where(OutboxJob.key == key).values(state=state))

    run_inline("core.tidy")

    with reading() as session:
        kept = session.scalars(select(OutboxJob.key).where(OutboxJob.key.is_not(None)))
        assert set(kept) == {"dead", "waiting"}
