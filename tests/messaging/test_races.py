"""Many broadcasts at once: a follower's four are four, whoever spends them."""

import time

import pytest
from flask import Flask
from sqlalchemy import select, update

from core.database import reading, transaction
from messaging.broadcasts import quotas
from messaging.broadcasts.models import BroadcastQuota
from tests import racing
from tests.conftest import NOW
from tests.factories.people import OFFICIAL

pytestmark = pytest.mark.mariadb
shared, app = racing.shared, racing.app

PEOPLE = ["o1", "o2", "o3"]
MANY = 12


def used() -> dict[str, int]:
    with reading() as session:
        return quotas.used_by(session, OFFICIAL, PEOPLE, NOW)


def test_read_then_write_would_spend_a_fifth(app: Flask) -> None:
    with transaction() as session:
        quotas.spend(session, OFFICIAL, PEOPLE, now=NOW)

    def naive(_: int) -> int:
        with transaction() as session:
            mine = BroadcastQuota.openid == "o1"
            left = 4 - (session.scalar(select(BroadcastQuota.used).where(mine)) or 0)
            time.sleep(0.1)
            if left > 0:
                more = update(BroadcastQuota).where(mine)
                session.execute(more.values(used=BroadcastQuota.used + 1))
            return left > 0

    racing.race(app, MANY, naive)

    assert used()["o1"] > 4


def test_parallel_broadcasts_spend_four_of_each(app: Flask) -> None:
    with transaction() as session:
        quotas.spend(session, OFFICIAL, ["somebody"], now=NOW)

    def broadcast(_: int) -> set[str]:
        with transaction() as session:
            return quotas.spend(session, OFFICIAL, PEOPLE, now=NOW)

    given = racing.race(app, MANY, broadcast)

    assert sum(len(taken) for taken in given if isinstance(taken, set)) == 4 * len(PEOPLE)
    assert used() == dict.fromkeys(PEOPLE, 4)
