"""Writes that nobody waits for: sent with the transaction's next question, or before its commit.

A payment writes a dozen rows that nothing depends on, and to wait for each answer costs more than
the writing. Whatever is refused is raised with the next question or before the commit, never after
it (`core.pipeline`). On SQLite, and where somebody counts statements, each is sent at once.
"""

from collections.abc import Callable, Sequence

from sqlalchemy import Insert, Update
from sqlalchemy.orm import Session

from core import rows, statements
from core.database import Base, insert_new, on_sqlite
from core.rows import NotMoved, Values

Refusal = Callable[[str], BaseException]


def add(session: Session, model: type[Base], row: Values) -> None:
    """Insert a row whose id nobody needs."""
    add_all(session, model, [row])


def add_all(session: Session, model: type[Base], several: Sequence[Values]) -> None:
    """Insert rows with the same columns in one statement; none: nothing."""
    if several:
        statements.execute_later(session, rows.insert_into(model), several, _anything)


def add_all_surely(
    session: Session, model: type[Base], several: Sequence[Values], refusal: Refusal
) -> None:
    """The same for rows that are new for certain; `refusal` makes the error if one was there."""
    new, number = insert_new(model, on_sqlite(session)), len(several)

    def check(met: int, warnings: int) -> BaseException | None:
        if met == number and not warnings:
            return None
        return refusal(f"{model.__tablename__}: {met} of {number} were new")

    statements.execute_later(session, new, several, check)


def must_move(
    session: Session,
    model: type[Base],
    expected: Values,
    values: Values,
    refusal: Refusal = NotMoved,
) -> None:
    """`rows.must_move`, heard later."""
    statement, known = rows.guarded(model, expected)
    run(session, statement, {**known, **values}, number=1, refusal=refusal)


def move_all(session: Session, model: type[Base], expected: Values, values: Values) -> None:
    """Move whichever rows are as `expected`; none is fine too."""
    statement, known = rows.guarded(model, expected)
    run(session, statement, {**known, **values})


def run(
    session: Session,
    statement: Insert | Update,
    values: Values,
    *,
    number: int | None = None,
    refusal: Refusal = NotMoved,
) -> None:
    """Execute a kept statement that has to meet `number` rows; None: however many."""

    def check(met: int, _warnings: int) -> BaseException | None:
        if number is None or met == number:
            return None
        return refusal(f"{statement.table}: {met} of {number} moved")

    statements.execute_later(session, statement, [values], check)


def _anything(_met: int, _warnings: int) -> None:
    return None
