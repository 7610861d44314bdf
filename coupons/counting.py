"""So many a day: a counter per subject and day, moved by a guarded statement only."""

from datetime import date

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from coupons.models import DailyCount


def take(session: Session, subject: str, day: date, limit: int, number: int = 1) -> bool:
    """Count `number` more of `subject` on that day of the store's; False where `limit` would be
    passed."""
    if limit < number:
        return False
    of_day = (DailyCount.subject == subject, DailyCount.day == day)
    more = update(DailyCount).where(*of_day, DailyCount.used <= limit - number)
    more = more.values(used=DailyCount.used + number)
    if claim(session, more):
        return True
    first = {"subject": subject, "day": day, "used": number}
    return insert_ignore(session, DailyCount, [first]) == 1 or claim(session, more) == 1


def used(session: Session, subject: str, day: date) -> int:
    """How many were counted on that day."""
    counted = select(DailyCount.used).where(DailyCount.subject == subject, DailyCount.day == day)
    return session.scalar(counted) or 0
