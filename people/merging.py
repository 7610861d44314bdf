"""Two persons turn out to be one: the absorbed one points at the one that stays, and it is logged.

Higher packages merge what they keep per person (members, staff) when a verb here reports the
absorbed person.
"""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from core.database import claim
from people.models import Identity, LoginSession, MergeReason, Person, PersonMerge


def absorb(
    session: Session, keeper: Person, gone: Person, *, reason: MergeReason, now: datetime
) -> Person | None:
    """Merge `gone` into `keeper`; returns `gone`, or None when another transaction already did.

    Identities and log-in sessions move, name, picture and phone fill what the keeper lacks.
    """
    alive = update(Person).where(Person.id == gone.id, Person.merged_into_id.is_(None))
    phone, phone_hash = gone.phone, gone.phone_hash
    moved = claim(
        session,
        alive.values(
            merged_into_id=keeper.id, union_id=None, phone=None, phone_hash=None, phone_tail=None
        ),
    )
    session.refresh(gone)
    if not moved:
        return None
    earlier = update(Person).where(Person.merged_into_id == gone.id)
    claim(session, earlier.values(merged_into_id=keeper.id))
    for table in (Identity, LoginSession):
        claim(session, update(table).where(table.person_id == gone.id).values(person_id=keeper.id))
    session.add(PersonMerge(kept_id=keeper.id, absorbed_id=gone.id, reason=reason, at=now))
    keeper.nickname = keeper.nickname or gone.nickname
    keeper.avatar = keeper.avatar or gone.avatar
    if keeper.phone_hash is None and phone_hash is not None:
        keeper.phone, keeper.phone_hash = phone, phone_hash
    session.flush()
    return gone
