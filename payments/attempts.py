"""Attempts: one live one per bill, what opened it shown again while it is fresh."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy.orm import Session

from core import later, rows
from core.clock import business_day
from core.numbers import CROCKFORD, random_code
from core.outbox import enqueue
from crm import balance
from gateways.pay.records import Opening, Way
from orders.models import OWING, LineKind, Order, OrderState
from payments.errors import (
    AlreadyPaid,
    BalanceNotTaken,
    BalancePartInvalid,
    BillNotFound,
    BillRequired,
    NotPayable,
    OrderExpired,
    ShareTaken,
)
from payments.models import (
    NEXT_ATTEMPT,
    UNSETTLED,
    AttemptState,
    Bill,
    BillKind,
    BillState,
    Channel,
    PaymentAttempt,
)
from payments.queries import find_live_attempt, lock_bills_of
from payments.sharing import planning

# WeChat refuses an end that is nearer than that.
SHORTEST = timedelta(minutes=1)
LONGEST = timedelta(hours=2)
"""So long a payment that was begun may be finished, however long the order may be paid: it keeps
stored value frozen and is asked after all the time. Who comes back later begins another."""
FIRST_QUERY = timedelta(seconds=10)
HELD_FOR = timedelta(minutes=3)
"""So long a share is left to whoever began to pay it, before somebody else may."""


@dataclass(frozen=True)
class Means:
    """How somebody is about to pay: through which account of ours, and who that is there.

    `balance_fen` of it come from the member's stored balance; with the channel `balance` all do.
    `member_id`: who that is, where it is not the order's own member.
    """

    channel: Channel
    way: Way | None = None
    account: str = ""
    appid: str = ""
    payer: str = ""
    balance_fen: int = 0
    member_id: int | None = None


class Step(StrEnum):
    """What has to happen before the payer sees what to do."""

    show = "show"
    open = "open"
    settle = "settle"  # nobody has to be asked: the stored balance pays all
    done = "done"  # it has
    close_older = "close_older"


def start(
    session: Session,
    order: Order,
    means: Means,
    *,
    may_share: bool = False,
    now: datetime,
    seq: int | None = None,
) -> tuple[PaymentAttempt, Step]:
    """The attempt to go on with, and how. `may_share`: its account can give others a part of it;
    `seq`: of the order's bills the one with this number, needed where several are open.

    The same payer by the same means gets the same attempt again while its time lasts. Any other one
    has to be closed at its channel first, because both could be paid. What the balance pays is
    frozen here. Raises AlreadyPaid, BillRequired, NotPayable, OrderExpired, ShareTaken,
    BalanceNotTaken, BalancePartInvalid, NotEnoughBalance.
    """
    bills = lock_bills_of(session, order.id)
    if seq is None:
        _must_be_one(bills)
    bill = choose(bills, seq)
    session.refresh(order)
    live = find_live_attempt(session, bill.id)
    if bill.state is BillState.paid or order.payment_state not in OWING:
        if live is not None and _is_theirs(live, means):
            return live, Step.done
        raise AlreadyPaid
    if bill.state is BillState.void or order.state is OrderState.cancelled:
        raise NotPayable("订单已取消")
    if order.expires_at <= now:
        raise OrderExpired
    if bill.kind is BillKind.rest and _owes_deposit(bills):
        raise NotPayable("先付定金，再付尾款")
    means = _with_balance(order, bill, means)
    if live is not None:
        if bill.kind is BillKind.share and _is_with_another(live, means, now):
            raise ShareTaken
        return live, _step(live, means, now)
    attempt = PaymentAttempt(
        out_trade_no=f"P{business_day(now):%Y%m%d}{random_code(16, CROCKFORD)}",
        merchant_id=order.merchant_id,
        store_id=order.store_id,
        bill_id=bill.id,
        member_id=means.member_id,
        live=True,
        channel=means.channel,
        way=means.way,
        account=means.account,
        appid=means.appid,
        payer=means.payer,
        amount_fen=bill.amount_fen,
        balance_fen=means.balance_fen,
        channel_fen=bill.amount_fen - means.balance_fen,
        currency=bill.currency,
        shared=may_share and planning.is_wanted(session, order.merchant_id, now=now),
        state=AttemptState.created,
        expires_at=max(min(order.expires_at, now + LONGEST), now + SHORTEST),
        created_at=now,
    )
    session.add(attempt)
    session.flush()
    if means.balance_fen:
        kept = kept_for(attempt.id)
        payer = means.member_id or order.buyer_id
        if not balance.freeze(session, payer, kept, means.balance_fen, now=now):
            raise rows.NotMoved(f"attempt {attempt.id} is new, and something was frozen for it")
    if means.channel is Channel.balance:
        return attempt, Step.settle
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
    """Closed or failed: the bill may be tried again, and what was frozen beside it is free. False
    when it was settled meanwhile."""
    if not move(session, attempt_id, to, live=None, settled_at=now):
        return False
    if session.get_one(PaymentAttempt, attempt_id).balance_fen:
        _release(session, attempt_id, now)
    return True


def settle_late(
    session: Session,
    attempt: PaymentAttempt,
    *,
    transaction_id: str | None,
    at: datetime,
    now: datetime,
) -> None:
    """Money came for what nobody owes any more: all that it is now is what the channel took, and
    the balance's part is the member's again."""
    came = {"amount_fen": attempt.channel_fen, "balance_fen": 0}
    frozen = attempt.balance_fen and attempt.state in UNSETTLED  # else it was freed when it ended
    must_move(
        session,
        attempt.id,
        AttemptState.succeeded_late,
        live=None,
        transaction_id=transaction_id,
        settled_at=at,
        **(came if attempt.balance_fen else {}),
    )
    if frozen:
        _release(session, attempt.id, now)
    if attempt.balance_fen:
        rows.note(attempt, came)


def _release(session: Session, attempt_id: int, now: datetime) -> None:
    if not balance.release(session, kept_for(attempt_id), now=now):
        raise rows.NotMoved(f"nothing was frozen for attempt {attempt_id}")


def kept_for(attempt_id: int) -> str:
    """The cause under which the balance's part of an attempt is frozen."""
    return f"attempt:{attempt_id}"


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


def choose(bills: Sequence[Bill], seq: int | None) -> Bill:
    """The bill that is meant, else the first that is open; void only where all are."""
    asked = [bill for bill in bills if bill.state is not BillState.void] or list(bills)
    if seq is not None:
        asked = [bill for bill in asked if bill.seq == seq]
        if not asked:
            raise BillNotFound
    return next((bill for bill in asked if bill.state is BillState.open), asked[-1])


def _must_be_one(bills: Sequence[Bill]) -> None:
    """Whoever names none of several would be asked for the next, each time they say it again."""
    open_ = [bill for bill in bills if bill.state is BillState.open]
    if len(open_) > 1:
        named = [
            {"bill": bill.seq, "kind": bill.kind.value, "amount_fen": bill.amount_fen}
            for bill in open_
        ]
        raise BillRequired(bills=named)


def _owes_deposit(bills: Sequence[Bill]) -> bool:
    return any(b.kind is BillKind.deposit and b.state is BillState.open for b in bills)


def _is_theirs(paid: PaymentAttempt, means: Means) -> bool:
    """Said once more by whoever paid it from the balance: nobody was asked, so they ask us."""
    return paid.channel is means.channel is Channel.balance and paid.member_id == means.member_id


def _is_with_another(live: PaymentAttempt, means: Means, now: datetime) -> bool:
    return live.member_id != means.member_id and now - live.created_at < HELD_FOR


def _with_balance(order: Order, bill: Bill, means: Means) -> Means:
    whole = means.channel is Channel.balance
    means = replace(means, balance_fen=bill.amount_fen) if whole else means
    if not means.balance_fen:
        return means
    if not takes_balance(order):
        raise BalanceNotTaken
    if means.balance_fen < 0 or means.balance_fen > bill.amount_fen:
        raise BalancePartInvalid
    if means.balance_fen == bill.amount_fen and not whole:
        raise BalancePartInvalid("余额够付的单，用余额付款")
    return means


def takes_balance(order: Order) -> bool:
    """Whether stored value may pay it: it buys no stored value, and needs a member whose it is."""
    return order.kind is not LineKind.top_up and order.member_id is not None


def _step(live: PaymentAttempt, means: Means, now: datetime) -> Step:
    how = (live.channel, live.way, live.account, live.appid, live.payer, live.balance_fen)
    lived = Means(*how, member_id=live.member_id)
    if lived != means or live.expires_at <= now:
        return Step.close_older
    fresh = live.fresh_until is None or now < live.fresh_until
    return Step.show if live.opening and fresh else Step.open
