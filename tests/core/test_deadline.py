"""A question that takes too long is given up by the database, and the connection stays good."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core import deadline
from core.database import reading

ENDLESS = text(
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000)"
    " SELECT COUNT(*) FROM n"
)


@pytest.fixture(params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)])
def anywhere(request: pytest.FixtureRequest) -> Iterator[Session]:
    app: Flask = request.getfixturevalue("app" if request.param == "sqlite" else "mariadb_app")
    with app.app_context(), reading() as session:
        if request.param == "mariadb":
            session.execute(text("SET SESSION max_recursive_iterations = 1000000000"))
        yield session


def test_it_is_given_up_and_the_next_one_is_answered(anywhere: Session) -> None:
    with pytest.raises(deadline.TookTooLong), deadline.at_most(anywhere, 0.2):
        anywhere.scalar(ENDLESS)

    assert anywhere.scalar(text("SELECT 7")) == 7


def test_afterwards_questions_may_be_long_again(anywhere: Session) -> None:
    with deadline.at_most(anywhere, 0.05):
        assert anywhere.scalar(text("SELECT 7")) == 7

    some = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
    assert anywhere.scalar(text(f"{some} SELECT COUNT(*) FROM n")) == 300_000


def test_another_error_stays_itself(anywhere: Session) -> None:
    with pytest.raises(OperationalError, match="no_such"), deadline.at_most(anywhere, 1):
        anywhere.execute(text("SELECT no_such FROM outbox_jobs"))
