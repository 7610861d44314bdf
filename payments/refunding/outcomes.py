"""What became of a refund: the balance has it at once, of the channel's we are told."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import outbox, rows, security_events
from core.database import claim
from core.logs import log
from core.outbox import enqueue
from crm import balance
from gateways.pay.records import RefundResult, is_same
from orders import paying
from orders.models import Order
from payments import ledger, plan_refunds
from payments.models import (
    ABNORMAL,
    DONE_BEFORE,
    HOLDING,
    NEXT_REFUND,
    AttemptState,
    PaymentAttempt,
    Refund,
    RefundState,
)
from payments.queries import find_refund, lock_bill, merchant_of
from payments.refunding import ending, rules, taking, writing
from payments.refunding.amounts import Source

# A new number is asked for by ourselves only so often; after that a human looks.
MOST_REPLACEMENTS = 3


def settle_balance(session: Session, refund: Refund, order: Order, now: datetime) -> None:
    """What goes back to the stored balance needs nobody's answer; a channel's is left alone."""
    if not refund.balance_fen:
        return
    attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    if not move(session, refund, RefundState.succeeded, settled_at=now):
        raise rows.NotMoved(f"refund {refund.id} was just written")
    book(session, refund, attempt, order, now)
    cause, mine = f"attempt:{attempt.id}", f"refund:{refund.id}"
    if balance.give_back(session, cause, refund.balance_fen, refund=mine, now=now) is None:
        raise rows.NotMoved(f"refund {refund.id} was given back before")
    ending.end_if_all_is_back(session, order, now=now)


def record_result(session: Session, result: RefundResult, now: datetime) -> str:
    """Act on what the channel says of a refund; safe to repeat. What became of it, in a word.

    Amounts and account must be those we asked for, or nothing changes.
    """
    refund = find_refund(session, result.out_refund_no)
    if refund is None:
        security_events.notice("refund_unknown", f"refund:{result.out_refund_no}")
        return "unknown"
    attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    total_fen = attempt.channel_fen if result.total_fen is None else result.total_fen
    ours = is_same(attempt.account, result.account)
    if not ours or (result.refund_fen, total_fen) != (refund.channel_fen, attempt.channel_fen):
        _notice(session, "refund_mismatch", refund, attempt, now)
        return "mismatch"
    lock_bill(session, attempt.bill_id)
    session.refresh(refund)  # as it is now that nobody else can move it
    if result.state == "SUCCESS":
        return _succeed(session, refund, attempt, result, now)
    if result.state == "CLOSED":
        return _replace(session, refund, attempt, now)
    if result.state == ABNORMAL:
        if not move(session, refund, RefundState.failed, error=ABNORMAL, settled_at=now):
            return "repeated"
        tell(session, refund)
        return "abnormal"
    move(session, refund, RefundState.processing, refund_id=result.refund_id, error="")
    # One that ended because the one before it was done, and is at the channel nevertheless (it was
    # on the wire just then), is followed to its end: the money would go back twice.
    followed = refund.state is RefundState.processing or refund.error == DONE_BEFORE
    return "processing" if followed else "repeated"


def fail(session: Session, refund_id: int, error: str, now: datetime) -> bool:
    """The channel will not do it under any number: the money is free to be asked for again."""
    refund = session.get_one(Refund, refund_id)
    attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    lock_bill(session, attempt.bill_id)
    if is_done_before(session, refund):
        return _end(session, refund, attempt, now)
    if not move(session, refund, RefundState.failed, error=error, settled_at=now):
        return False
    _give_up(session, refund, attempt, now)
    return True


def give_way(session: Session, refund_id: int, earlier: RefundResult, now: datetime) -> None:
    """One in whose place this refund stands, which was not sent yet, is done by `earlier`."""
    refund = session.get_one(Refund, refund_id)
    attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    lock_bill(session, attempt.bill_id)
    _end(session, refund, attempt, now)
    if (became := record_result(session, earlier, now)) not in ("refunded", "repeated"):
        raise rows.NotMoved(f"refund {earlier.out_refund_no} is {became}")


def note_waiting(session: Session, refund_id: int, error: str) -> bool:
    """The channel cannot do it yet (our account there holds too little): it goes on being asked
    under the same number, and people are told, once."""
    waits = (Refund.id == refund_id, Refund.state == RefundState.requested, Refund.error != error)
    if not claim(session, update(Refund).where(*waits).values(error=error)):
        return False
    tell(session, session.get_one(Refund, refund_id, populate_existing=True))
    return True


def tell(session: Session, refund: Refund) -> None:
    """Somebody has to look at it: whoever may give money back in this store hears of it, once for
    each state of things."""
    key = f"payments.tell_stuck:{refund.id}:{refund.state}:{refund.error}"
    enqueue(session, "payments.tell_stuck", key=key, refund_id=refund.id)


def move(session: Session, refund: Refund, to: RefundState, **values: object) -> bool:
    sources = [state for state, targets in NEXT_REFUND.items() if to in targets]
    moved = claim(
        session,
        update(Refund)
        .where(Refund.id == refund.id, Refund.state.in_(sources))
        .values(state=to, **values),
    )
    session.refresh(refund)
    return moved == 1


def book(
    session: Session,
    refund: Refund,
    attempt: PaymentAttempt,
    order: Order,
    now: datetime,
) -> None:
    """Ledger and order know that the money is back."""
    late = attempt.state is AttemptState.succeeded_late
    ledger.post_refund(session, refund, attempt, order, late=late, now=now)
    coupon_back = rules.of(session, order.merchant_id).coupon_back
    if not late and not paying.record_refund(
        session, order, refund.amount_fen, now, reason=refund.reason, coupon_back=coupon_back
    ):
        raise ledger.LedgerBroken(f"order {order.id} refuses refund {refund.id}")
    log.info("refund_settled", order_no=order.no, amount_fen=refund.amount_fen)


def ask_again(
    session: Session,
    refund: Refund,
    attempt: PaymentAttempt,
    *,
    actor: str,
    now: datetime,
    send: bool = True,
) -> Refund:
    """The same money for the same lines under a new number, in the place of one that failed."""
    return writing.write(
        session,
        attempt,
        session.get_one(Order, refund.order_id),
        Source(attempt.id, refund.channel_fen, refund.balance_fen),
        taking.pieces_of(session, refund.id),
        delivery_fen=refund.delivery_fen,
        batch=refund.batch,
        reason=refund.reason,
        actor=actor,
        now=now,
        replaces=refund,
        send=send,
    )


def _succeed(
    session: Session,
    refund: Refund,
    attempt: PaymentAttempt,
    result: RefundResult,
    now: datetime,
) -> str:
    # One that failed may have gone through all the same: its money, which was free again, is taken
    # once more, unless something else took it since. What was asked for in its place lets go of it
    # first and is not sent any more; where that may have been sent before, people hear of it,
    # whatever the books have room for.
    freed = refund.state is RefundState.failed and refund.error not in HOLDING
    twice = freed and not _make_way(session, refund, attempt, now)
    if freed and not taking.take_again(session, attempt, refund):
        _notice(session, "refund_after_failure", refund, attempt, now)
        return "refused"
    moved = move(
        session,
        refund,
        RefundState.succeeded,
        refund_id=result.refund_id,
        error="",
        settled_at=result.success_at or now,
    )
    if not moved:
        if refund.finished_by:  # by hand, and now by the channel too
            _notice(session, "refund_after_failure", refund, attempt, now)
        return "repeated"
    order = session.get_one(Order, refund.order_id)
    spent = freed and not plan_refunds.take_again(session, order, refund, now=now)
    if twice or spent:
        _notice(session, "refund_after_failure", refund, attempt, now)
    book(session, refund, attempt, order, now)
    if freed and attempt.shared:  # while it counted as failed its money may have been shared
        key = f"payments.return_after:{refund.id}"
        enqueue(session, "payments.return_after", key=key, refund_id=refund.id)
    ending.end_if_all_is_back(session, order, now=now)
    return "refunded"


def _replace(session: Session, refund: Refund, attempt: PaymentAttempt, now: datetime) -> str:
    """CLOSED: this number is dead, and a new one asks again, a few times."""
    if is_done_before(session, refund):
        return "closed" if _end(session, refund, attempt, now) else "repeated"
    if not move(session, refund, RefundState.failed, error="CLOSED", settled_at=now):
        return "repeated"
    if len(chain(session, refund)) > MOST_REPLACEMENTS:
        _give_up(session, refund, attempt, now)
        return "closed"
    taking.give_back(session, attempt, refund)
    ask_again(session, refund, attempt, actor=refund.actor, now=now)
    return "replaced"


def _make_way(session: Session, refund: Refund, attempt: PaymentAttempt, now: datetime) -> bool:
    """What took this one's place, and of which no channel told anything yet, ends: money, lines and
    value have one owner. False: the same money is on another way too, went it or, where sending it
    was begun, may have gone it; its job then asks the channel, and sends nothing."""
    newest = refund
    while (later := _successor(session, newest)) is not None:
        newest = later
    unsent = True
    if newest.id != refund.id and newest.state is RefundState.requested:
        unsent = outbox.withdraw(session, f"payments.refund:{newest.id}", now=now)
        _end(session, newest, attempt, now)
    others = [each for each in chain(session, newest) if each.id != refund.id and _carries(each)]
    return unsent and not others


def is_done_before(session: Session, refund: Refund) -> bool:
    """Whether one in whose place this refund stands was done all the same."""
    return any(each.state is RefundState.succeeded for each in chain(session, refund)[1:])


def failed_before(session: Session, refund: Refund) -> list[Refund]:
    """Those in whose place this refund stands, as far as our books say that they failed."""
    earlier = chain(session, refund)[1:]
    return [each for each in earlier if each.state is RefundState.failed and each.channel_fen]


def _end(session: Session, refund: Refund, attempt: PaymentAttempt, now: datetime) -> bool:
    """Nobody needs it any more: the one before it was done."""
    if not move(session, refund, RefundState.failed, error=DONE_BEFORE, settled_at=now):
        return False
    _free(session, refund, attempt, now)
    log.info("refund_not_needed", out_refund_no=refund.out_refund_no)
    return True


def _carries(refund: Refund) -> bool:
    return refund.state is not RefundState.failed or refund.error in HOLDING


def _successor(session: Session, refund: Refund) -> Refund | None:
    later = select(Refund).where(Refund.replaces_id == refund.id)
    return session.scalars(later.execution_options(populate_existing=True)).one_or_none()


def _free(session: Session, refund: Refund, attempt: PaymentAttempt, now: datetime) -> None:
    """Money and lines are free again, what a plan was given up for comes back; who settles hears
    of receivers that gave back for it."""
    taking.give_back(session, attempt, refund)
    order = session.get_one(Order, refund.order_id)
    for each in chain(session, refund):
        plan_refunds.undo(session, order, f"refund:{each.id}", now=now)
    if attempt.shared:
        key = f"payments.tell_short:{refund.id}"
        enqueue(session, "payments.tell_short", key=key, refund_id=refund.id)


def _give_up(session: Session, refund: Refund, attempt: PaymentAttempt, now: datetime) -> None:
    """Money and lines are free again, and people hear."""
    _free(session, refund, attempt, now)
    tell(session, refund)
    log.error("refund_failed", out_refund_no=refund.out_refund_no, error=refund.error)


def chain(session: Session, refund: Refund) -> list[Refund]:
    """This refund and those it took the place of, the newest first."""
    found = [refund]
    while (earlier := found[-1].replaces_id) is not None:
        found.append(session.scalars(select(Refund).where(Refund.id == earlier)).one())
    return found


def _notice(
    session: Session, kind: str, refund: Refund, attempt: PaymentAttempt, now: datetime
) -> None:
    security_events.record(
        session,
        kind,
        f"refund:{refund.out_refund_no}",
        merchant_id=merchant_of(session, attempt.bill_id),
        now=now,
    )
