"""One recipient's message: claimed, sent by messaging, recorded. Jobs drive it person by person."""

from datetime import datetime, timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from core.database import claim
from crm import contacts
from crm.campaigns.moving import (
    finish_if_done,
    has_live_jobs,
    queue_batch,
    queue_unsent,
)
from crm.models import Campaign, CampaignState, Recipient, RecipientState
from messaging.models import OutboundMessage, OutboundState

STUCK_AFTER = timedelta(minutes=10)

_OUTCOMES = {
    OutboundState.prepared: RecipientState.issued,
    OutboundState.sent: RecipientState.sent,
    OutboundState.failed: RecipientState.failed,
}


def list_to_send(session: Session, campaign_id: int, first_id: int, last_id: int) -> list[int]:
    """Recipients of the chunk that were issued to and not written to."""
    return list(
        session.scalars(
            select(Recipient.id)
            .where(
                Recipient.campaign_id == campaign_id,
                Recipient.state == RecipientState.issued,
                Recipient.id.between(first_id, last_id),
            )
            .order_by(Recipient.id)
        )
    )


def start(session: Session, recipient_id: int, *, now: datetime) -> int | None:
    """issued → sending while the campaign runs; the message to send, or None: not ours, not now."""
    running = exists().where(
        Campaign.id == Recipient.campaign_id, Campaign.state == CampaignState.running
    )
    started = claim(
        session,
        update(Recipient)
        .where(Recipient.id == recipient_id, Recipient.state == RecipientState.issued, running)
        .values(state=RecipientState.sending, state_at=now, sent_at=now),
    )
    if started == 0:
        return None
    return session.scalar(select(Recipient.outbound_id).where(Recipient.id == recipient_id))


def record(session: Session, recipient_id: int, *, now: datetime) -> RecipientState | None:
    """sending → where the message ended; None when that was recorded before.

    A message that is still being sent, or whose outcome nobody knows, makes the recipient
    `unknown` for good; one that was never started makes it `issued` again.
    """
    message = session.scalars(
        select(OutboundMessage)
        .join(Recipient, Recipient.outbound_id == OutboundMessage.id)
        .where(Recipient.id == recipient_id)
        .execution_options(populate_existing=True)
    ).one_or_none()
    state = message.state if message else OutboundState.failed
    outcome = _OUTCOMES.get(state, RecipientState.unknown)
    kept = {} if outcome in (RecipientState.sent, RecipientState.unknown) else {"sent_at": None}
    recorded = claim(
        session,
        update(Recipient)
        .where(Recipient.id == recipient_id, Recipient.state == RecipientState.sending)
        .values(state=outcome, state_at=now, errcode=message and message.errcode, **kept),
    )
    return outcome if recorded else None


def settle_stuck(session: Session, *, now: datetime, limit: int = 500) -> int:
    """Recipients left in `sending` by a worker that died: recorded from what is known; how many."""
    stuck = session.scalars(
        select(Recipient.id)
        .where(Recipient.state == RecipientState.sending, Recipient.state_at < now - STUCK_AFTER)
        .limit(limit)
    ).all()
    return sum(record(session, recipient_id, now=now) is not None for recipient_id in stuck)


def revive(session: Session, *, now: datetime) -> int:
    """Finish the running campaigns that are done; queue again what one has left lying; how many.

    A job that was given up leaves recipients `issued`, or the cursor in the middle. While any job
    of the campaign is alive nothing is lying: it may only be waiting for WeChat's quota.
    """
    revived = 0
    for campaign in session.scalars(
        select(Campaign).where(Campaign.state == CampaignState.running)
    ).all():
        if finish_if_done(session, campaign.id, now=now):
            revived += 1
            continue
        if quiet_until(campaign, now) is not None or has_live_jobs(session, campaign.id):
            continue
        if not campaign.issued_all:
            queue_batch(session, campaign.id, now=now)
            revived += 1
        revived += queue_unsent(session, campaign.id, now=now)
    return revived


def quiet_until(campaign: Campaign, now: datetime) -> datetime | None:
    """The end of the quiet hours that we are in, or None."""
    begin, end = campaign.quiet_from_hour, campaign.quiet_until_hour
    return contacts.quiet_until(None if begin is None or end is None else (begin, end), now)
