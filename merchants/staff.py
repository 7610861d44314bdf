"""Staff: who works for a merchant, in which stores, and how they prove it."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from core.errors import NotFound
from merchants import owners
from merchants.invites import LIFETIME, accept_invite, invite, withdraw
from merchants.models import Role, Staff, StaffState, StaffStore, Store
from merchants.passwords import WeakPassword, authenticate, set_password, verify
from people import logins
from people.models import Person

__all__ = [
    "LIFETIME",
    "WeakPassword",
    "accept_invite",
    "authenticate",
    "invite",
    "set_password",
    "verify",
]


def get_staff(session: Session, staff_id: int) -> Staff:
    staff = session.get(Staff, staff_id)
    if staff is None:
        raise NotFound("没有这位店员")
    return staff


def list_staff(session: Session, merchant_id: int) -> list[Staff]:
    found = select(Staff).where(Staff.merchant_id == merchant_id).order_by(Staff.id)
    return list(session.scalars(found))


def find_by_person(
    session: Session, person_id: int, merchant_id: int | None = None
) -> Staff | None:
    """The active staff member a person is, also under a person that was merged into them."""
    found = (
        select(Staff)
        .join(Person, Person.id == Staff.person_id)
        .where(
            or_(Person.id == person_id, Person.merged_into_id == person_id),
            Staff.state == StaffState.active,
        )
        .order_by(Staff.id)
    )
    if merchant_id is not None:
        found = found.where(Staff.merchant_id == merchant_id)
    return session.scalars(found.limit(1)).first()


def names_of(session: Session, merchant_id: int, person_ids: Iterable[int]) -> dict[int, str]:
    """Who of these people works there now, by the names of the staff list."""
    living = func.coalesce(Person.merged_into_id, Person.id)
    found = select(living, Staff.name).join(Staff, Staff.person_id == Person.id)
    mine = found.where(Staff.merchant_id == merchant_id, Staff.state == StaffState.active)
    return dict(session.execute(mine.where(living.in_(list(person_ids)))).all())


def is_staff(session: Session, person_id: int) -> bool:
    """Whether a person works or worked for any merchant, also as one that was merged into them."""
    found = (
        select(Staff.id)
        .join(Person, Person.id == Staff.person_id)
        .where(or_(Person.id == person_id, Person.merged_into_id == person_id))
    )
    return session.scalar(found.limit(1)) is not None


def stores_of(session: Session, staff: Staff) -> list[int]:
    """Ids of the stores a staff member works in, ascending; an owner works in all."""
    if staff.role is Role.owner:
        found = select(Store.id).where(Store.merchant_id == staff.merchant_id).order_by(Store.id)
    else:
        found = (
            select(StaffStore.store_id)
            .where(StaffStore.staff_id == staff.id)
            .order_by(StaffStore.store_id)
        )
    return list(session.scalars(found))


def assign_stores(session: Session, staff: Staff, store_ids: list[int]) -> None:
    """Add stores to a staff member; those of another merchant are ignored."""
    own = select(Store.id).where(Store.merchant_id == staff.merchant_id, Store.id.in_(store_ids))
    rows = [{"staff_id": staff.id, "store_id": store_id} for store_id in session.scalars(own)]
    insert_ignore(session, StaffStore, rows)


def leave(session: Session, staff: Staff, now: datetime) -> bool:
    """A staff member is gone: logged out everywhere, their open invites withdrawn.

    False when they had left before. Raises LastOwner.
    """
    withdraw(session, staff.id, now)  # in the order of `accept_invite`: invites, then owners
    owners.keep_one(session, staff)
    working = update(Staff).where(Staff.id == staff.id, Staff.state == StaffState.active)
    if not claim(session, working.values(state=StaffState.left)):
        return False
    session.refresh(staff)
    logins.close_all_of_staff(session, staff.id, now)
    return True


def add_staff(
    session: Session, *, merchant_id: int, name: str, role: Role | str, now: datetime
) -> Staff:
    staff = Staff(merchant_id=merchant_id, name=name, role=Role(role), created_at=now)
    session.add(staff)
    session.flush()
    return staff
