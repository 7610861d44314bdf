"""A member by what somebody at the counter knows: the number on the card, or the phone."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.errors import MemberNotFound
from crm.models import Member
from people import phones


def get_member(
    session: Session, merchant_id: int, *, no: str | None = None, phone: str | None = None
) -> Member:
    """Raises MemberNotFound, InvalidPhone."""
    mine = select(Member).where(Member.merchant_id == merchant_id, Member.merged_into_id.is_(None))
    if phone is not None:
        person = phones.find_person(session, phone)
        wanted = mine.where(Member.person_id == person.id) if person else None
    else:
        wanted = mine.where(Member.no == (no or ""))
    member = session.scalar(wanted) if wanted is not None else None
    if member is None:
        raise MemberNotFound
    return member
