"""What a merchant keeps of a sale: its own word, asked once and shown wherever profit is."""

from datetime import datetime

from sqlalchemy.orm import Session

from analytics.models import ProfitAssumption
from core import audit
from core.errors import Invalid

MOST_MESSAGE_FEN = 100.0


class AssumptionInvalid(Invalid):
    code = "profit_assumption_invalid"
    title = "毛利率填得不对"


def find(session: Session, merchant_id: int) -> ProfitAssumption | None:
    return session.get(ProfitAssumption, merchant_id, populate_existing=True)


def say(
    session: Session,
    merchant_id: int,
    *,
    margin_bp: int,
    message_fen: float = 0.0,
    actor: str,
    now: datetime,
) -> ProfitAssumption:
    """Write the assumption down, or change it. Raises AssumptionInvalid with every fault.

    `margin_bp`: what is left of the undiscounted price after the goods, 6500 is 65 %;
    `message_fen`: what one message costs.
    """
    errors: dict[str, str] = {}
    if not 0 < margin_bp < 10_000:
        errors["margin"] = "填 1 到 99 之间的数"
    if not 0 <= message_fen <= MOST_MESSAGE_FEN:
        errors["message_cost"] = "一条消息的钱，0 到 1 元"
    if errors:
        raise AssumptionInvalid(errors=errors)
    found = find(session, merchant_id)
    before = None if found is None else _told(found)
    if found is None:
        found = ProfitAssumption(merchant_id=merchant_id)
        session.add(found)
    found.margin_bp, found.message_fen = margin_bp, message_fen
    found.said_by, found.said_at = actor, now
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="profit.assume",
        subject=f"merchant:{merchant_id}",
        before=before,
        after=_told(found),
        merchant_id=merchant_id,
        now=now,
    )
    return found


def _told(row: ProfitAssumption) -> dict[str, float]:
    return {"margin_bp": row.margin_bp, "message_fen": row.message_fen}
