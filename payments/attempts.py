"""Attempts: one live one per bill, its prepay reused while it is fresh."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from core import later, rows
from core.clock import business_day
from core.numbers import CROCKFORD, random_code
from core.outbox import enqueue
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

# A prepay_id is good for two hours.
PREPAY_FRESH = timedelta(minutes=110)
# WeChat refuses an end that is nearer than that.
SHORTEST = timedelta(minutes=1)
FIRST_QUERY = timedelta(seconds=10)


@dataclass(frozen=True)
class Payer:
    """Who is about to pay, through which account of whom."""

    mchid: str
    appid: str
    openid: str


class Step(StrEnum):
    """What has to happen before the pay sheet can open."""

    show = "show"
    prepay = "prepay"
    close_older = "close_older"


def start(
    session: Session, order: Order, payer: Payer, *, now: datetime
) -> tuple[PaymentAttempt, Step]:
    """The attempt to go on with, and how.

    The same payer gets the same attempt again. Another one's attempt has to be closed at the
    channel first, because both could be paid. Raises AlreadyPaid, NotPayable, OrderExpired.
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
        return live, _step(live, payer, now)
    attempt = PaymentAttempt(
        out_trade_no=f"P{business_day(now):%Y%m%d}{random_code(16, CROCKFORD)}",
        bill_id=bill.id,
        live=True,
        channel=Channel.wechat,
        mchid=payer.mchid,
        appid=payer.appid,
        openid=payer.openid,
        amount_fen=bill.amount_fen,
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
    return attempt, Step.prepay


def record_prepay(
    session: Session, attempt_id: int, prepay_id: str, *, now: datetime
) -> PaymentAttempt:
    """created or pending → pending with this prepay; a settled attempt stays as it is."""
    prepaid = {"state": AttemptState.pending, "prepay_id": prepay_id, "prepaid_at": now}
    unsettled = {"id": attempt_id, "state": UNSETTLED}
    rows.compare_and_set(session, PaymentAttempt, unsettled, prepaid)
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


def _step(live: PaymentAttempt, payer: Payer, now: datetime) -> Step:
    if payer != Payer(live.mchid, live.appid, live.openid):
        return Step.close_older
    fresh = live.prepaid_at is not None and now - live.prepaid_at < PREPAY_FRESH
    return Step.show if live.prepay_id and fresh else Step.prepay
