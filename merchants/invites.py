"""One-time invites: a code, shown as a QR code, that makes the person who scans it staff."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from core.numbers import random_code, token_hash
from merchants import owners
from merchants.errors import AlreadyBound, InviteUnusable
from merchants.models import Role, Staff, StaffInvite, StaffState, StaffStore, Store
from people.models import Person

LIFETIME = timedelta(hours=24)
CODE_LENGTH = 26  # 130 bits, and with a prefix still inside a QR scene


def invite(
    session: Session,
    *,
    merchant_id: int,
    name: str,
    role: Role | str,
    store_ids: list[int],
    now: datetime,
    invited_by_id: int | None = None,
    staff_id: int | None = None,
    lifetime: timedelta = LIFETIME,
) -> str:
    """A new invite; its code is returned once and kept only as a hash.

    With `staff_id` it binds WeChat to a staff member that exists already.
    """
    code = random_code(CODE_LENGTH)
    session.add(
        StaffInvite(
            code_hash=token_hash(code),
            merchant_id=merchant_id,
            staff_id=staff_id,
            name=name,
            role=Role(role),
            store_ids=sorted(store_ids),
            invited_by_id=invited_by_id,
            created_at=now,
            expires_at=now + lifetime,
        )
    )
    session.flush()
    return code


def merchant_of(session: Session, code: str) -> int | None:
    """Whose invite this is, used or not."""
    return session.scalar(
        select(StaffInvite.merchant_id).where(StaffInvite.code_hash == token_hash(code))
    )


def accept_invite(session: Session, code: str, person: Person, now: datetime) -> Staff:
    """Make a person staff; the first to come wins. Raises InviteUnusable, AlreadyBound, LastOwner.

    A person who is staff of the merchant already keeps their row and gets the invite's role and
    stores. Who had left comes back to the invite's stores only.
    """
    offered = find_invite(session, code)
    if offered is None:
        raise InviteUnusable()
    taking = update(StaffInvite).where(StaffInvite.id == offered.id, *_open(now))
    if not claim(session, taking.values(accepted_at=now)):
        raise InviteUnusable()
    staff = _staff_for(session, offered, person, now)
    if staff.state is StaffState.left:
        claim(session, delete(StaffStore).where(StaffStore.staff_id == staff.id))
    staff.state = StaffState.active
    offered.staff_id = staff.id
    own = select(Store.id).where(
        Store.merchant_id == offered.merchant_id, Store.id.in_(offered.store_ids)
    )
    rows = [{"staff_id": staff.id, "store_id": store_id} for store_id in session.scalars(own)]
    if rows:
        insert_ignore(session, StaffStore, rows)
    session.flush()
    return staff


def find_invite(session: Session, code: str) -> StaffInvite | None:
    return session.scalar(select(StaffInvite).where(StaffInvite.code_hash == token_hash(code)))


def list_open(session: Session, merchant_id: int, now: datetime) -> list[StaffInvite]:
    """Invites that somebody may still accept, the newest first."""
    mine = select(StaffInvite).where(StaffInvite.merchant_id == merchant_id, *_open(now))
    return list(session.scalars(mine.order_by(StaffInvite.id.desc())))


def cancel(session: Session, offered: StaffInvite, now: datetime) -> bool:
    """Nobody may accept the invite any more; False when somebody has, or it had run out."""
    ending = update(StaffInvite).where(StaffInvite.id == offered.id, *_open(now))
    return claim(session, ending.values(expires_at=now)) == 1


def withdraw(session: Session, staff_id: int, now: datetime) -> int:
    """Open invites that a staff member made, or that would bring them back, are of no use now."""
    theirs = or_(StaffInvite.invited_by_id == staff_id, StaffInvite.staff_id == staff_id)
    ending = update(StaffInvite).where(theirs, *_open(now))
    return claim(session, ending.values(expires_at=now))


def _open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (StaffInvite.accepted_at.is_(None), StaffInvite.expires_at > now)


def _staff_for(session: Session, offered: StaffInvite, person: Person, now: datetime) -> Staff:
    known = session.scalars(
        select(Staff)
        .join(Person, Person.id == Staff.person_id)
        .where(
            Staff.merchant_id == offered.merchant_id,
            or_(Person.id == person.id, Person.merged_into_id == person.id),
        )
        .order_by(Staff.id)
        .limit(1)
    ).first()
    if offered.staff_id is not None:
        staff = session.get_one(Staff, offered.staff_id)
        if known not in (None, staff) or (known is None and staff.person_id is not None):
            raise AlreadyBound()
        staff.person_id = person.id
        return staff
    if known is not None:
        if offered.role is not Role.owner:
            owners.keep_one(session, known)
        known.role = offered.role
        return known
    staff = Staff(
        merchant_id=offered.merchant_id,
        name=offered.name,
        role=offered.role,
        person_id=person.id,
        created_at=now,
    )
    session.add(staff)
    session.flush()
    return staff
