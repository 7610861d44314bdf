"""Writes held back until something is asked: many statements, one exchange with the server.

A server reads one command after the other, whether or not its client waits in between. What a
transaction writes without looking at the answer is held here and goes out in front of its next
question; before a commit it is sent and heard by itself. Nothing is held outside a transaction.

What goes wrong is raised by whatever sends, at the latest by the commit, so the transaction ends as
if it had been raised at once. The statements behind the one that failed have run by then: they are
rolled back with it.

Who hears it may be somebody else, who takes it for an error of their own and goes on. So it is said
again to every command that follows, the commit too, until what was held is undone: by a rollback of
the whole, or to a savepoint. A savepoint is only made once all that was held before it went well,
and none while something is wrong, so one that the server still knows lies before what failed.
"""

import struct
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

from pymysql import err
from pymysql.connections import Connection
from pymysql.constants.COMMAND import COM_QUERY
from pymysql.cursors import Cursor
from pymysql.protocol import FieldDescriptorPacket, MysqlPacket

MOST_BYTES = 64 * 1024  # held: the server answers each with a dozen, so neither side ever blocks
_TOGETHER = (b"SELECT", b"INSERT", b"UPDATE", b"DELETE")
_UNDOES = b"ROLLBACK"


Check = Callable[[int, int], BaseException | None]
"""Given how many rows a statement met and how many warnings it left: what to raise, if anything."""


class Held(NamedTuple):
    sql: bytes
    check: Check


class Pipelining(Connection):
    """The driver's connection. Every command passes through `_execute_command`, so none of them
    can overtake what is held."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._held: list[Held] = []
        self._size = 0
        self._wrong: BaseException | None = None
        super().__init__(*arguments, **options)

    def can_hold(self) -> bool:
        return not self.get_autocommit()

    def hold(self, sql: bytes, check: Check) -> None:
        if self._size + len(sql) > MOST_BYTES:
            self.send_held()
        self._held.append(Held(sql, check))
        self._size += len(sql)

    def _execute_command(self, command: int, sql: Any) -> None:
        if not self._held and self._wrong is None:
            super()._execute_command(command, sql)
            return
        raw: bytes = sql.encode(self.encoding) if isinstance(sql, str) else sql
        if command == COM_QUERY and raw.startswith(_UNDOES):
            self._take()
            super()._execute_command(command, raw)
            return
        self._complain()
        if command == COM_QUERY and raw.startswith(_TOGETHER) and len(raw) <= MOST_BYTES:
            self._send_together(raw)
            return
        self.send_held()
        super()._execute_command(command, raw)

    def _read_packet(self, packet_type: Any = MysqlPacket) -> Any:
        known = packet_type is FieldDescriptorPacket
        return super()._read_packet(_described if known else packet_type)

    def query(self, sql: str | bytes, unbuffered: bool = False) -> int:
        met: int = super().query(sql, unbuffered)
        self._wrong = None  # while something is, nothing but what undoes it gets an answer
        return met

    def rollback(self) -> None:
        super().rollback()
        self._wrong = None

    def send_held(self) -> None:
        """By themselves, and hear them."""
        self._complain()
        if self._held:
            held = self._take()
            self._leave_nothing_open()
            self._write_bytes(b"".join(_packet(each.sql) for each in held))
            if (wrong := self._hear(held)) is not None:
                raise wrong

    def _send_together(self, question: bytes) -> None:
        """Whoever asked hears the answer next, unless something before it went wrong."""
        held = self._take()
        self._leave_nothing_open()
        self._write_bytes(b"".join(_packet(sql) for sql in (*(e.sql for e in held), question)))
        wrong = self._hear(held)
        self._next_seq_id = 1
        if wrong is None:
            return
        with suppress(err.MySQLError):  # of two errors the first is the cause
            self._read_query_result()
        self._result = None
        raise wrong

    def _hear(self, held: list[Held]) -> BaseException | None:
        """All the answers; the first thing that was wrong with them."""
        wrong: BaseException | None = None
        for each in held:
            self._next_seq_id = 1
            try:
                met: int = self._read_query_result()
                found = each.check(met, self._result.warning_count if self._result else 0)
            except err.MySQLError as error:
                if not self.open:
                    raise  # nothing more will come
                found = error
            self._result = None
            wrong = wrong or found
        self._wrong = wrong
        return wrong

    def _complain(self) -> None:
        if self._wrong is not None:
            raise self._wrong

    def _take(self) -> list[Held]:
        held, self._held, self._size = self._held, [], 0
        return held

    def _leave_nothing_open(self) -> None:
        """What the driver does before any command, of which it has no hook."""
        if not self.open:
            raise err.InterfaceError(0, "")
        if self._result is not None and (self._result.unbuffered_active or self._result.has_next):
            raise err.ProgrammingError("a result was left half read")
        self._result = None


class Holding(Cursor):
    """A cursor that sends nothing: what is executed is held, under one check."""

    check: Check

    def _query(self, q: str | bytearray) -> int:
        connection = self._get_db()
        sql = q.encode(connection.encoding) if isinstance(q, str) else bytes(q)
        connection.hold(sql, self.check)
        return 0


@lru_cache(maxsize=8_192)
def _described(data: bytes, encoding: str) -> FieldDescriptorPacket:
    """A column as the server describes it, in the same bytes for every answer: parsed once.

    Nothing reads on in one of these, so all answers may share it.
    """
    return FieldDescriptorPacket(data, encoding)


def _packet(sql: bytes) -> bytes:
    return struct.pack("<iB", len(sql) + 1, COM_QUERY) + sql
