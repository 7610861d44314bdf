"""Attempts: one live one per bill, what opened it shown again while it is fresh."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from core import later, rows
from core.clock import business_day
from core.numbers import CROCKFORD, random_code
from core.outbox import enqueue
from gateways.pay.records import Opening, Way
from orders.models import Order, OrderState, PaymentState
from payments.errors import AlreadyPaid, NotPayable, OrderExpired
from payments.models import (
    NEXT_ATTEMPT,
    UNSETTLED,
    AttemptState,
    BillState,
    Channel,
    PaymentAttempt,
)
from payments.queries import find_live_attempt, lock_bill_of

# WeChat refuses an end that is nearer than that.
SHORTEST = timedelta(minutes=1)
FIRST_QUERY = timedelta(seconds=10)


@dataclass(frozen=True)
class Means:
    """How somebody is about to pay: through which account of ours, and who that is there."""

    channel: Channel
    way: Way
    account: str
    appid: str = ""
    payer: str = ""


class Step(StrEnum):
    """What has to happen before the payer sees what to do."""

    show = "show"
    open = "open"
    close_older = "close_older"


def start(
    session: Session, order: Order, means: Means, *, now: datetime
) -> tuple[PaymentAttempt, Step]:
    """The attempt to go on with, and how.

    The same payer by the same means gets the same attempt again. Any other one has to be closed at
    its channel first, because both could be paid. Raises AlreadyPaid, NotPayable, OrderExpired.
    """
    bill = lock_bill_of(session, order.id)
    session.refresh(order)
    if bill.state is BillState.paid or order.payment_state is not PaymentState.unpaid:
        raise AlreadyPaid
    if bill.state is BillState.void or order.state is OrderState.cancelled:
        raise NotPayable("订单已取消")
    if order.expires_at <= now:
        raise OrderExpired
    live = find_live_attempt(session, bill.id)
    if live is not None:
        return live, _step(live, means, now)
    attempt = PaymentAttempt(
        out_trade_no=f"P{business_day(now):%Y%m%d}{random_code(16, CROCKFORD)}",
        bill_id=bill.id,
        live=True,
        channel=means.channel,
        way=means.way,
        account=means.account,
        appid=means.appid,
        payer=means.payer,
        amount_fen=bill.amount_fen,
        channel_fen=bill.amount_fen,
        currency=bill.currency,
        state=AttemptState.created,
        expires_at=max(order.expires_at, now + SHORTEST),
        created_at=now,
    )
    session.add(attempt)
    session.flush()
    # Whatever happens to the answer or to the notice, somebody asks.
    enqueue(
        session,
        "payments.query_pending",
        run_at=now + FIRST_QUERY,
        key=f"payments.query_pending:{attempt.id}",
        attempt_id=attempt.id,
    )
    return attempt, Step.open


def record_opening(session: Session, attempt_id: int, opening: Opening) -> PaymentAttempt:
    """created or pending → pending with what opened it; a settled attempt stays as it is."""
    opened = {
        "state": AttemptState.pending,
        "opening": dict(opening.kept),
        "fresh_until": opening.fresh_until,
    }
    unsettled = {"id": attempt_id, "state": UNSETTLED}
    rows.compare_and_set(session, PaymentAttempt, unsettled, opened)
    return session.get_one(PaymentAttempt, attempt_id, populate_existing=True)


def end(session: Session, attempt_id: int, to: AttemptState, *, now: datetime) -> bool:
    """Closed or failed: the bill may be tried again. False when it was settled meanwhile."""
    return move(session, attempt_id, to, live=None, settled_at=now)


def move(session: Session, attempt_id: int, to: AttemptState, **values: object) -> bool:
    """Compare-and-set along NEXT_ATTEMPT."""
    before = _before(attempt_id, to)
    return rows.compare_and_set(session, PaymentAttempt, before, {"state": to, **values}) == 1


def must_move(session: Session, attempt_id: int, to: AttemptState, **values: object) -> None:
    """The same for an attempt whose state was read under its bill's lock. Raises NotMoved, at the
    latest before the commit."""
    later.must_move(session, PaymentAttempt, _before(attempt_id, to), {"state": to, **values})


def _before(attempt_id: int, to: AttemptState) -> dict[str, object]:
    sources = tuple(state for state, targets in NEXT_ATTEMPT.items() if to in targets)
    return {"id": attempt_id, "state": sources}


def _step(live: PaymentAttempt, means: Means, now: datetime) -> Step:
    if (live.channel, live.way, live.account, live.appid, live.payer) != (
        *(means.channel, means.way, means.account, means.appid, means.payer),
    ):
        return Step.close_older
    fresh = live.fresh_until is None or now < live.fresh_until
    return Step.show if live.opening and fresh else Step.open
