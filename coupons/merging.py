"""Two members became one: the absorbed member's coupons follow."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from core.database import claim
from coupons.models import Coupon


def move_member(session: Session, *, winner_id: int, loser_id: int) -> int:
    """Give the loser's coupons to the winner; the number that moved. Safe to repeat."""
    theirs = update(Coupon).where(Coupon.member_id == loser_id)
    return claim(session, theirs.values(member_id=winner_id))
