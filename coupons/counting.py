"""So many a day: a counter per subject and day, moved by a guarded statement only."""

from datetime import date

from sqlalchemy import update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from coupons.models import DailyCount


def take(session: Session, subject: str, day: date, limit: int) -> bool:
    """Count one more of `subject` on that day of the store's; False when `limit` is reached."""
    if limit < 1:
        return False
    of_day = (DailyCount.subject == subject, DailyCount.day == day)
    more = update(DailyCount).where(*of_day, DailyCount.used < limit)
    more = more.values(used=DailyCount.used + 1)
    if claim(session, more):
        return True
    first = {"subject": subject, "day": day, "used": 1}
    return insert_ignore(session, DailyCount, [first]) == 1 or claim(session, more) == 1
