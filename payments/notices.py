"""Acting on a stored notice of WeChat Pay: the event type decides, once per notice."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from core import inbox, rows
from core.inbox import EventState, InboundEvent
from gateways.wechat.errors import MalformedMessage
from gateways.wechat.pay_records import Notice
from payments import refunding, settling

SOURCE = "wechat.pay:"
IN_HAND = timedelta(seconds=10)  # WeChat's own first repetition comes after fifteen: it acts


class AlreadyActed(rows.NotMoved):
    """Another copy of the notice was faster: what this one did is rolled back."""


def record(
    session: Session, mchid: str, notice: Notice, now: datetime
) -> tuple[InboundEvent, bool]:
    """Store a verified notice; a repetition is the same row. And whether it is ours to act upon.

    A copy that comes within seconds leaves it to the first: they would queue for the bill's lock
    while WeChat waits for each of them. Should the first one die, the sweep acts.
    """
    event, fresh = inbox.record(
        session,
        source=f"{SOURCE}{mchid}",
        external_id=notice.id,
        kind=notice.event_type,
        body=notice.resource,
        now=now,
    )
    in_hand = not fresh and now - event.received_at < IN_HAND
    return event, event.state is EventState.received and not in_hand


def act(session: Session, event: InboundEvent, now: datetime) -> str:
    """Do what the notice says and mark it done; the outcome in a word. Safe to repeat.

    Raises AlreadyActed, at the latest before the commit, when somebody did meanwhile.
    """
    if event.state is EventState.done:
        return event.outcome
    outcome = _act(session, event, now)
    inbox.must_mark_done(session, event.id, outcome=outcome, now=now, refusal=AlreadyActed)
    return outcome


def _act(session: Session, event: InboundEvent, now: datetime) -> str:
    notice = Notice(event.external_id, event.kind, event.body, None)
    try:
        if event.kind == "TRANSACTION.SUCCESS":
            return settling.settle(session, notice.as_transaction(), now).value
        if event.kind.startswith("REFUND."):
            return refunding.record_result(session, notice.as_refund(), now)
    except MalformedMessage:
        return "malformed"
    return "ignored"
