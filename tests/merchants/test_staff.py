"""Staff: invites, stores, roles, passwords."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from werkzeug.security import generate_password_hash

from core.database import reading, transaction
from core.lockouts import LockedOut
from merchants import demo, queries, roles, staff
from merchants.errors import AlreadyBound, InviteUnusable, LastOwner, StoreNotFound
from merchants.models import Merchant, Role, Staff, StaffState, Store, StoreState, StoreTable
from tests.factories.merchants import make_merchant, make_staff, make_store, make_table
from tests.factories.people import make_person


def invite(session: Session, merchant: Merchant, now: datetime, **values: object) -> str:
    given = {"name": "小周", "role": Role.clerk, "store_ids": [], **values}
    return staff.invite(session, merchant_id=merchant.id, now=now, **given)  # type: ignore[arg-type]


def test_an_invite_makes_a_clerk_of_its_stores_once(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    store = make_store(session, merchant)
    foreign = make_store(session)
    code = invite(session, merchant, now, store_ids=[store.id, foreign.id])
    person = make_person(session)

    clerk = staff.accept_invite(session, code, person, now)

    assert (clerk.merchant_id, clerk.role, clerk.person_id) == (merchant.id, Role.clerk, person.id)
    assert staff.stores_of(session, clerk) == [store.id]
    with pytest.raises(InviteUnusable):
        staff.accept_invite(session, code, make_person(session), now)
    assert session.scalar(select(func.count()).select_from(Staff)) == 1
    assert code not in str(session.execute(text("select * from staff_invites")).all())


@pytest.mark.parametrize("code", ["", "NOPE", "x" * 300])
def test_a_wrong_or_late_invite_makes_nobody(session: Session, now: datetime, code: str) -> None:
    merchant = make_merchant(session)
    late = invite(session, merchant, now)

    with pytest.raises(InviteUnusable):
        staff.accept_invite(session, code, make_person(session), now)
    with pytest.raises(InviteUnusable):
        staff.accept_invite(session, late, make_person(session), now + timedelta(hours=24))

    assert session.scalar(select(func.count()).select_from(Staff)) == 0


def test_an_invite_binds_wechat_to_somebody_with_a_password(
    session: Session, now: datetime
) -> None:
    merchant = make_merchant(session)
    known = make_staff(session, merchant, username="xiaozhou")
    person = make_person(session)

    bound = staff.accept_invite(
        session, invite(session, merchant, now, staff_id=known.id), person, now
    )

    assert bound is known
    assert known.person_id == person.id
    with pytest.raises(AlreadyBound):
        staff.accept_invite(
            session,
            invite(session, merchant, now, staff_id=known.id),
            make_person(session),
            now,
        )


def test_somebody_who_works_there_keeps_their_row(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    person = make_person(session)
    first = staff.accept_invite(session, invite(session, merchant, now), person, now)
    assert staff.leave(session, first, now)
    assert not staff.leave(session, first, now)
    assert staff.find_by_person(session, person.id) is None

    again = staff.accept_invite(
        session, invite(session, merchant, now, role=Role.manager), person, now
    )

    assert again is first
    assert (again.role, again.state) == (Role.manager, StaffState.active)


def test_somebody_who_was_merged_since_keeps_their_row(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    before, after = make_person(session), make_person(session, union_id="U1")
    clerk = staff.accept_invite(session, invite(session, merchant, now), before, now)
    before.merged_into_id = after.id
    session.flush()

    again = staff.accept_invite(session, invite(session, merchant, now), after, now)
    bound = staff.accept_invite(
        session, invite(session, merchant, now, staff_id=clerk.id), after, now
    )

    assert again is bound is clerk


def test_who_comes_back_works_only_where_the_new_invite_says(
    session: Session, now: datetime
) -> None:
    merchant = make_merchant(session)
    before, after = make_store(session, merchant), make_store(session, merchant)
    person = make_person(session)
    clerk = make_staff(session, merchant, person=person, stores=(before,))
    staff.leave(session, clerk, now)

    staff.accept_invite(session, invite(session, merchant, now, store_ids=[after.id]), person, now)

    assert staff.stores_of(session, clerk) == [after.id]


def test_the_last_owner_is_neither_demoted_nor_ended(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    person = make_person(session)
    owner = make_staff(session, merchant, role=Role.owner, person=person)
    make_staff(session, role=Role.owner)  # another merchant's
    gone = make_staff(session, merchant, role=Role.owner)
    assert staff.leave(session, gone, now)
    lower = invite(session, merchant, now, role=Role.clerk)

    with pytest.raises(LastOwner), session.begin_nested():
        staff.accept_invite(session, lower, person, now)
    with pytest.raises(LastOwner), session.begin_nested():
        staff.leave(session, owner, now)

    session.refresh(owner)
    assert (owner.role, owner.state) == (Role.owner, StaffState.active)
    same = invite(session, merchant, now, role=Role.owner)
    assert staff.accept_invite(session, same, person, now) is owner
    make_staff(session, merchant, role=Role.owner)
    assert staff.accept_invite(session, lower, person, now).role is Role.clerk


def test_whose_work_has_ended_leaves_no_open_invite_behind(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    make_staff(session, merchant, role=Role.owner)
    owner = make_staff(session, merchant, role=Role.owner)
    made = invite(session, merchant, now, invited_by_id=owner.id)
    back = invite(session, merchant, now, staff_id=owner.id)
    others = invite(session, merchant, now)

    staff.leave(session, owner, now)

    for code in (made, back):
        with pytest.raises(InviteUnusable):
            staff.accept_invite(session, code, make_person(session), now)
    assert staff.accept_invite(session, others, make_person(session), now)


@pytest.mark.mariadb
def test_two_owners_who_end_each_other_leave_one(mariadb_app: Flask, now: datetime) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        owners = [make_staff(session, merchant, role=Role.owner) for _ in range(2)]

    def end(number: int) -> bool:
        with mariadb_app.app_context():
            try:
                with transaction() as session:
                    return staff.leave(session, session.get_one(Staff, owners[number].id), now)
            except LastOwner:
                return False

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(end, range(2))) == 1
    with reading() as session:
        active = select(func.count()).where(Staff.state == StaffState.active)
        assert session.scalar(active) == 1


@pytest.mark.mariadb
def test_sixteen_scans_of_one_invite_make_one_clerk(mariadb_app: Flask, now: datetime) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        code = invite(session, merchant, now)
        people = [make_person(session) for _ in range(16)]

    def accept(number: int) -> bool:
        with mariadb_app.app_context():
            try:
                with transaction() as session:
                    staff.accept_invite(session, code, people[number], now)
            except InviteUnusable:
                return False
            return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(accept, range(16))) == 1
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Staff)) == 1


def test_an_owner_works_in_every_store_of_the_merchant_only(session: Session) -> None:
    merchant = make_merchant(session)
    stores = [make_store(session, merchant), make_store(session, merchant)]
    make_store(session)
    owner = make_staff(session, merchant, role=Role.owner)
    clerk = make_staff(session, merchant, stores=(stores[1],))

    assert staff.stores_of(session, owner) == [store.id for store in stores]
    assert staff.stores_of(session, clerk) == [stores[1].id]


def test_staff_are_found_under_a_person_that_was_merged(session: Session) -> None:
    before, after = make_person(session), make_person(session, union_id="U1")
    clerk = make_staff(session, person=before)
    before.merged_into_id = after.id
    session.flush()

    assert staff.find_by_person(session, after.id) is clerk
    assert staff.find_by_person(session, after.id, merchant_id=clerk.merchant_id + 1) is None


@pytest.mark.parametrize(
    ("role", "allowed", "refused"),
    [
        ("clerk", "coupons.redeem", "orders.refund"),
        ("manager", "orders.refund", "staff.manage"),
        ("owner", "staff.manage", None),
    ],
)
def test_roles_may_what_they_need(role: str, allowed: str, refused: str | None) -> None:
    assert roles.may(role, allowed)
    assert refused is None or not roles.may(role, refused)
    with pytest.raises(KeyError):
        roles.may(role, "no.such.permission")


HERE = "198.51.100.7"


def test_a_password_lets_in_and_a_wrong_one_does_not(session: Session, now: datetime) -> None:
    owner = make_staff(session, username="owner", role=Role.owner)
    staff.set_password(owner, "a-long-password")
    session.flush()

    assert staff.authenticate(session, "owner", "a-long-password", now, place=HERE) is owner
    assert staff.authenticate(session, "owner", "a-long-passwore", now, place=HERE) is None
    assert staff.authenticate(session, "nobody", "a-long-password", now, place=HERE) is None
    assert owner.password_hash is not None
    assert owner.password_hash.startswith("scrypt:")
    make_staff(session, session.get_one(Merchant, owner.merchant_id), role=Role.owner)
    staff.leave(session, owner, now)
    assert staff.authenticate(session, "owner", "a-long-password", now, place=HERE) is None


def test_ten_wrong_passwords_lock_even_the_right_one_out(session: Session, now: datetime) -> None:
    owner = make_staff(session, username="owner")
    staff.set_password(owner, "a-long-password")
    for _ in range(10):
        assert staff.authenticate(session, "owner", "wrong", now, place=HERE) is None

    with pytest.raises(LockedOut):
        staff.authenticate(session, "owner", "a-long-password", now, place=HERE)

    later = now + timedelta(minutes=5, seconds=1)
    assert staff.authenticate(session, "owner", "a-long-password", later, place=HERE) is owner


def test_wrong_passwords_from_elsewhere_do_not_lock_out(session: Session, now: datetime) -> None:
    owner = make_staff(session, username="owner")
    staff.set_password(owner, "a-long-password")
    for tried in range(10 * 9):
        assert staff.authenticate(session, "owner", "x", now, place=f"203.0.113.{tried}") is None

    assert staff.authenticate(session, "owner", "a-long-password", now, place=HERE) is owner
    for tried in range(10):
        assert staff.authenticate(session, "owner", "x", now, place=f"203.0.113.{tried}") is None
    with pytest.raises(LockedOut):
        staff.authenticate(session, "owner", "a-long-password", now, place=HERE)


def test_a_short_password_is_refused(session: Session) -> None:
    owner = make_staff(session)

    with pytest.raises(staff.WeakPassword):
        staff.set_password(owner, "short")

    assert owner.password_hash is None


def test_another_merchants_store_is_not_found(session: Session, now: datetime) -> None:
    store, other = make_store(session), make_store(session)
    table = make_table(session, store)

    assert queries.get_store_of(session, store.merchant_id, store.id) is store
    with pytest.raises(StoreNotFound):
        queries.get_store_of(session, other.merchant_id, store.id)
    assert queries.find_table(session, table.code) is table
    assert queries.find_table(session, "nope") is None
    assert queries.is_open(store, now)
    store.state = StoreState.closed
    assert not queries.is_open(store, now)


def test_the_demo_merchant_is_loaded_once(session: Session, now: datetime) -> None:
    first = demo.load(session, now)
    again = demo.load(session, now)

    assert first == again
    assert session.scalar(select(func.count()).select_from(Store)) == 3
    assert session.scalar(select(func.count()).select_from(StoreTable)) == 18
    logins = {row["username"]: row["password"] for row in first["staff"]}
    owner = staff.authenticate(session, "owner", logins["owner"], now, place=HERE)
    assert owner is not None
    assert (owner.name, owner.role) == ("沈知夏", Role.owner)
    assert [store["name"] for store in first["stores"]] == ["静安寺店", "徐汇店", "浦东店"]


def test_the_demos_password_is_of_no_use_outside_the_demo(session: Session, now: datetime) -> None:
    """Not even in a database that the demo has filled."""
    owner = make_staff(session, make_merchant(session), role=Role.owner)
    owner.username = "owner"
    owner.password_hash = generate_password_hash("linli-demo", method="scrypt")

    assert staff.authenticate(session, "owner", "linli-demo", now, place=HERE) is None
    with pytest.raises(staff.WeakPassword):
        staff.set_password(owner, "linli-demo")
