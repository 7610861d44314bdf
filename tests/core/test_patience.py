"""A server that is frozen is noticed, remembered for a moment, and forgiven."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app import create_app
from core import config, database, patience
from core.database import reading
from scripts.player import eventually
from tests.conftest import raw_config
from tests.servers import MariaDB, frozen

pytestmark = pytest.mark.mariadb


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    with MariaDB(tmp_path_factory.mktemp("own")) as server:
        yield server


@pytest.fixture
def own(server: MariaDB, tmp_path: Path) -> Iterator[Flask]:
    with server.database() as url:
        app = create_app(config.parse(raw_config(tmp_path, database={"url": url})))
        with app.app_context():
            yield app
            database.db.engine.dispose()


def ask(question: str = "SELECT 1") -> object:
    with reading() as session:
        return session.scalar(text(question))


def test_a_statement_without_an_answer_fails(own: Flask, server: MariaDB) -> None:
    with reading() as session:
        session.scalar(text("SELECT 1"))
        with patience.within(0.3), pytest.raises(OperationalError), reading() as other:
            other.scalar(text("SELECT SLEEP(5)"))

    assert ask() == 1


def test_a_long_question_is_answered_where_nobody_waits(own: Flask) -> None:
    assert ask("SELECT SLEEP(0.4)") == 0
    with patience.within(0.1):
        with patience.within(None):
            assert ask("SELECT SLEEP(0.4)") == 0
        with pytest.raises(OperationalError):
            ask("SELECT SLEEP(0.4)")


def test_after_a_silence_nobody_asks_for_a_moment(own: Flask, server: MariaDB) -> None:
    assert ask() == 1
    time.sleep(2 * patience.RESTED_SECONDS)
    with patience.within(0.5), frozen(server.process):
        with pytest.raises(OperationalError):
            ask()
        for _ in range(3):
            with pytest.raises(OperationalError, match="silent a moment ago"):
                ask()

    assert eventually(answers, "the database to be believed again")


def answers() -> bool:
    try:
        return ask() == 1
    except OperationalError:
        return False
