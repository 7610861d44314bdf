"""Who somebody is, in whatever order WeChat tells us."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database import reading, retrying, transaction
from people import identities, logins
from people.models import Identity, IdentityKind, Person, PersonMerge
from tests.factories.people import MINI, OFFICIAL, make_person, make_recognition, make_token

MEETINGS = (
    (IdentityKind.official, OFFICIAL, "oFollow"),
    (IdentityKind.mini, MINI, "oLogin"),
)


def living(session: Session) -> list[Person]:
    return list(session.scalars(select(Person).where(Person.merged_into_id.is_(None))))


@pytest.mark.parametrize("order", list(itertools.permutations(MEETINGS)))
def test_following_and_logging_in_are_one_person_in_either_order(
    session: Session, now: datetime, order: tuple[tuple[IdentityKind, str, str], ...]
) -> None:
    found = [
        identities.recognise(session, kind=kind, appid=appid, openid=openid, union_id="U1", now=now)
        for kind, appid, openid in order
    ]

    assert found[0].person.id == found[1].person.id
    assert [each.absorbed for each in found] == [None, None]
    assert [person.union_id for person in living(session)] == ["U1"]
    assert len(identities.list_identities(session, found[0].person.id)) == 2


def test_a_person_met_without_union_id_is_absorbed_once_it_is_known(
    session: Session, now: datetime
) -> None:
    follower = make_recognition(session, kind=IdentityKind.official, openid="oFollow")
    token = make_token(session, follower)
    customer = make_recognition(session, openid="oLogin", union_id="U1")
    assert follower.person.id != customer.person.id

    joined = make_recognition(session, kind=IdentityKind.official, openid="oFollow", union_id="U1")
    again = make_recognition(session, kind=IdentityKind.official, openid="oFollow", union_id="U1")

    assert joined.person.id == customer.person.id
    assert joined.identity.person_id == customer.person.id
    assert joined.absorbed is not None
    assert joined.absorbed.id == follower.person.id
    assert joined.absorbed.merged_into_id == customer.person.id
    for person in (customer.person, follower.person):
        reached = identities.list_identities(session, person.id)
        assert [identity.openid for identity in reached] == ["oFollow", "oLogin"]
    assert again.absorbed is None
    merge = session.scalars(select(PersonMerge)).one()
    assert (merge.kept_id, merge.absorbed_id, merge.reason) == (
        customer.person.id,
        follower.person.id,
        "union_id",
    )
    login = logins.find_session(session, token, now)
    assert login is not None
    assert login.person_id == customer.person.id


def test_a_lone_person_takes_its_union_id_without_a_merge(session: Session) -> None:
    first = make_recognition(session, openid="oLogin")
    later = make_recognition(session, openid="oLogin", union_id="U1")

    assert later.person.id == first.person.id
    assert later.person.union_id == "U1"
    assert later.absorbed is None


def test_two_union_ids_stay_two_people(session: Session) -> None:
    one = make_recognition(session, openid="oOne", union_id="U1")
    other = make_recognition(session, openid="oOne", union_id="U2")

    assert other.person.id == one.person.id
    assert other.person.union_id == "U1"
    assert len(living(session)) == 1


def test_the_same_openid_of_another_appid_is_somebody_else(session: Session) -> None:
    one = make_recognition(session, appid="wxone", openid="oSame")
    other = make_recognition(session, appid="wxtwo", openid="oSame")

    assert one.person.id != other.person.id


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from(range(4)), st.booleans()), max_size=12))
def test_any_order_of_meetings_ends_in_one_person_per_human(
    app: Flask, now: datetime, meetings: list[tuple[int, bool]]
) -> None:
    """Four identities of two humans; UnionID known or not at each meeting."""
    with reading() as session:
        for number, known in meetings:
            make_recognition(
                session,
                appid=f"wxapp{number % 2}",
                openid=f"o{number}",
                union_id=f"U{number // 2}" if known else None,
            )
        humans = {number // 2 for number, known in meetings if known}
        told = {number for number, known in meetings if known}
        for human in humans:
            people = {
                session.scalars(select(Identity.person_id).where(Identity.openid == f"o{n}")).one()
                for n in told
                if n // 2 == human
            }
            assert len(people) == 1
        for identity in session.scalars(select(Identity)):
            assert session.get_one(Person, identity.person_id).merged_into_id is None


def first_logins(app: Flask, now: datetime, union_id: str | None) -> list[int]:
    def log_in(_: int) -> int:
        with app.app_context(), transaction() as session:
            found = make_recognition(session, openid="oNew", union_id=union_id)
            return found.person.id

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(log_in, range(16)))


@pytest.mark.mariadb
@pytest.mark.parametrize("union_id", [None, "U1"])
def test_parallel_first_logins_make_one_person(
    mariadb_app: Flask, now: datetime, union_id: str | None
) -> None:
    found = first_logins(mariadb_app, now, union_id)

    assert len(set(found)) == 1
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Person)) == 1
        assert session.scalar(select(func.count()).select_from(Identity)) == 1


def test_parallel_first_logins_make_one_person_on_sqlite(app: Flask, now: datetime) -> None:
    assert len(set(first_logins(app, now, "U1"))) == 1


@pytest.mark.mariadb
def test_the_naive_way_makes_several_people(mariadb_app: Flask, now: datetime) -> None:
    """The control: looking first and inserting then is what the unique keys save us from."""

    def log_in(_: int) -> None:
        with mariadb_app.app_context(), transaction() as session:
            known = session.scalars(select(Person).where(Person.nickname == "naive")).first()
            looked.wait(10)
            if known is None:
                make_person(session, nickname="naive")

    looked = Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(log_in, range(8)))

    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Person)) > 1


@pytest.mark.mariadb
def test_parallel_joining_merges_once(mariadb_app: Flask, now: datetime) -> None:
    with transaction() as session:
        for number in range(6):
            make_recognition(session, appid=f"wxapp{number}", openid=f"o{number}")

    def learn(number: int) -> bool:
        with mariadb_app.app_context():
            return _learn(number)

    with ThreadPoolExecutor(6) as pool:
        absorbed = list(pool.map(learn, range(6)))

    with reading() as session:
        kept = session.scalars(select(Person).where(Person.merged_into_id.is_(None))).one()
        assert kept.union_id == "U1"
        assert set(session.scalars(select(Identity.person_id))) == {kept.id}
        merges = session.scalar(select(func.count()).select_from(PersonMerge))
    assert sum(absorbed) == merges == 5


def _learn(number: int) -> bool:
    def attempt() -> bool:
        with transaction() as session:
            found = make_recognition(
                session, appid=f"wxapp{number}", openid=f"o{number}", union_id="U1"
            )
            return found.absorbed is not None

    return retrying(attempt)
