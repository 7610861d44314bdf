"""Who a customer is, as they or the staff write it down: a walk-in, a name, a birthday, a note."""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from core import audit
from core.clock import business_day
from core.errors import Invalid
from crm import members
from crm.models import Member
from people import phones
from people.models import Person

ONCE_IN = timedelta(days=365)
MAX_NAME = 20
COUNTER = "counter"
"""The scene of a member whom staff wrote down."""
IMPORTED = "import"
"""The scene of a member who came over from another system."""
MAX_NOTE = 200
MAX_ADDRESS = 100
GENDERS = ("", "female", "male")
OLDEST = 1900


class ProfileInvalid(Invalid):
    code = "profile_invalid"
    title = "资料填写有误"


def add_walk_in(
    session: Session,
    merchant_id: int,
    *,
    name: str,
    phone: str,
    store_id: int | None,
    actor: str,
    now: datetime,
) -> tuple[Member, bool]:
    """Whoever stands at the counter, by their phone; the member and whether they are new.

    Nobody verified the number, so it takes nothing from anybody: who has it already is who they
    are. When its holder verifies it in WeChat one day, this member becomes part of them. Of
    somebody who is known at another merchant only, this one learns nothing but what was typed, and
    writes them nothing before they say that they want it.
    Raises ProfileInvalid or InvalidPhone.
    """
    member, fresh = join_by_phone(
        session,
        merchant_id,
        phone=phone,
        name=_named(name),
        store_id=store_id,
        scene=COUNTER,
        now=now,
    )
    if fresh:
        _audit(session, member, "member.add", actor, None, {"name": member.name}, now)
    return member, fresh


def join_by_phone(
    session: Session,
    merchant_id: int,
    *,
    phone: str,
    name: str,
    store_id: int | None,
    scene: str,
    now: datetime,
) -> tuple[Member, bool]:
    """Who has this number, or is known by nothing else from now on; whether the member is new."""
    number = phones.normalise(phone)
    person = phones.find_person(session, number)
    elsewhere = person is not None
    if person is not None:
        known = members.find(session, merchant_id=merchant_id, person_id=person.id)
        if known is not None:
            return known, False
    else:
        person = Person(nickname=name, created_at=now)
        session.add(person)
        session.flush()
        phones.attach(session, person, number, now)
    member = members.ensure(
        session,
        merchant_id=merchant_id,
        person=person,
        source_store_id=store_id,
        source_scene=scene,
        name=name,
        now=now,
    )
    if elsewhere:
        member.marketing_consent = False
    session.flush()
    return member, True


def change(
    session: Session,
    member: Member,
    *,
    name: str | None = None,
    birthday: date | None = None,
    note: str | None = None,
    gender: str | None = None,
    address: str | None = None,
    actor: str,
    now: datetime,
) -> None:
    """Write down what is given. A birthday may be changed once a year: it brings a present. Of an
    address the records say that it was changed, not what it is.

    Raises ProfileInvalid with every fault, and nothing changes.
    """
    errors: dict[str, str] = {}
    wanted: dict[str, Any] = {}
    if name is not None and name.strip() != member.name:
        if 1 <= len(name.strip()) <= MAX_NAME:
            wanted["name"] = name.strip()
        else:
            errors["name"] = f"名字要 1 到 {MAX_NAME} 个字"
    if note is not None and note.strip() != member.note:
        wanted["note"] = note.strip()
        if len(note.strip()) > MAX_NOTE:
            errors["note"] = f"最多 {MAX_NOTE} 个字"
    if gender is not None and gender != member.gender:
        wanted["gender"] = gender
        if gender not in GENDERS:
            errors["gender"] = "选一项"
    if address is not None and address.strip() != (member.address or ""):
        wanted["address"] = address.strip() or None
        if len(address.strip()) > MAX_ADDRESS:
            errors["address"] = f"最多 {MAX_ADDRESS} 个字"
    if birthday is not None and birthday != member.birthday:
        wanted |= {"birthday": birthday, "birthday_changed_at": now}
        if why := _birthday_fault(member, birthday, now):
            errors["birthday"] = why
    if errors:
        raise ProfileInvalid(errors=errors)
    if not wanted:
        return
    before = {field: _plain(field, getattr(member, field)) for field in wanted}
    for field, value in wanted.items():
        setattr(member, field, value)
    session.flush()
    after = {field: _plain(field, value) for field, value in wanted.items()}
    _audit(session, member, "member.edit", actor, before, after, now)


def may_change_birthday(member: Member, now: datetime) -> bool:
    """Who had none yet may always say it."""
    last = member.birthday_changed_at
    return member.birthday is None or last is None or now - last >= ONCE_IN


def _birthday_fault(member: Member, birthday: date, now: datetime) -> str:
    if not may_change_birthday(member, now):
        return "生日一年只能改一次"
    if birthday > business_day(now) or birthday.year < OLDEST:
        return "看看年份有没有填错"
    return ""


def _named(name: str) -> str:
    if not 1 <= len(name.strip()) <= MAX_NAME:
        raise ProfileInvalid(errors={"name": f"名字要 1 到 {MAX_NAME} 个字"})
    return name.strip()


def _plain(field: str, value: Any) -> Any:
    if field == "address":
        return "有" if value else ""
    return value.isoformat() if isinstance(value, date) else value


def _audit(
    session: Session,
    member: Member,
    action: str,
    actor: str,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    now: datetime,
) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"member:{member.id}",
        before=before,
        after=after,
        merchant_id=member.merchant_id,
        now=now,
    )
