"""What must not show: to the log, to the network, to who comes through a proxy."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, select
from sqlalchemy.exc import StatementError

from core import lockouts
from core.config import ConfigError
from core.database import reading, transaction
from core.lockouts import Lockout
from core.security_events import SecurityEvent


def test_a_databases_refusal_does_not_say_what_was_written(app: Flask, now: Any) -> None:
    row = {"subject": "oABC-an-openid", "failures": 1, "window_ends_at": now}

    with pytest.raises(StatementError) as refusal, transaction() as session:
        session.execute(insert(Lockout), [row, row])

    assert "oABC-an-openid" not in str(refusal.value)


def test_figures_are_not_for_who_comes_through_a_proxy(client: FlaskClient) -> None:
    assert client.get("/metrics").status_code == 200
    for header in ("X-Forwarded-For", "Forwarded"):
        assert client.get("/metrics", headers={header: "203.0.113.9"}).status_code == 404


def test_an_empty_token_guards_nothing_and_is_refused(make_config: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError):
        make_config(metrics={"token": ""})


def test_a_lockout_leaves_an_event(app: Flask, now: Any) -> None:
    for _ in range(3):
        with transaction() as session:
            lockouts.fail(session, "codes:staff:1", now=now, limit=3, lock=timedelta(minutes=5))

    with reading() as session:
        events = session.execute(select(SecurityEvent.kind, SecurityEvent.subject)).all()
    assert [tuple(event) for event in events] == [("locked_out", "codes:staff:1")]
