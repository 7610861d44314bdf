"""INSERT … unless a unique key refuses it, and for no other reason.

MySQL's INSERT IGNORE also passes over a foreign key that is missed, and shortens what is too long.
Both come back as warnings, whose number travels with every answer: only an insert that left any is
asked which they were. SQLite has a clause that means the unique keys and nothing else.
"""

from typing import Any

from pymysql import err
from pymysql.constants.ER import DUP_ENTRY
from pymysql.cursors import Cursor
from sqlalchemy import Insert, Table, insert
from sqlalchemy.dialects import mysql, sqlite

_IGNORING = "INSERT IGNORE"
MOST_WARNINGS = 20_000  # kept by the server for one statement: more rows than any of ours has


class HonestCursor(Cursor):
    """A cursor whose INSERT IGNORE raises what was not a duplicate: IntegrityError or DataError."""

    def execute(self, query: Any, args: Any = None) -> int:
        number: int = super().execute(query, args)
        if self.warning_count and query[: len(_IGNORING)] in (_IGNORING, _IGNORING.encode()):
            for level, code, text in self.connection.show_warnings():
                if level != "Note" and code != DUP_ENTRY:
                    raise err.error_map.get(code, err.DataError)(code, text)
        return number


def insert_new(table: Table, *, on_sqlite: bool) -> Insert:
    """An insert that a unique key may refuse, row by row."""
    if on_sqlite:
        return sqlite.insert(table).on_conflict_do_nothing()
    return insert(table).prefix_with("IGNORE")


def insert_or_lock(table: Table, *, on_sqlite: bool) -> Insert:
    """An insert that a unique key may refuse; the row is locked either way, and by nobody else.

    INSERT IGNORE takes a lock that many may have on what is there, so two who then want it alone
    wait for each other.
    """
    if on_sqlite:
        return insert_new(table, on_sqlite=True)
    return mysql.insert(table).on_duplicate_key_update(id=table.c.id)
