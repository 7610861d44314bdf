"""Benchmarks that write, as small as they get: their sides still say what the tables have.

What they measure is no matter here; that both sides write everything is asserted by themselves.
"""

from contextlib import nullcontext
from importlib import import_module

import pytest
from flask import Flask
from sqlalchemy import select

from benchmarks import bare_callback, callback, crowd
from core.database import reading
from core.inbox import EventState, InboundEvent
from tests.servers import MariaDB

SMALL: dict[str, dict[str, int]] = {
    "checkout": {"BUYERS": 2, "EACH": 1},
    "notification": {"HANDS": 2, "EACH": 1},
    "redemption": {"CLERKS": 2, "EACH": 1},
    "bulk_issue": {"SLICE": 100},
    "segments": {"ROUNDS": 1},
    "reconciliation": {"EACH": 20, "DAYS": 2},
}


@pytest.mark.mariadb
@pytest.mark.parametrize("name", SMALL)
def test_both_sides_still_run(
    name: str, monkeypatch: pytest.MonkeyPatch, mariadb: MariaDB, mariadb_app: Flask
) -> None:
    """On the server of the tests: to start one for each takes longer than all of this."""
    benchmark = import_module(f"benchmarks.{name}")
    monkeypatch.setattr(crowd, "MEMBERS", 400)
    for key, value in SMALL[name].items():
        monkeypatch.setattr(benchmark, key, value)
    url = str(mariadb_app.config["SQLALCHEMY_DATABASE_URI"])
    server = nullcontext((mariadb_app, mariadb, url))
    monkeypatch.setattr(benchmark, "mariadb_app", lambda: server)

    results = list(benchmark.run())

    assert results
    for result in results:
        assert result.ours > 0, result.what
        assert result.yardstick > 0, result.what


@pytest.mark.mariadb
def test_the_bare_callback_still_keeps_and_answers(
    mariadb_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the two servers, which take longer to start than all of this."""
    told = callback._told(mariadb_app.config["SQLALCHEMY_DATABASE_URI"])
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    head, _, body = callback._request(24_540_000_000_000_001).partition(b"\r\n\r\n")
    address = head.split(b" ", 2)[1].decode()

    answer = bare_callback.create_app().test_client().post(address, data=body)

    assert answer.status_code == 200
    assert callback.SEALED in answer.data
    with mariadb_app.app_context(), reading() as session:
        (kept,) = session.scalars(select(InboundEvent)).all()
    assert kept.state is EventState.done
    assert kept.raw is not None
    assert kept.body["Content"] in callback.SAYINGS
