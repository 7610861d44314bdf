"""Refunds that do not go on by themselves: found, told of, started again or finished by hand."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from core import audit
from core.outbox import enqueue
from orders import selling
from orders.models import Order
from payments import plan_refunds
from payments.errors import RefundNotStuck, RefundTooMuch
from payments.models import (
    ABNORMAL,
    DONE_BEFORE,
    HOLDING,
    REDIRECTED,
    PaymentAttempt,
    Refund,
    RefundState,
)
from payments.queries import lock_bills_of
from payments.refunding import again, ending, outcomes
from payments.refunding.wanted import Act

SLOW = timedelta(days=1)
ON_THE_WAY = (RefundState.requested, RefundState.processing)
TOLD_AT_ONCE = 2_000
WORDS = {
    ABNORMAL: "退不进顾客的账户（销户或异常）",
    REDIRECTED: "正在退到另一个账户，等渠道的结果",
    DONE_BEFORE: "不用再退：前一笔其实退成了",
    "NOT_ENOUGH": "还没退：商户号余额不够，充值后会自动再退",
    "CLOSED": "渠道几次都关闭了",
    "USER_ACCOUNT_ABNORMAL": "没退成：顾客的支付账户异常或已注销",
    "TRADE_NOT_EXIST": "没退成：渠道找不到这笔付款",
    "ORDER_NOT_EXIST": "没退成：渠道找不到这笔付款",
    "RESOURCE_NOT_EXISTS": "没退成：渠道找不到这笔付款",
    "ACCOUNT_RELATION_NOT_EXIST": "没退成：收款关系已解除",
}


def condition(now: datetime) -> ColumnElement[bool]:
    """Which refunds are stuck: failed with nothing asked in its place since, waiting for money of
    ours, or undecided for a day.

    Another refund of the order is no answer to one that failed: only its own successor is, or that
    its payment, or every line that it was for, has nothing left to give. One that still holds its
    money waits for a human, always.
    """
    later, payment = aliased(Refund), aliased(PaymentAttempt)
    replaced = exists().where(later.replaces_id == Refund.id)
    owed = exists().where(
        payment.id == Refund.attempt_id, payment.refunded_fen < payment.amount_fen
    )
    unanswered = or_(Refund.error.in_(HOLDING), and_(owed, ~again.is_all_back()))
    return or_(
        and_(
            Refund.state == RefundState.failed,
            Refund.error != DONE_BEFORE,
            ~replaced,
            unanswered,
        ),
        and_(Refund.state == RefundState.requested, Refund.error != ""),
        and_(Refund.state.in_(ON_THE_WAY), Refund.requested_at <= now - SLOW),
    )


def why(refund: Refund, now: datetime) -> str:
    """In words what keeps it; "" for one that goes its way."""
    if refund.state is RefundState.failed or (refund.error and refund.state in ON_THE_WAY):
        return WORDS.get(refund.error, "没退成")
    slow = refund.state in ON_THE_WAY and refund.requested_at <= now - SLOW
    return "一天多了还没有结果" if slow else ""


def is_stuck(session: Session, refund: Refund, now: datetime) -> bool:
    mine = select(Refund.id).where(Refund.id == refund.id, condition(now))
    return session.scalar(mine) is not None


def tell_slow(session: Session, *, now: datetime) -> int:
    """Tell of each refund that has been on its way for a day, once; how many are."""
    slow = select(Refund).where(
        Refund.state.in_(ON_THE_WAY),
        Refund.requested_at <= now - SLOW,
        Refund.requested_at > now - 30 * SLOW,
    )
    found = session.scalars(slow.order_by(Refund.requested_at).limit(TOLD_AT_ONCE)).all()
    for refund in found:
        outcomes.tell(session, refund)
    return len(found)


def check_act(session: Session, refund: Refund, act: Act, now: datetime) -> None:
    """Whether `restart` or `finish_by_hand` would go on with it. Raises RefundNotStuck, and
    RefundTooMuch when something of it went back otherwise meanwhile."""
    failed = refund.state is RefundState.failed
    if act is Act.finish:
        possible = failed and refund.error != REDIRECTED
    else:
        possible = not failed or refund.error not in HOLDING
    if not possible:
        raise RefundNotStuck
    if not is_stuck(session, refund, now):
        gone = failed and refund.error != DONE_BEFORE
        raise RefundNotStuck("不用再退：这笔钱后来已经再退过了" if gone else "")
    if failed and refund.error not in HOLDING and (words := again.gone_otherwise(session, refund)):
        raise RefundTooMuch(words)


def restart(session: Session, refund: Refund, *, actor: str, now: datetime) -> Refund:
    """Ask again: under the same number where the channel may still know it, under a new one after
    it has said no; the refund that goes on.

    Raises RefundNotStuck, also for one that holds its money at the channel (abnormal: asking again
    would pay twice), and RefundTooMuch when the money went back otherwise meanwhile.
    """
    attempt = lock(session, refund)
    if refund.state in ON_THE_WAY:
        waits = refund.state is RefundState.requested
        name = "payments.refund" if waits else "payments.query_refund"
        key = f"{name}:{refund.id}:again:{int(now.timestamp())}"
        enqueue(session, name, key=key, refund_id=refund.id)
        going = refund
    else:
        check_act(session, refund, Act.restart, now)
        going = outcomes.ask_again(session, refund, attempt, actor=actor, now=now)
        order = session.get_one(Order, refund.order_id)
        if not selling.stays_taken(order):
            plan_refunds.take(session, order, going, going.amount_fen, 0, now=now)
    _audit(session, "refund.restart", refund, actor, "", now)
    return going


def finish_by_hand(
    session: Session, refund: Refund, note: str, *, actor: str, now: datetime
) -> Refund:
    """The money went back otherwise, as `note` says: the order and the ledger know it.

    Only of one that the channel has given up: an abnormal one is finished itself, another by one in
    its place, which takes the money that was free again. Not of one that is on its way to another
    account: the channel may still pay it. Raises RefundNotStuck, RefundTooMuch.
    """
    attempt = lock(session, refund)
    check_act(session, refund, Act.finish, now)
    order = session.get_one(Order, refund.order_id)
    done = refund
    if refund.error != ABNORMAL:
        done = outcomes.ask_again(session, refund, attempt, actor=actor, now=now, send=False)
        if not selling.stays_taken(order):
            plan_refunds.take(session, order, done, done.amount_fen, 0, now=now)
    values = {"finished_by": actor, "note": note, "settled_at": now}
    if not outcomes.move(session, done, RefundState.succeeded, **values):
        raise RefundNotStuck
    outcomes.book(session, done, attempt, order, now)
    ending.end_if_all_is_back(session, order, now=now)
    _audit(session, "refund.finish", done, actor, note, now)
    return done


def lock(session: Session, refund: Refund) -> PaymentAttempt:
    """The refund as it is now that nobody else can move it, nor ask for money of its order: who
    decides about it is asked after this. Its payment."""
    attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    lock_bills_of(session, refund.order_id)
    session.refresh(refund)
    session.refresh(attempt)
    return attempt


def _audit(
    session: Session, action: str, refund: Refund, actor: str, note: str, now: datetime
) -> None:
    order_no = session.scalars(select(Order.no).where(Order.id == refund.order_id)).one()
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"order:{order_no}",
        after={"out_refund_no": refund.out_refund_no, "amount_fen": refund.amount_fen},
        merchant_id=refund.merchant_id,
        reason=note,
        now=now,
    )
