"""Phone numbers that WeChat verified: sealed at rest, found by a keyed hash, one person each."""

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.crypto import keyring
from core.errors import Invalid
from people import merging
from people.models import MergeReason, Person

_NUMBER = re.compile(r"\+?[0-9]{5,17}")


class InvalidPhone(Invalid):
    code = "invalid_phone"
    title = "手机号不对"


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
    """Who the person is now, and whom this call merged into them."""

    person: Person
    absorbed: Person | None = None


def attach(session: Session, person: Person, phone: str, now: datetime) -> Attached:
    """Give a verified number to a person; returns who they are now.

    Somebody else has it: when either of the two has no UnionID they are one human and are merged
    (`absorbed` says who went). Two different UnionIDs are two WeChat accounts, so the number only
    changes hands: numbers are resold, and the latest verification is the true one.
    """
    number = normalise(phone)
    try:
        with session.begin_nested():
            return _attach(session, person, number, now)
    except IntegrityError:  # somebody verified the same number at the same moment: now they show
        session.refresh(person)
        return _attach(session, person, number, now)


def _attach(session: Session, person: Person, number: str, now: datetime) -> Attached:
    holder = find_person(session, number)
    absorbed = None
    if holder is not None and holder.id != person.id:
        if holder.union_id is not None and person.union_id is not None:
            holder.phone, holder.phone_hash = None, None
            session.flush()
        else:
            keeper, gone = (person, holder) if person.union_id is not None else (holder, person)
            absorbed = merging.absorb(session, keeper, gone, reason=MergeReason.phone, now=now)
            person = keeper
    person.phone, person.phone_hash = number, keyring().blind_index(number)
    session.flush()
    return Attached(person, absorbed)
