"""A deadlock inside a savepoint is one like any other: its victim runs once more. On MariaDB."""

import threading

import pytest
from flask import Flask
from sqlalchemy import update

from core.database import reading, transaction
from merchants.models import Merchant
from tests import racing
from tests.factories.merchants import make_merchant
from tests.racing import race

pytestmark = pytest.mark.mariadb
shared, app = racing.shared, racing.app


def test_the_victim_of_a_deadlock_inside_a_savepoint_runs_again(app: Flask) -> None:
    with transaction() as session:
        ids = [make_merchant(session).id for _ in range(2)]
    together, tries = threading.Barrier(2), [0, 0]

    def rename(i: int) -> None:
        tries[i] += 1
        with transaction() as session, session.begin_nested():
            for step, id_ in enumerate(ids if i == 0 else ids[::-1]):
                one = update(Merchant).where(Merchant.id == id_)
                session.execute(one.values(name=Merchant.name + str(i)))
                if step == 0 and tries[i] == 1:
                    together.wait()

    assert race(app, 2, rename) == [None, None]

    assert sorted(tries) == [1, 2]
    with reading() as session:
        names = [session.get_one(Merchant, id_).name[-2:] for id_ in ids]
    assert [sorted(name) for name in names] == [["0", "1"], ["0", "1"]]
