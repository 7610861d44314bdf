"""What of a payment has come back to whoever paid, and what of it is still on its way.

An attempt's own `refunded_fen` counts what was asked back, so that nothing is asked for twice; here
is what became of that. What failed is in neither: its money stayed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from payments.models import PaymentAttempt, Refund, RefundState
from payments.refunding.stuck import ON_THE_WAY


@dataclass(frozen=True)
class Returned:
    done_fen: int = 0
    going_fen: int = 0


NOTHING = Returned()
_DONE = Refund.state == RefundState.succeeded
_GOING = Refund.state.in_(ON_THE_WAY)


def of(session: Session, attempts: Collection[PaymentAttempt]) -> dict[int, Returned]:
    """By attempt, of those of which anything was asked back: one question, or none."""
    ids = [attempt.id for attempt in attempts if attempt.refunded_fen]
    if not ids:
        return {}
    done, going = (func.sum(case((which, Refund.amount_fen), else_=0)) for which in (_DONE, _GOING))
    mine = select(Refund.attempt_id, done, going).where(Refund.attempt_id.in_(ids))
    found = session.execute(mine.group_by(Refund.attempt_id))
    return {id_: Returned(int(back), int(left)) for id_, back, left in found}


def sums() -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """(done, going) of all attempts that a statement selects, for its columns."""
    return _summed(_DONE), _summed(_GOING)


def _summed(which: ColumnElement[bool]) -> ColumnElement[Any]:
    of_one = select(func.sum(Refund.amount_fen)).where(
        Refund.attempt_id == PaymentAttempt.id, which
    )
    asked = PaymentAttempt.refunded_fen > 0
    part = case((asked, func.coalesce(of_one.correlate(PaymentAttempt).scalar_subquery(), 0)))
    return func.coalesce(func.sum(part), 0)
