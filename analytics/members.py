"""Lists of members for people to look through: filtered, sorted, a page at a time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from core import cursors
from core.crypto import keyring
from core.database import UTCDateTime
from crm.models import Member, MemberTag
from people.models import Person

SORTS: dict[str, InstrumentedAttribute[Any]] = {
    "spent": Member.spent_fen,
    "orders": Member.orders_count,
    "joined": Member.joined_at,
    "visit": Member.last_visit_at,
}
PAGE = 50


@dataclass(frozen=True)
class Wanted:
    """`ids` selects member ids, as a compiled segment does."""

    merchant_id: int
    q: str = ""
    tag_id: int | None = None
    tier: str = ""
    ids: Select[int] | None = None
    sort: str = "visit"


@dataclass(frozen=True)
class MemberPage:
    items: list[tuple[Member, Person]]
    next: str | None


def page(session: Session, wanted: Wanted, *, cursor: str = "", limit: int = PAGE) -> MemberPage:
    """Largest or latest first; members without a visit come last."""
    column = SORTS.get(wanted.sort, Member.last_visit_at)
    statement = (
        select(Member, Person)
        .join(Person, Person.id == Member.person_id)
        .where(*_conditions(wanted))
        .order_by(column.desc(), Member.id.desc())
        .limit(limit + 1)
    )
    if cursor:
        statement = statement.where(_beyond(column, cursor))
    rows = [(member, person) for member, person in session.execute(statement)]
    shown = rows[:limit]
    more = None
    if len(rows) > limit:
        last = shown[-1][0]
        value = getattr(last, column.key)
        more = cursors.encode([_written(value), last.id])
    return MemberPage(shown, more)


def count(session: Session, wanted: Wanted) -> int:
    statement = select(func.count()).select_from(Member)
    if wanted.q:
        statement = statement.join(Person, Person.id == Member.person_id)
    return session.scalar(statement.where(*_conditions(wanted))) or 0


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    conditions = [Member.merchant_id == wanted.merchant_id, Member.merged_into_id.is_(None)]
    if wanted.q:
        conditions.append(_searched(wanted.q))
    if wanted.tier:
        conditions.append(Member.tier == wanted.tier)
    if wanted.tag_id is not None:
        tagged = select(MemberTag.member_id).where(MemberTag.tag_id == wanted.tag_id)
        conditions.append(Member.id.in_(tagged))
    if wanted.ids is not None:
        conditions.append(Member.id.in_(wanted.ids))
    return conditions


def _searched(q: str) -> ColumnElement[bool]:
    """A name from its beginning, a whole member number, or a whole phone number by its hash."""
    text = q.strip()
    named = or_(
        Member.name.startswith(text, autoescape=True),
        Person.nickname.startswith(text, autoescape=True),
    )
    digits = "".join(char for char in text if char.isdigit())
    if digits and len(digits) == len(text.replace(" ", "")):
        return or_(named, Member.no == digits, Person.phone_hash == keyring().blind_index(digits))
    return named


def _beyond(column: InstrumentedAttribute[Any], cursor: str) -> ColumnElement[bool]:
    given, last = cursors.decode(cursor, 2)
    last_id = cursors.number(last)
    if given == "":
        return and_(column.is_(None), Member.id < last_id)
    dated = isinstance(column.type, UTCDateTime)
    value = cursors.moment(given) if dated else cursors.number(given)
    same = and_(column == value, Member.id < last_id)
    return or_(column < value, same, column.is_(None))


def _written(value: object) -> str | int:
    if isinstance(value, datetime):
        return value.isoformat()
    return int(value) if isinstance(value, int) else ""
