"""Somebody takes back at WeChat what they had allowed us to know: it is forgotten.

Orders, coupons and the books stay: they are about money, and name the member's number only.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit
from crm import consent
from crm.models import Member
from people.models import Person

NAME, PHONE = "6", "8"
"""WeChat's numbers for nickname with picture, and for the phone number."""


def forget(
    session: Session, person: Person, kinds: Sequence[str], *, everything: bool, now: datetime
) -> list[str]:
    """What was forgotten, in our words: `name`, `phone`, `marketing`. Safe to repeat.

    `everything`: the account was closed; nothing more is sent to whoever had it.
    """
    members = session.scalars(
        select(Member).where(Member.person_id == person.id, Member.merged_into_id.is_(None))
    ).all()
    gone: list[str] = []
    if (everything or NAME in kinds) and (person.nickname or person.avatar):
        for member in members:
            if member.name == person.nickname:  # what staff or the member wrote is not WeChat's
                member.name = ""
        person.nickname = person.avatar = ""
        gone.append("name")
    if (everything or PHONE in kinds) and person.phone_hash is not None:
        person.phone = person.phone_hash = None
        gone.append("phone")
    if everything:
        for member in members:
            off = {"marketing": False, "personal_recommendation": False}
            consent.change(session, member, **off, actor="wechat", now=now)
        gone.append("marketing")
    session.flush()
    for member in members if gone else ():
        audit.record(
            session,
            actor=f"member:{member.id}",
            action="member.withdrawn",
            subject=f"member:{member.id}",
            after={"forgotten": gone},
            merchant_id=member.merchant_id,
            now=now,
        )
    return gone
