"""An insert that may find its row there already takes that excuse, and no other."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError
from sqlalchemy.orm import Session

from core import rows
from core.bulk import insert_ignore_alike
from core.database import insert_ignore, transaction
from crm import members
from people.models import Identity, IdentityKind, Person
from tests.factories.crm import make_person
from tests.factories.merchants import make_merchant

NOBODY = 987_654

Write = Callable[[Session, dict[str, Any]], object]


def by_rows(session: Session, row: dict[str, Any]) -> object:
    return rows.add_new(session, Identity, row)


def by_several_rows(session: Session, row: dict[str, Any]) -> object:
    return rows.add_all_new(session, Identity, [row, row | {"openid": "other"}])


def by_bulk(session: Session, row: dict[str, Any]) -> object:
    common = {name: row[name] for name in ("kind", "appid", "created_at")}
    given = [(row["person_id"], row["openid"])]
    return insert_ignore_alike(session, Identity, common, ("person_id", "openid"), given)


def by_list(session: Session, row: dict[str, Any]) -> object:
    return insert_ignore(session, Identity, [row, row | {"openid": "other"}])


def by_itself(session: Session, row: dict[str, Any]) -> object:
    return insert_ignore(session, Identity, [row])


EVERY = pytest.mark.parametrize("write", [by_rows, by_several_rows, by_bulk, by_list, by_itself])


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def anywhere(request: pytest.FixtureRequest) -> Iterator[Session]:
    app: Flask = request.getfixturevalue("app" if request.param == "sqlite" else "mariadb_app")
    with app.app_context(), transaction() as session:
        yield session


def row(person_id: int, now: datetime, **values: object) -> dict[str, Any]:
    kind = IdentityKind.official
    found = {"person_id": person_id, "kind": kind, "appid": "wx1", "openid": "o1"}
    return {**found, "created_at": now, **values}


def count(session: Session, table: type = Identity) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


@EVERY
def test_a_row_that_is_there_is_no_error(anywhere: Session, write: Write, now: datetime) -> None:
    person = make_person(anywhere)
    before = count(anywhere)

    write(anywhere, row(person.id, now))
    there = count(anywhere)
    write(anywhere, row(person.id, now))

    assert there > before
    assert count(anywhere) == there


@EVERY
def test_a_missing_parent_is(anywhere: Session, write: Write, now: datetime) -> None:
    before = count(anywhere)

    with pytest.raises(IntegrityError), anywhere.begin_nested():
        write(anywhere, row(NOBODY, now))

    assert count(anywhere) == before


@EVERY
def test_a_missing_value_is(anywhere: Session, write: Write, now: datetime) -> None:
    person = make_person(anywhere)
    before = count(anywhere)

    with pytest.raises(DBAPIError), anywhere.begin_nested():
        write(anywhere, row(person.id, now, created_at=None))

    assert count(anywhere) == before


def test_a_code_that_is_too_long_is(anywhere: Session, now: datetime) -> None:
    person = make_person(anywhere)
    before = count(anywhere)

    for write in (by_rows, by_list):
        with pytest.raises((ValueError, StatementError)), anywhere.begin_nested():
            write(anywhere, row(person.id, now, openid="o" * 200))

    assert count(anywhere) == before


@pytest.mark.mariadb
def test_the_server_shortens_nothing(mariadb_app: Flask, now: datetime) -> None:
    with mariadb_app.app_context(), transaction() as session:
        before = count(session, Person)
        long = {"union_id": "u", "nickname": "名" * 300, "avatar": "", "created_at": now}

        with pytest.raises(DataError), session.begin_nested():
            rows.add_new(session, Person, long)

        assert count(session, Person) == before


@pytest.mark.mariadb
def test_one_wrong_row_is_seen_among_many_repeats(mariadb_app: Flask, now: datetime) -> None:
    with mariadb_app.app_context(), transaction() as session:
        person = make_person(session)
        many = [row(person.id, now, openid=f"o{number}") for number in range(500)]
        assert insert_ignore(session, Identity, many) == 500
        assert insert_ignore(session, Identity, many) == 0

        with pytest.raises(IntegrityError, match="foreign key"), session.begin_nested():
            insert_ignore(session, Identity, [*many, row(NOBODY, now, openid="new")])


@pytest.mark.mariadb
def test_the_server_is_asked_only_when_a_row_was_refused(mariadb_app: Flask, now: datetime) -> None:
    with mariadb_app.app_context(), transaction() as session:
        person = make_person(session)
        asked = text("SHOW SESSION STATUS LIKE 'Com_show_warnings'")

        def number() -> int:
            return int(session.execute(asked).one()[1])

        at_first = number()
        by_rows(session, row(person.id, now))
        after_insert = number()
        by_rows(session, row(person.id, now))

        assert (after_insert - at_first, number() - at_first) == (0, 1)


def test_a_member_without_a_person_is_refused(anywhere: Session, now: datetime) -> None:
    merchant = make_merchant(anywhere)

    with pytest.raises(IntegrityError), anywhere.begin_nested():
        members.ensure(anywhere, merchant_id=merchant.id, person=Person(id=NOBODY), now=now)


def test_a_member_number_is_not_drawn_for_ever(session: Session, now: datetime) -> None:
    merchant, person = make_merchant(session), make_person(session)
    session.execute(
        text("create trigger taken before insert on members begin select raise(ignore); end")
    )

    with pytest.raises(RuntimeError, match="no free member number"):
        members.ensure(session, merchant_id=merchant.id, person=person, now=now)
