"""Where a member's phone last was, to about a kilometre: nobody needs to know the door."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from crm.models import Member, MemberPlace

DECIMALS = 2  # of a degree: 1.1 km north, 0.9 km east in Shanghai


def remember(session: Session, member: Member, lat: float, lng: float, now: datetime) -> bool:
    """Keep the place instead of the one before; False when the member wants nothing kept."""
    if not member.personal_recommendation:
        return False
    place = {"lat": round(lat, DECIMALS), "lng": round(lng, DECIMALS), "seen_at": now}
    known = update(MemberPlace).where(MemberPlace.member_id == member.id)
    if claim(session, known.values(**place)) == 0:
        rows.add_new(session, MemberPlace, {"member_id": member.id, **place})
    return True
