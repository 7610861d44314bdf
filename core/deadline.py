"""A question that the database gives up by itself, so that nobody computes for an empty chair.

To hang up (`core.patience`) leaves the server at work on an answer that nobody waits for.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.database import on_sqlite

_GIVEN_UP = {1969, 3024}  # MariaDB's and MySQL's word for a statement that took too long
_STEPS = 10_000  # of SQLite's machine between two looks at the clock


class TookTooLong(Exception):
    """The database gave up; the connection is as good as before."""


@contextmanager
def at_most(session: Session, seconds: float) -> Iterator[None]:
    """Raise TookTooLong from a SELECT in this block that needs longer than `seconds`."""
    bound = _bound_on_sqlite if on_sqlite(session) else _bound_on_server
    with bound(session, seconds):
        try:
            yield
        except OperationalError as error:
            said = error.orig.args[0] if error.orig is not None and error.orig.args else None
            if said in _GIVEN_UP or said == "interrupted":
                raise TookTooLong from error
            raise


@contextmanager
def _bound_on_server(session: Session, seconds: float) -> Iterator[None]:
    maria = getattr(session.get_bind().dialect, "is_mariadb", False)
    name, value = ("statement", seconds) if maria else ("execution", int(seconds * 1000))
    setting = f"max_{name}_time"
    session.execute(text(f"SET SESSION {setting} = {value}"))
    try:
        yield
    finally:
        connection = session.connection()
        if not connection.invalidated:
            connection.exec_driver_sql(f"SET SESSION {setting} = DEFAULT")


@contextmanager
def _bound_on_sqlite(session: Session, seconds: float) -> Iterator[None]:
    driver: Any = session.connection().connection.driver_connection
    until = time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)
