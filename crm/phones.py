"""A member verified a phone number: what that may join, and what is written down about it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit, security_events
from crm import members, merging
from crm.models import Member
from crm.play import referring
from merchants.staff import is_staff
from people import phones
from people.models import Person


def verify(session: Session, member: Member, number: str, *, now: datetime) -> Member:
    """Give the member a number that WeChat verified; the member they are now.

    Somebody known by the number alone becomes part of them. Raises StaffPhone where that somebody
    works for a merchant; the door then notes it in a transaction of its own: `note_refusal`.
    """
    person = session.get_one(Person, member.person_id)
    attached = phones.attach(
        session, person, number, now, works=lambda holder: is_staff(session, holder.id)
    )
    if attached.absorbed is not None:
        merging.join_persons(session, kept=person, absorbed=attached.absorbed, now=now)
        _audit(session, member, "phone.joined", {"person": attached.absorbed.id}, now)
    if attached.taken_from is not None:
        _audit(session, member, "phone.taken", {"person": attached.taken_from.id}, now)
        theirs = (Member.person_id == attached.taken_from.id, Member.merged_into_id.is_(None))
        for loser in session.scalars(select(Member).where(*theirs)):
            _audit(session, loser, "phone.lost", {"person": attached.taken_from.id}, now)
            referring.note_one_phone(session, member.id, loser.id)
    return members.ensure(session, merchant_id=member.merchant_id, person=person, now=now)


def note_refusal(session: Session, member: Member, *, now: datetime) -> None:
    """Somebody holds a number of which a staff account is known: an owner should look at it."""
    _audit(session, member, "phone.refused", None, now)
    security_events.record(
        session,
        "phone_refused",
        f"member:{member.id}",
        merchant_id=member.merchant_id,
        now=now,
    )


def _audit(
    session: Session, member: Member, action: str, before: dict[str, int] | None, now: datetime
) -> None:
    lost = action == "phone.lost"
    audit.record(
        session,
        actor="system" if lost else f"member:{member.id}",
        action=action,
        subject=f"member:{member.id}",
        before=before,
        after=None if lost or before is None else {"person": member.person_id},
        merchant_id=member.merchant_id,
        now=now,
    )
