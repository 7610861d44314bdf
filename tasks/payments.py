"""Jobs of payments: what was lost is asked for, what was asked for is sent."""

from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

import gateways
from core import clock, inbox
from core.database import reading
from core.inbox import InboundEvent
from core.logs import log
from core.outbox import JobState, OutboxJob, enqueue
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from payments import counter, notices, redirecting, remote, telling
from payments.asks import way_of
from payments.errors import PaymentInProgress
from payments.models import PAID, UNSETTLED, PaymentAttempt, Refund
from payments.refunding import stuck
from payments.settling import Settlement
from payments.sharing import remote as sharing_remote
from tasks.registry import Later, Run, job

# The door acts at once; only what it left behind is swept.
LEFT_BEHIND = timedelta(seconds=20)
SWEEP_LIMIT = 200
GIVE_UP_AFTER = 3
# A payment may be reported this long after its sheet ran out.
GRACE = timedelta(minutes=3)
NOT_ENOUGH_SECONDS = 600
SOON_SECONDS = 30
MOST_SECONDS = 3600
# Nobody knows yet: money hangs on it, so a job that hears this comes back however long it takes.
NO_ANSWER = (ChannelUnavailable, ChannelRefused, PaymentInProgress)


@job("payments.sweep_notices", queue="urgent")
def sweep_notices(run: Run) -> None:
    """Queue what was stored and never acted upon; what has failed and failed is refused.

    Nothing is lost by that: the payment itself is asked for until it is settled.
    """
    now = clock.now()
    with run.finish() as session:
        left = (
            event
            for prefix in notices.SOURCES.values()
            for event in inbox.list_unacted(
                session, source_prefix=prefix, before=now - LEFT_BEHIND, limit=SWEEP_LIMIT
            )
        )
        for event in left:
            if _dead_jobs(session, event.id) >= GIVE_UP_AFTER:
                inbox.mark_done(session, event.id, outcome="refused", now=now)
                log.error("notice_refused", event_id=event.id, source=event.source)
                continue
            key = f"payments.act_on_notice:{event.id}:{int(now.timestamp()) // 600}"
            enqueue(session, "payments.act_on_notice", key=key, event_id=event.id)


def _dead_jobs(session: Session, event_id: int) -> int:
    """How often a whole job, with all its tries, has failed on this notice."""
    mine = OutboxJob.key.startswith(f"payments.act_on_notice:{event_id}:", autoescape=True)
    dead = (OutboxJob.name == "payments.act_on_notice", OutboxJob.state == JobState.dead, mine)
    return session.scalar(select(func.count()).select_from(OutboxJob).where(*dead)) or 0


@job("payments.act_on_notice", queue="urgent")
def act_on_notice(run: Run, event_id: int) -> None:
    with suppress(notices.AlreadyActed), run.finish() as session:
        notices.act(session, session.get_one(InboundEvent, event_id), clock.now())


@job("payments.query_pending", queue="urgent")
def query_pending(run: Run, attempt_id: int) -> None:
    """Ask for a payment whose notice has not come, less and less often, until it ran out; for one
    that was ended before, where its channel may take the money all the same, likewise."""
    now = clock.now()
    with reading() as session:
        attempt = session.get_one(PaymentAttempt, attempt_id)
    if attempt.state in PAID:
        return
    until = attempt.expires_at + GRACE
    try:
        if attempt.state not in UNSETTLED:
            over = remote.follow_ended(gateways.cashier(), attempt, now, until=until)
        elif now > until:
            remote.close(gateways.cashier(), attempt, now)
            over = True
        else:
            over = _is_over(attempt, now)
    except NO_ANSWER as error:
        raise _again(error, attempt.expires_at, now) from None
    if not over:
        raise Later(_growing(attempt.created_at, now, at_most=120))


def _is_over(attempt: PaymentAttempt, now: datetime) -> bool:
    """What ended without money is looked at once more: its channel may not be able to end it."""
    cashier = gateways.cashier()
    outcome = remote.check(cashier, attempt, now)
    if outcome is Settlement.closed:
        return cashier.of(attempt.channel, attempt.account).close_is_final(way_of(attempt))
    return outcome is not Settlement.waiting


@job("payments.follow_code", queue="urgent")
def follow_code(run: Run, attempt_id: int) -> None:
    """Ask after a code that was charged at the counter, until it is paid, over or taken back."""
    try:
        over = counter.follow(gateways.cashier(), attempt_id, clock.now())
    except NO_ANSWER:
        over = False
    if not over:
        raise Later(counter.ASK_EVERY.total_seconds())


@job("payments.close_attempt", queue="default")
def close_attempt(run: Run, attempt_id: int) -> None:
    """Close at the channel what we already count as closed; what was paid meanwhile goes back."""
    with reading() as session:
        attempt = session.get_one(PaymentAttempt, attempt_id)
    now = clock.now()
    try:
        remote.close(gateways.cashier(), attempt, now)
    except NO_ANSWER as error:
        raise _again(error, attempt.settled_at or now, now) from None


@job("payments.refund", queue="urgent")
def refund(run: Run, refund_id: int) -> None:
    """Send a refund to the channel, under the same number until there is an answer."""
    now = clock.now()
    try:
        if not sharing_remote.return_first(gateways.cashier().sharing, refund_id, now):
            raise Later(SOON_SECONDS)
        remote.send_refund(gateways.cashier(), refund_id, now)
    except ChannelUnavailable:
        raise Later(SOON_SECONDS) from None
    except ChannelRefused as error:
        if not error.transient:
            raise
        seconds = NOT_ENOUGH_SECONDS if error.pay_code == "NOT_ENOUGH" else SOON_SECONDS
        raise Later(seconds) from None


@job("payments.query_refund", queue="default")
def query_refund(run: Run, refund_id: int) -> None:
    """Ask for a refund whose notice has not come, less and less often."""
    now = clock.now()
    with reading() as session:
        requested_at = session.get_one(Refund, refund_id).requested_at
    try:
        outcome = remote.check_refund(gateways.cashier(), refund_id, now)
    except ChannelUnavailable:
        raise Later(SOON_SECONDS) from None
    if outcome == "processing":
        raise Later(_growing(requested_at, now, at_most=MOST_SECONDS))


@job("payments.query_redirected", queue="default")
def query_redirected(run: Run, refund_id: int) -> None:
    """Ask for a refund that goes to another account, less and less often."""
    now = clock.now()
    with reading() as session:
        settled_at = session.get_one(Refund, refund_id).settled_at or now
    try:
        state = redirecting.check(gateways.cashier(), refund_id, now)
    except NO_ANSWER as error:
        raise _again(error, settled_at, now) from None
    if state == "PROCESSING":
        raise Later(_growing(settled_at, now, at_most=MOST_SECONDS))


def _again(error: Exception, since: datetime, now: datetime) -> Later:
    """Soon at first, then less and less often."""
    log.warning("channel_asked_again", why=f"{type(error).__name__}: {error}")
    return Later(max(_growing(since, now, at_most=600), SOON_SECONDS))


def _growing(since: datetime, now: datetime, *, at_most: float) -> float:
    """Wait as long again as has been waited, within limits."""
    return min(max((now - since).total_seconds(), 10.0), at_most)


@job("payments.tell_asked", queue="urgent")
def tell_asked(run: Run, asked_id: int) -> None:
    """Somebody at the counter asks for a refund: those who may agree hear of it."""
    with run.finish() as session:
        telling.tell_asked(session, asked_id, now=clock.now())


@job("payments.tell_stuck", queue="default")
def tell_stuck(run: Run, refund_id: int) -> None:
    """A refund does not go on by itself: those who may give money back hear of it."""
    with run.finish() as session:
        telling.tell_stuck(session, refund_id, now=clock.now())


@job("payments.tell_late", queue="default")
def tell_late(run: Run, attempt_id: int) -> None:
    """Money came that nobody owes any more: those who may give money back hear of it."""
    with run.finish() as session:
        telling.tell_late(session, attempt_id, now=clock.now())


@job("payments.tell_sharing", queue="default")
def tell_sharing(run: Run, sharing_id: int) -> None:
    """Of a payment somebody got nothing: those who settle hear of it."""
    with run.finish() as session:
        telling.tell_sharing(session, sharing_id, now=clock.now())


@job("payments.watch_refunds", queue="default")
def watch_refunds(run: Run) -> None:
    """Refunds that the channel has not decided for a day are told of, each once."""
    with run.finish() as session:
        stuck.tell_slow(session, now=clock.now())
