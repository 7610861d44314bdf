"""Launch: the audience is written down at once, with an upper bound, an arm and a channel each."""

from datetime import datetime
from typing import Any

from sqlalchemy import FromClause, Select, and_, case, func, insert, literal, null, select
from sqlalchemy.orm import Session

from core.database import UTCDateTime
from core.outbox import enqueue
from crm.campaigns import offers, reach, tallies, thresholds, waves
from crm.campaigns.holdout import held_out
from crm.campaigns.moving import BATCH_KEY, WAVE_KEY, move, pause
from crm.campaigns.variants import drawn, list_variants
from crm.models import Arm, Campaign, CampaignState, Member, Recipient, RecipientState, Segment
from crm.segments.compiling import customers, matches, tree


def start(session: Session, campaign: Campaign, *, actor: str, now: datetime) -> None:
    """approved → scheduled for this moment: a job launches it.

    To write down a large audience takes longer than a request may. Raises CampaignMoved.
    """
    move(session, campaign, CampaignState.scheduled, actor=actor, now=now, scheduled_at=now)
    enqueue(session, "crm.campaign_launch", campaign_id=campaign.id, actor=actor)


def launch(session: Session, campaign: Campaign, *, actor: str, now: datetime) -> int:
    """approved or scheduled → running, with the audience fixed; how many people it has.

    One INSERT … SELECT decides for each person: reachable or skipped with a reason, and of the
    reachable, held out or not. Nobody is issued anything here. Raises CampaignMoved.
    """
    if campaign.state is CampaignState.approved:
        move(session, campaign, CampaignState.scheduled, actor=actor, now=now, scheduled_at=now)
    rule = session.get_one(Segment, campaign.segment_id).rule
    bound = session.scalar(
        select(func.max(Member.id)).where(Member.merchant_id == campaign.merchant_id)
    )
    move(
        session,
        campaign,
        CampaignState.running,
        actor=actor,
        now=now,
        rule=rule,
        upper_bound=bound or 0,
        launched_at=now,
        allowed_at=now,
    )
    campaign.audience_count = _write_audience(session, campaign, now)
    session.flush()
    tallies.recount(session, campaign.id)
    size = thresholds.launched_size(session, campaign)
    why = thresholds.why_needed(session, campaign, size, now=now)
    if why:  # nothing has been issued yet, and nothing is until somebody agrees
        pause(session, campaign, actor="system", reason=why, now=now)
        return campaign.audience_count
    for wave in waves.list_open(session, campaign.id):
        key = BATCH_KEY if wave.due_at <= now else WAVE_KEY
        waves.queue(session, wave, key=f"{key.format(campaign.id)}{wave.id}:0", now=now)
    return campaign.audience_count


def _write_audience(session: Session, campaign: Campaign, now: datetime) -> int:
    variants = list_variants(session, campaign)
    moment = offers.moment_of(variants)
    answer = reach.outcome(session, campaign.merchant_id, now=now, moment=moment)
    people = (
        select(Member.id.label("member_id"), answer.label("answer"))
        .where(
            customers(campaign.merchant_id),
            Member.id <= campaign.upper_bound,
            matches(tree(campaign.rule), now),
        )
        .subquery()
    )
    variant = drawn(people.c.member_id, seed=campaign.seed, number=len(variants))
    plan = waves.plan(session, campaign, variants, variant, people.c.member_id, now=now)
    everybody: FromClause = people
    if plan.hours is not None:
        everybody = people.outerjoin(plan.hours, plan.hours.c.member_id == people.c.member_id)
    reached = reach.is_reached(people.c.answer)
    away = held_out(people.c.member_id, seed=campaign.seed, share_bp=campaign.holdout_bp)
    told = and_(reached, ~away)
    rows: Select[Any] = select(
        literal(campaign.id),
        people.c.member_id,
        case((told, Arm.reach.value), (reached, Arm.holdout.value), else_=Arm.none.value),
        case((told, RecipientState.planned.value), else_=RecipientState.skipped.value),
        literal(now, UTCDateTime()),
        case((reached, people.c.answer), else_=null()),
        case((told, null()), (reached, "holdout"), else_=people.c.answer),
        case((told, variant), else_=0),
        case((told, plan.wave_id), else_=null()),
    )
    rows = rows.select_from(everybody).order_by(people.c.member_id)
    columns = ["campaign_id", "member_id", "arm", "state", "state_at", "channel", "skip_reason"]
    columns += ["variant", "wave_id"]
    result = session.execute(insert(Recipient).from_select(columns, rows, include_defaults=False))
    return int(result.rowcount)  # type: ignore[attr-defined]
