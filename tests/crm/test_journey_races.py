"""Journeys with several workers at once, on the server's own locks and keys."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from core.database import reading, transaction
from coupons.models import Coupon
from crm.journeys import advancing, counting, entering, scanning
from crm.journeys.entering import Entrant
from crm.models import Journey, JourneyRun, JourneyStep, JourneyVersion
from messaging.models import OutboundMessage
from tests import racing
from tests.crm.conftest import ACCOUNTS
from tests.factories.campaigns import make_talker
from tests.factories.coupons import make_template
from tests.factories.crm import make_member, make_merchant
from tests.factories.journeys import make_journey, plan
from tests.racing import race
from tests.servers import MariaDB

pytestmark = pytest.mark.mariadb

WORKERS = 6
WAIT = {"kind": "wait", "amount": 1, "unit": "days", "until_hour": None}


@pytest.fixture(scope="module")
def shared(mariadb: MariaDB, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    directory = tmp_path_factory.mktemp("journeys")
    with racing.arena(mariadb, directory, wechat=ACCOUNTS) as app:
        yield app


app = racing.app


def entered_at_once(app: Flask, now: datetime, *, chained: bool) -> int:
    """How many runs one member gets by six facts at once; `chained`: as the verb does it."""
    with transaction() as session:
        member_id = make_talker(session).id
        journey = make_journey(session, plan(WAIT, entry={"rule": "every"}), now=now)
        ids = journey.id, journey.version_id

    def come(number: int) -> None:
        with transaction() as session:
            journey = session.get_one(Journey, ids[0])
            version = session.get_one(JourneyVersion, ids[1])
            entrant = Entrant(member_id, f"fact:{number}", now)
            if chained:
                entering.enter(session, journey, version, [entrant], now=now)
                return
            row = entering._row(journey, version, entrant, number, 0, now)  # names no run before
            session.add(JourneyRun(**row))

    race(app, WORKERS, come)
    with reading() as session:
        found = select(JourneyRun.id).where(JourneyRun.journey_id == ids[0])
        return len(session.scalars(found).all())


def test_of_six_entries_at_once_one_is_let_in(app: Flask, now: datetime) -> None:
    assert entered_at_once(app, now, chained=False) == WORKERS  # the control
    assert entered_at_once(app, now, chained=True) == 1


def test_six_workers_give_everybody_one_coupon_and_one_message(app: Flask, now: datetime) -> None:
    with transaction() as session:
        template = make_template(session, make_merchant(session))
        graph = plan(
            {"kind": "coupon", "template_id": template.id},
            {"kind": "points", "points": 5},
            {"kind": "message", "text": "{昵称}，来坐坐。"},
        )
        journey = make_journey(session, graph, now=now)
        version = session.get_one(JourneyVersion, journey.version_id)
        people = [make_talker(session).id for _ in range(60)]
        entrants = [Entrant(member_id, f"fact:{member_id}", now) for member_id in people]
        assert entering.enter(session, journey, version, entrants, now=now) == 60
        journey_id = journey.id

    def work(_: int) -> None:
        for _ in range(30):
            with transaction() as session:
                advancing.advance(session, journey_id, now=now, limit=15)

    race(app, WORKERS, work)
    work(0)  # whoever was passed over because another held them

    with reading() as session:
        coupons = Counter(session.scalars(select(Coupon.member_id)))
        letters = Counter(session.scalars(select(OutboundMessage.openid)))
        steps = Counter(session.scalars(select(JourneyStep.node)))
        assert coupons == dict.fromkeys(people, 1)
        assert (len(letters), set(letters.values())) == (60, {1})
        assert steps == {"n1": 60, "n2": 60, "n3": 60}
        assert counting.read(session, journey_id) == {
            ("", "entered"): 60,
            ("n1", "given"): 60,
            ("n2", "done"): 60,
            ("n3", "sent"): 60,
            ("", "end:completed"): 60,
        }


def test_birthdays_are_found_by_the_server_also_those_of_a_leap_day(
    app: Flask, now: datetime
) -> None:
    with transaction() as session:
        soon = make_member(session, birthday=date(1990, 11, 25)).id
        leap = make_member(session, birthday=date(1992, 2, 29)).id
        make_member(session, birthday=date(1990, 12, 25))
        trigger = {"kind": "birthday", "days": 3}
        journey_id = make_journey(session, plan(WAIT, trigger=trigger), now=now).id
    for at in (now, datetime(2027, 2, 25, 4, tzinfo=now.tzinfo), now + timedelta(minutes=10)):
        with transaction() as session:
            scanning.scan(session, journey_id, 0, now=at)

    with reading() as session:
        found = select(JourneyRun.member_id).order_by(JourneyRun.id)
        assert list(session.scalars(found)) == [soon, leap]
