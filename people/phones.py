"""Phone numbers that WeChat verified: sealed at rest, found by a keyed hash, one person each."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.crypto import keyring
from core.errors import Conflict, Invalid
from people import merging
from people.models import TAIL, Identity, MergeReason, Person, tail_index

_NUMBER = re.compile(r"\+?[0-9]{5,17}")


class InvalidPhone(Invalid):
    code = "invalid_phone"
    title = "手机号不对"


class StaffPhone(Conflict):
    """The number is that of somebody who works for a merchant and is known by nothing else."""

    code = "staff_phone"
    title = "这个手机号登记在一位店员名下，没有合并。请店主发邀请，用这个微信绑定员工账号"


def normalise(phone: str) -> str:
    """Digits with a country code, mainland numbers without one. Raises InvalidPhone."""
    digits = re.sub(r"[\s()-]", "", phone)
    if not _NUMBER.fullmatch(digits):
        raise InvalidPhone()
    return re.sub(r"^(\+86|0086|86(?=1[0-9]{10}$))", "", digits)


def mask(phone: str) -> str:
    """What people and logs may see: `138****5678`."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= 8 else "****"


def find_person(session: Session, phone: str) -> Person | None:
    index = keyring().blind_index(normalise(phone))
    return session.scalar(select(Person).where(Person.phone_hash == index))


@dataclass(frozen=True)
class Attached:
    """Whom this call merged into the person, or from whom it took the number."""

    absorbed: Person | None = None
    taken_from: Person | None = None


def attach(
    session: Session,
    person: Person,
    phone: str,
    now: datetime,
    *,
    works: Callable[[Person], bool] = lambda _: False,
) -> Attached:
    """Give a number that WeChat verified to a person.

    Numbers are resold, so a number proves who holds it today and nothing about whoever had it
    before. Somebody who is known by the number alone is merged into the person. Whoever has a
    WeChat identity of their own only loses the number: no log-in ever moves by it. And somebody
    who `works` for a merchant is not taken over: raises StaffPhone, and nothing changed.
    """
    number = normalise(phone)
    try:
        with session.begin_nested():
            return _attach(session, person, number, now, works)
    except IntegrityError:  # somebody verified the same number at the same moment: now they show
        session.refresh(person)
        return _attach(session, person, number, now, works)


def fill_tails(session: Session, *, after_id: int = 0, limit: int = 500) -> int:
    """Numbers stored before their last digits were kept get those; the last id, or 0 at the end."""
    untold = select(Person).where(
        Person.id > after_id, Person.phone.is_not(None), Person.phone_tail.is_(None)
    )
    found = session.scalars(untold.order_by(Person.id).limit(limit)).all()
    for person in found:
        assert person.phone is not None
        person.phone_tail = tail_index(person.phone[-TAIL:])
    session.flush()
    return found[-1].id if len(found) == limit else 0


def _attach(
    session: Session, person: Person, number: str, now: datetime, works: Callable[[Person], bool]
) -> Attached:
    holder = find_person(session, number)
    found = Attached()
    if holder is not None and holder.id != person.id:
        if _has_wechat(session, holder):
            holder.phone, holder.phone_hash = None, None
            session.flush()
            found = Attached(taken_from=holder)
        elif works(holder):
            raise StaffPhone
        else:
            gone = merging.absorb(session, person, holder, reason=MergeReason.phone, now=now)
            found = Attached(absorbed=gone)
    person.phone, person.phone_hash = number, keyring().blind_index(number)
    session.flush()
    return found


def _has_wechat(session: Session, person: Person) -> bool:
    if person.union_id is not None:
        return True
    mine = select(Identity.id).where(Identity.person_id == person.id).limit(1)
    return session.scalar(mine) is not None
