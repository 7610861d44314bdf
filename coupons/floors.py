"""Below which part of the list price a merchant wants to be told that offers meet."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import audit, rows
from core.database import Base
from core.errors import Invalid

FLOOR_BP = 5_000
LOWEST, HIGHEST = 100, 9_900


class OfferRules(Base):
    """A merchant's own rules for its offers. `floor_bp`: basis points of the list price."""

    __tablename__ = "offer_rules"

    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"), primary_key=True)
    floor_bp: Mapped[int] = mapped_column(default=FLOOR_BP)


class FloorInvalid(Invalid):
    code = "floor_invalid"
    title = "底线填得不对"


def floor_of(session: Session, merchant_id: int) -> int:
    """What the merchant has set, or half of the list price."""
    found = session.get(OfferRules, merchant_id, populate_existing=True)
    return found.floor_bp if found else FLOOR_BP


def set_floor(
    session: Session, merchant_id: int, floor_bp: int, *, actor: str, now: datetime
) -> None:
    """Raises FloorInvalid. What runs already goes on: the floor only points out."""
    if not LOWEST <= floor_bp <= HIGHEST:
        raise FloorInvalid(errors={"floor": "在 0.1 折到 9.9 折之间"})
    before = floor_of(session, merchant_id)
    rows.add_new(session, OfferRules, {"merchant_id": merchant_id, "floor_bp": floor_bp})
    expected = {"merchant_id": merchant_id}
    rows.compare_and_set(session, OfferRules, expected, {"floor_bp": floor_bp})
    audit.record(
        session,
        actor=actor,
        action="offers.floor",
        subject=f"merchant:{merchant_id}",
        before={"floor_bp": before},
        after={"floor_bp": floor_bp},
        merchant_id=merchant_id,
        now=now,
    )
