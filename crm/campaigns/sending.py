"""A campaign's messages by the group: claimed, said by `messaging.batches`, recorded."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim
from crm import consent, contacts
from crm.campaigns import tallies
from crm.campaigns.moving import (
    contact,
    finish_if_done,
    has_live_jobs,
    queue_unsent,
    queue_waves,
)
from crm.models import Campaign, CampaignState, Recipient, RecipientState
from gateways.wechat.troubles import HOPELESS, Trouble, trouble_of
from messaging import batches
from messaging.batches import Fate, Ready
from messaging.models import Channel, OutboundMessage, OutboundState

GROUP = 64
"""So many messages of a worker are claimed and not recorded: in doubt, should it die."""
STUCK_AFTER = timedelta(minutes=10)

_OUTCOMES = {
    OutboundState.prepared: RecipientState.issued,
    OutboundState.sent: RecipientState.sent,
    OutboundState.failed: RecipientState.failed,
}


class Claimed(NamedTuple):
    """Recipients that this worker is sending to, each beside its message."""

    recipients: list[tuple[int, int]]
    """(recipient, member)"""
    ready: list[Ready]


def start(
    session: Session,
    campaign_id: int,
    first_id: int,
    last_id: int,
    *,
    now: datetime,
    limit: int = GROUP,
) -> Claimed | None:
    """issued → sending for the next group of the chunk, and what their messages cost is spent.

    Whoever can no longer be written to, or has refused marketing since the coupon, has failed at
    once. None: nobody is left, or the campaign does not run. What another worker holds is passed
    over.
    """
    state = session.scalar(select(Campaign.state).where(Campaign.id == campaign_id))
    if state is not CampaignState.running:
        return None
    rows = session.execute(
        select(Recipient.id, Recipient.member_id, OutboundMessage)
        .join(OutboundMessage, OutboundMessage.id == Recipient.outbound_id)
        .where(
            Recipient.campaign_id == campaign_id,
            Recipient.state == RecipientState.issued,
            Recipient.channel != Channel.broadcast,  # those go together: crm.campaigns.masses
            Recipient.id.between(first_id, last_id),
        )
        .order_by(Recipient.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    if not rows:
        return None
    who = {message.id: (id_, member_id) for id_, member_id, message in rows}
    messages = [message for _, _, message in rows]
    open_ones = [each for each in messages if each.state is OutboundState.prepared]
    refusing = consent.refusing(session, [member_id for _, member_id in who.values()])
    refused = {each.id: consent.NO_CONSENT for each in open_ones if who[each.id][1] in refusing}
    ready, barred = batches.take(session, open_ones, refused=refused, now=now)
    starting = [who[each.message.id] for each in ready]
    if starting:
        _write(session, [id_ for id_, _ in starting], RecipientState.sending, now)
    places = [tallies.reached(RecipientState.sending)] * len(starting)
    for reason in set(barred.values()):
        lost = [who[message_id] for message_id, why in barred.items() if why == reason]
        places += _fail(session, campaign_id, lost, now, reason=reason)
    tallies.move(session, campaign_id, tallies.reached(RecipientState.issued), places)
    for message in messages:
        if message.state is not OutboundState.prepared:  # somebody said it: that is written down
            _catch_up(session, campaign_id, who[message.id][0], now)
    return Claimed(starting, ready)


def _catch_up(session: Session, campaign_id: int, recipient_id: int, now: datetime) -> None:
    _write(session, [recipient_id], RecipientState.sending, now)
    sending = tallies.reached(RecipientState.sending)
    tallies.move(session, campaign_id, tallies.reached(RecipientState.issued), [sending])
    settle(session, recipient_id, now=now)


def record(
    session: Session, campaign_id: int, claimed: Claimed, fates: Sequence[Fate], *, now: datetime
) -> int | None:
    """sending → where each message ended; WeChat's word why no other would arrive either, or None.

    Such a refusal is nobody's failure: those people are `issued` again, to be written to once the
    cause is gone.
    """
    hopeless = next((f.errcode for f in fates if _is_hopeless(f)), None)
    fates = [_forgiven(fate) for fate in fates]
    batches.record(session, claimed.ready, fates, now=now)
    groups: dict[tuple[RecipientState, int | None], list[tuple[int, int]]] = defaultdict(list)
    for who, fate in zip(claimed.recipients, fates, strict=True):
        state = _OUTCOMES.get(fate.state, RecipientState.unknown)
        groups[state, fate.errcode].append(who)
    places: list[tallies.Place] = []
    for (state, errcode), people in groups.items():
        if state is RecipientState.failed:
            places += _fail(session, campaign_id, people, now, errcode=errcode)
        else:
            _write(session, [id_ for id_, _ in people], state, now)
            places += [tallies.reached(state)] * len(people)
    tallies.move(session, campaign_id, tallies.reached(RecipientState.sending), places)
    return hopeless


def settle(session: Session, recipient_id: int, *, now: datetime) -> RecipientState | None:
    """sending → what is known of the message; None when that was recorded before.

    A message that is still being sent, or whose outcome nobody knows, makes the recipient
    `unknown` for good; one that was never started makes it `issued` again.
    """
    found = session.execute(
        select(
            Recipient.campaign_id,
            Recipient.member_id,
            OutboundMessage.state,
            OutboundMessage.errcode,
        )
        .outerjoin(OutboundMessage, Recipient.outbound_id == OutboundMessage.id)
        .where(Recipient.id == recipient_id)
    ).one()
    outcome = _OUTCOMES.get(found.state or OutboundState.failed, RecipientState.unknown)
    recorded = claim(
        session,
        update(Recipient)
        .where(Recipient.id == recipient_id, Recipient.state == RecipientState.sending)
        .values(state=outcome, state_at=now, errcode=found.errcode),
    )
    if not recorded:
        return None
    if outcome is RecipientState.failed:
        contacts.take_back(session, [found.member_id], **contact(found.campaign_id))
    came_from = tallies.reached(RecipientState.sending)
    tallies.move(session, found.campaign_id, came_from, [tallies.reached(outcome)])
    return outcome


def settle_stuck(session: Session, *, now: datetime, limit: int = 500) -> int:
    """Recipients left in `sending` by a worker that died: recorded from what is known; how many."""
    stuck = session.scalars(
        select(Recipient.id)
        .where(
            Recipient.state == RecipientState.sending,
            Recipient.state_at < now - STUCK_AFTER,
            Recipient.channel != Channel.broadcast,
        )
        .limit(limit)
    ).all()
    return sum(settle(session, recipient_id, now=now) is not None for recipient_id in stuck)


def revive(session: Session, *, now: datetime) -> int:
    """Finish the running campaigns that are done; queue again what one has left lying; how many.

    A job that was given up leaves recipients `issued`, or the cursor in the middle. While any job
    of the campaign is alive nothing is lying: it may only be waiting for WeChat's quota.
    """
    revived = 0
    for campaign in session.scalars(
        select(Campaign).where(Campaign.state == CampaignState.running)
    ).all():
        tallies.compact(session, campaign.id)
        if finish_if_done(session, campaign.id, now=now):
            revived += 1
            continue
        if quiet_until(session, campaign, now) is not None or has_live_jobs(session, campaign.id):
            continue
        revived += queue_waves(session, campaign.id, now=now, only_due=True)
        revived += queue_unsent(session, campaign.id, now=now)
    return revived


def quiet_until(session: Session, campaign: Campaign, now: datetime) -> datetime | None:
    """When the campaign may go on, or None: now. The merchant's hours, and its own beside them."""
    begin, end = campaign.quiet_from_hour, campaign.quiet_until_hour
    own = None if begin is None or end is None else (begin, end)
    return contacts.held_until(session, campaign.merchant_id, now, stricter=own)


def _is_hopeless(fate: Fate) -> bool:
    return fate.errcode is not None and trouble_of(fate.errcode) in HOPELESS


def _forgiven(fate: Fate) -> Fate:
    return Fate(OutboundState.prepared, reason="stopped") if _is_hopeless(fate) else fate


def _fail(
    session: Session,
    campaign_id: int,
    people: Sequence[tuple[int, int]],
    now: datetime,
    *,
    errcode: int | None = None,
    reason: str = "",
) -> list[tallies.Place]:
    """The message was certainly not delivered: their contact is free again."""
    why = reason or (trouble_of(errcode) if errcode is not None else Trouble.other).value
    ids = [id_ for id_, _ in people]
    _write(session, ids, RecipientState.failed, now, errcode=errcode, skip_reason=why)
    contacts.take_back(session, [member_id for _, member_id in people], **contact(campaign_id))
    return [tallies.reached(RecipientState.failed, why)] * len(people)


def _write(
    session: Session, ids: Sequence[int], state: RecipientState, now: datetime, **values: object
) -> None:
    claim(
        session,
        update(Recipient).where(Recipient.id.in_(ids)).values(state=state, state_at=now, **values),
    )
