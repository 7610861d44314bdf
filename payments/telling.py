"""The question whether money goes back, put to those who may answer, in the chat that is open."""

from datetime import datetime

from sqlalchemy.orm import Session

from merchants.roles import may
from merchants.staff import stores_of
from messaging import questions
from messaging.words import plain
from payments import asking
from payments.asked_models import AskedRefund, AskedState


def tell_asked(session: Session, asked_id: int, *, now: datetime) -> int:
    """Prepare a message for each who may agree and has an open chat; how many that are."""
    asked = session.get_one(AskedRefund, asked_id)
    if asked.state is not AskedState.pending:
        return 0
    answers = f"回复「同意退款 {asked.code}」或「不同意退款 {asked.code}」"
    return questions.put(
        session,
        asked.merchant_id,
        to=lambda staff: (
            may(staff.role, "orders.refund")
            and asked.asked_by != f"staff:{staff.id}"
            and asked.store_id in stores_of(session, staff)
        ),
        text=f"{plain(asking.question(session, asked))}\n{answers}",
        key=f"asked_refund:{asked.id}",
        now=now,
    )
