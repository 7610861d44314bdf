"""What pages ask about campaigns."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.campaigns import offers, tallies
from crm.campaigns.reach import Forecast, forecast
from crm.campaigns.variants import list_variants
from crm.errors import CampaignNotFound
from crm.models import (
    Arm,
    Campaign,
    CampaignMove,
    CampaignState,
    RecipientState,
    Segment,
)


@dataclass(frozen=True)
class Progress:
    """`audience` = the people of `states` + `held_out` + the people of `skipped`.

    `states` leaves skipped people out; `skipped` counts them by reason (`reach.SKIP_REASONS`), the
    most frequent first, without the hold-out, which is not skipped but left alone; `failed` those
    whose message was refused, by `gateways.wechat.troubles` or what had closed. `reach` are
    those whom the launch meant to reach, whatever became of them since.
    """

    audience: int
    reach: int
    held_out: int
    issued: int
    states: dict[RecipientState, int]
    skipped: dict[str, int]
    failed: dict[str, int]

    @property
    def open(self) -> int:
        """People something may still happen to."""
        return self.count(RecipientState.planned, RecipientState.issued, RecipientState.sending)

    def count(self, *states: RecipientState) -> int:
        return sum(self.states.get(state, 0) for state in states)


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
    """Where everybody of the audience stands: sums, whatever the number of people."""
    states: Counter[RecipientState] = Counter()
    skipped: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    arms: Counter[Arm] = Counter()
    for (arm, state, reason), number in tallies.read(session, campaign.id).items():
        arms[arm] += number
        if arm is not Arm.holdout:
            if state is RecipientState.skipped:
                skipped[reason] += number
            else:
                states[state] += number
            if state is RecipientState.failed:
                failed[reason] += number
    return Progress(
        audience=arms.total(),
        reach=arms[Arm.reach],
        held_out=arms[Arm.holdout],
        issued=tallies.count_coupons(session, campaign.id),
        states=dict(states),
        skipped=dict(skipped.most_common()),
        failed=dict(failed.most_common()),
    )


def forecast_campaign(session: Session, campaign: Campaign, now: datetime) -> Forecast:
    """What a launch of this campaign would reach now."""
    return forecast(
        session,
        merchant_id=campaign.merchant_id,
        rule=session.get_one(Segment, campaign.segment_id).rule,
        holdout_bp=campaign.holdout_bp,
        moment=offers.moment_of(list_variants(session, campaign)),
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
