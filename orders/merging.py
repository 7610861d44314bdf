"""Two members became one: the absorbed member's orders follow."""

from sqlalchemy import update
from sqlalchemy.orm import Session

from core.database import claim
from orders.models import Order


def move_member(session: Session, *, winner_id: int, loser_id: int) -> int:
    """Give the loser's orders to the winner; the number that moved. Safe to repeat."""
    theirs = update(Order).where(Order.member_id == loser_id)
    return claim(session, theirs.values(member_id=winner_id))
