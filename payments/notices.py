"""Acting on a stored notice of a payment channel: what it says of money, once per notice."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from core import inbox, rows
from core.errors import Malformed
from core.inbox import EventState, InboundEvent
from gateways.cashier import read_notice
from gateways.pay.records import RefundResult
from payments import refunding, settling
from payments.models import Channel

SOURCES = {
    Channel.wechat: "wechat.pay:",
    Channel.alipay: "alipay.pay:",
    Channel.unionpay: "unionpay.pay:",
}
IN_HAND = timedelta(seconds=10)  # WeChat's own first repetition comes after fifteen: it acts


class AlreadyActed(rows.NotMoved):
    """Another copy of the notice was faster: what this one did is rolled back."""


def record(
    session: Session,
    channel: Channel,
    account: str,
    *,
    external_id: str,
    kind: str,
    body: dict[str, Any],
    now: datetime,
) -> tuple[InboundEvent, bool]:
    """Store a verified notice; a repetition is the same row. And whether it is ours to act upon.

    A copy that comes within seconds leaves it to the first: they would queue for the bill's lock
    while the channel waits for each of them. Should the first one die, the sweep acts.
    """
    event, fresh = inbox.record(
        session,
        source=f"{SOURCES[channel]}{account}",
        external_id=external_id,
        kind=kind,
        body=body,
        now=now,
        about=_number_of(body),
    )
    in_hand = not fresh and now - event.received_at < IN_HAND
    return event, event.state is EventState.received and not in_hand


def _number_of(body: dict[str, Any]) -> str | None:
    """Our number of the payment that a notice speaks of, as each channel calls it."""
    found = body.get("out_trade_no") or body.get("orderId")
    return found[:64] if isinstance(found, str) and found else None


def act(session: Session, event: InboundEvent, now: datetime) -> str:
    """Do what the notice says and mark it done; the outcome in a word. Safe to repeat.

    Raises AlreadyActed, at the latest before the commit, when somebody did meanwhile.
    """
    if event.state is EventState.done:
        return event.outcome
    outcome = _act(session, event, now)
    inbox.must_mark_done(session, event.id, outcome=outcome, now=now, refusal=AlreadyActed)
    return outcome


def channel_of(event: InboundEvent) -> Channel | None:
    """Which channel told us; None: none of them."""
    own = (channel for channel, prefix in SOURCES.items() if event.source.startswith(prefix))
    return next(own, None)


def _act(session: Session, event: InboundEvent, now: datetime) -> str:
    channel = channel_of(event)
    if channel is None:
        raise ValueError(f"{event.source} tells nothing of money")
    try:
        said = read_notice(channel, event.kind, event.body)
    except Malformed:
        return "malformed"
    if said is None:
        return "ignored"
    if isinstance(said, RefundResult):
        return refunding.record_result(session, said, now)
    return settling.settle(session, said, now).value
