"""Windows and grants: opened by what people do, spent exactly once, never below zero."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database import reading, retrying, transaction
from messaging import grants, suppression, windows
from messaging.models import MessageWindow, SubscribeGrant, WindowKind
from tests.factories.messaging import make_grant, make_window
from tests.factories.people import MINI, OFFICIAL

OPENID = "oAqing"
TEMPLATE = "T-ready"


def left(session: Session) -> dict[str, int | None]:
    rows = session.execute(select(MessageWindow.kind, MessageWindow.remaining))
    return {kind.value: remaining for kind, remaining in rows}


def test_a_message_opens_five_replies_for_two_days(session: Session, now: datetime) -> None:
    windows.open_window(
        session, appid=OFFICIAL, openid=OPENID, kind=WindowKind.user_message, at=now
    )

    spent = [windows.spend(session, OFFICIAL, OPENID, now) for _ in range(6)]

    assert [window is not None for window in spent] == [True] * 5 + [False]
    assert left(session) == {"user_message": 0}
    windows.open_window(
        session, appid=OFFICIAL, openid=OPENID, kind=WindowKind.user_message, at=now
    )
    assert left(session) == {"user_message": 5}
    assert windows.spend(session, OFFICIAL, OPENID, now + timedelta(hours=48)) is None


def test_an_older_event_does_not_shorten_a_window(session: Session, now: datetime) -> None:
    kind = WindowKind.follow
    windows.open_window(session, appid=OFFICIAL, openid=OPENID, kind=kind, at=now)
    windows.open_window(
        session, appid=OFFICIAL, openid=OPENID, kind=kind, at=now - timedelta(minutes=5)
    )

    assert windows.spend(session, OFFICIAL, OPENID, now + timedelta(seconds=50)) is not None


def test_what_ends_soon_is_spent_first(session: Session, now: datetime) -> None:
    make_window(session, OPENID, kind=WindowKind.user_message, remaining=5)
    make_window(session, OPENID, kind=WindowKind.follow, remaining=1, length=timedelta(minutes=1))

    first = windows.spend(session, OFFICIAL, OPENID, now)
    second = windows.spend(session, OFFICIAL, OPENID, now)

    kinds = [window.kind.value for window in (first, second) if window]
    assert kinds == ["follow", "user_message"]
    assert left(session) == {"follow": 0, "user_message": 4}


def test_giving_back_returns_one_to_the_window_it_was_taken_from(
    session: Session, now: datetime
) -> None:
    window = make_window(session, OPENID, remaining=2)
    make_window(session, OPENID, kind=WindowKind.follow, remaining=1)

    windows.give_back(session, window.id)

    assert left(session) == {"user_message": 3, "follow": 1}


def test_grants_add_up_and_are_spent_one_by_one(session: Session, now: datetime) -> None:
    whose = {"appid": MINI, "openid": OPENID, "template_id": TEMPLATE}
    grants.add(session, now=now, **whose)
    grants.add(session, now=now, count=2, **whose)

    assert grants.count(session, **whose) == 3
    assert [grants.spend(session, now=now, **whose) for _ in range(4)] == [True] * 3 + [False]
    grants.add(session, now=now, **whose)
    grants.withdraw(session, now=now, **whose)
    assert grants.count(session, **whose) == 0


def test_a_grant_that_comes_back_speaks_for_nobody(session: Session, now: datetime) -> None:
    whose = {"appid": OFFICIAL, "openid": OPENID, "template_id": TEMPLATE}
    grants.add(session, **whose, now=now)
    assert grants.spend(session, **whose, now=now)
    suppression.note(session, [(OFFICIAL, OPENID, 43019)], now=now)
    suppressed = suppression.list_suppressed(session, [OFFICIAL], [OPENID], now)

    grants.give_back(session, **whose, now=now)

    assert grants.count(session, **whose) == 1
    assert suppressed == {(OFFICIAL, OPENID)}
    assert suppression.list_suppressed(session, [OFFICIAL], [OPENID], now) == suppressed
    grants.add(session, **whose, now=now)  # the person's own yes
    assert suppression.list_suppressed(session, [OFFICIAL], [OPENID], now) == set()


@pytest.mark.mariadb
def test_parallel_sends_spend_what_there_is(mariadb_app: Flask, now: datetime) -> None:
    with transaction() as session:
        make_window(session, OPENID, remaining=3, length=timedelta(days=900))
        make_grant(session, OPENID, TEMPLATE, remaining=4)

    def spend(_: int) -> tuple[bool, bool]:
        with mariadb_app.app_context():
            with transaction() as session:
                window = windows.spend(session, OFFICIAL, OPENID, now) is not None
            with transaction() as session:
                grant = grants.spend(
                    session, appid=MINI, openid=OPENID, template_id=TEMPLATE, now=now
                )
        return window, grant

    with ThreadPoolExecutor(12) as pool:
        spent = list(pool.map(spend, range(24)))

    assert sum(window for window, _ in spent) == 3
    assert sum(grant for _, grant in spent) == 4
    with reading() as session:
        assert left(session) == {"user_message": 0}
        assert session.scalar(select(func.sum(SubscribeGrant.remaining))) == 0


@pytest.mark.mariadb
def test_parallel_first_grants_add_up(mariadb_app: Flask, now: datetime) -> None:
    def add() -> None:
        with transaction() as session:
            grants.add(session, appid=MINI, openid=OPENID, template_id=TEMPLATE, now=now)

    def door(_: int) -> None:
        with mariadb_app.app_context():
            retrying(add)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(door, range(16)))

    with reading() as session:
        assert grants.count(session, appid=MINI, openid=OPENID, template_id=TEMPLATE) == 16
