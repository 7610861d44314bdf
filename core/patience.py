"""How long we wait for a database server that says nothing: frozen, cut off, or out of breath.

A stopped server refuses at once; a frozen one holds its sockets open for ever. A web request gives
up after WEB_SECONDS and the official account's callbacks after less (`within`); a job after its own
time limit, since it may well ask long questions; commands and migrations wait as long as it takes.

Whether a server is there is asked with less patience: when a connection is made, and when one comes
out of the pool that has rested. After a silence nobody asks again for AWAY_SECONDS: else every
thread would wait, and those behind them longer than WeChat does.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pymysql
from flask import has_request_context
from pymysql.constants import CR
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

from core.pipeline import Pipelining

WEB_SECONDS = 8.0
PROBE_SECONDS = 3.0  # is anybody there? A machine at its limits takes a second
CALM_PROBE_SECONDS = 15.0  # where nobody waits for an answer
AWAY_SECONDS = 2.0
RESTED_SECONDS = 0.1  # a connection used since then is good: no server restarts in less

_told: ContextVar[float | None] = ContextVar("linli_database_patience")


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """No statement in this block waits for the server longer than this; None: as long as it takes.

    A silence is an OperationalError. Whether a commit that got no answer happened is not known.
    """
    token = _told.set(seconds)
    try:
        yield
    finally:
        _told.reset(token)


def _limit() -> float | None:
    return _told.get(WEB_SECONDS if has_request_context() else None)


def _probe() -> float:
    limit = _limit()
    return CALM_PROBE_SECONDS if limit is None else min(limit, PROBE_SECONDS)


class _Watch:
    """Remembers that the server was silent a moment ago."""

    def __init__(self) -> None:
        self._silent_until = 0.0

    def refuse_if_silent(self) -> None:
        if time.monotonic() < self._silent_until:
            raise pymysql.OperationalError(CR.CR_CONN_HOST_ERROR, "silent a moment ago")

    def learn(self, error: pymysql.Error) -> None:
        if "timed out" in str(error):
            self._silent_until = time.monotonic() + AWAY_SECONDS


def watch(engine: Engine) -> None:
    """Install the limits on every connection of a MySQL or MariaDB engine."""
    silent = _Watch()

    @event.listens_for(engine, "do_connect")
    def _on_connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:
        silent.refuse_if_silent()
        seconds = _probe()
        limits = {"connect_timeout": seconds, "read_timeout": seconds, "write_timeout": seconds}
        try:
            return Pipelining(*arguments, **{**options, **limits})
        except pymysql.Error as error:
            silent.learn(error)
            raise

    @event.listens_for(engine, "checkout")
    def _on_checkout(connection: Any, record: Any, _proxy: Any) -> None:
        now = time.monotonic()
        if now - record.info.get("rests_since", now) > RESTED_SECONDS:
            _bound(connection, _probe())
            try:
                connection.ping(reconnect=False)
            except pymysql.Error as error:
                silent.learn(error)
                raise InvalidatePoolError from error
        _bound(connection, _limit())

    @event.listens_for(engine, "checkin")
    def _on_checkin(_connection: Any, record: Any) -> None:
        record.info["rests_since"] = time.monotonic()


def _bound(connection: Any, seconds: float | None) -> None:
    """The driver takes its limits when it connects, and reads them anew for every packet."""
    connection._read_timeout = connection._write_timeout = seconds
