"""What pages ask about campaigns."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.campaigns.reach import Forecast, forecast
from crm.errors import CampaignNotFound
from crm.models import (
    Arm,
    Campaign,
    CampaignMove,
    CampaignState,
    Member,
    Recipient,
    RecipientState,
    Segment,
)


@dataclass(frozen=True)
class Progress:
    """`audience` = the people of `states` + `held_out` + the people of `skipped`.

    `states` leaves skipped people out; `skipped` counts them by reason (`reach.SKIP_REASONS`),
    without the hold-out, which is not skipped but left alone.
    """

    audience: int
    held_out: int
    issued: int
    states: dict[RecipientState, int]
    skipped: dict[str, int]

    @property
    def reachable(self) -> int:
        return self.audience - sum(self.skipped.values())

    @property
    def done(self) -> int:
        """People nothing more will happen to."""
        return self.audience - self.open

    @property
    def open(self) -> int:
        waiting = (RecipientState.planned, RecipientState.issued, RecipientState.sending)
        return sum(self.states.get(state, 0) for state in waiting)


def get_campaign(session: Session, merchant_id: int, campaign_id: int) -> Campaign:
    campaign = session.get(Campaign, campaign_id)
    if campaign is None or campaign.merchant_id != merchant_id:
        raise CampaignNotFound
    return campaign


def list_campaigns(
    session: Session,
    merchant_id: int,
    *,
    state: CampaignState | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[Campaign]:
    """The newest first."""
    query = select(Campaign).where(Campaign.merchant_id == merchant_id)
    if state is not None:
        query = query.where(Campaign.state == state)
    if before_id is not None:
        query = query.where(Campaign.id < before_id)
    return list(session.scalars(query.order_by(Campaign.id.desc()).limit(limit)))


def progress(session: Session, campaign: Campaign) -> Progress:
    """Where everybody of the audience stands, in one grouped query."""
    states: dict[RecipientState, int] = {}
    skipped: dict[str, int] = {}
    held_out = issued = audience = 0
    for arm, state, reason, number, coupons in session.execute(
        select(
            Recipient.arm,
            Recipient.state,
            Recipient.skip_reason,
            func.count(),
            func.count(Recipient.coupon_id),
        )
        .where(Recipient.campaign_id == campaign.id)
        .group_by(Recipient.arm, Recipient.state, Recipient.skip_reason)
    ):
        audience += number
        issued += coupons
        if arm is Arm.holdout:
            held_out += number
        elif state is RecipientState.skipped:
            skipped[reason or ""] = skipped.get(reason or "", 0) + number
        else:
            states[state] = states.get(state, 0) + number
    return Progress(audience, held_out, issued, states, skipped)


def forecast_campaign(session: Session, campaign: Campaign, now: datetime) -> Forecast:
    """What a launch of this campaign would reach now."""
    return forecast(
        session,
        merchant_id=campaign.merchant_id,
        rule=session.get_one(Segment, campaign.segment_id).rule,
        holdout_bp=campaign.holdout_bp,
        frequency_days=campaign.frequency_days,
        now=now,
    )


def history(session: Session, campaign: Campaign) -> list[CampaignMove]:
    return list(
        session.scalars(
            select(CampaignMove)
            .where(CampaignMove.campaign_id == campaign.id)
            .order_by(CampaignMove.id)
        )
    )


def list_recipients(
    session: Session,
    campaign: Campaign,
    *,
    state: RecipientState | None = None,
    after_id: int = 0,
    limit: int = 50,
) -> list[tuple[Recipient, Member]]:
    query = (
        select(Recipient, Member)
        .join(Member, Member.id == Recipient.member_id)
        .where(Recipient.campaign_id == campaign.id, Recipient.id > after_id)
    )
    if state is not None:
        query = query.where(Recipient.state == state)
    return [
        (recipient, member)
        for recipient, member in session.execute(query.order_by(Recipient.id).limit(limit))
    ]
