"""The moves of a campaign: compare-and-set along the map, each with its line of history."""

from datetime import datetime
from typing import Any

from sqlalchemy import exists, or_, select, update
from sqlalchemy.orm import Session

from core import audit
from core.database import claim
from core.outbox import JobState, OutboxJob, enqueue
from crm import contacts
from crm.campaigns import calling_back, tallies, thresholds, waves
from crm.errors import ApprovalNeeded, CampaignInvalid, CampaignMoved
from crm.models import (
    NEXT,
    Approval,
    ApprovalState,
    Arm,
    Campaign,
    CampaignMove,
    CampaignState,
    CampaignWave,
    Recipient,
    RecipientState,
)
from gateways.wechat.troubles import Trouble, trouble_of
from messaging.models import Channel

SEND_CHUNK = 500
QUEUE_AT_ONCE = 20_000
"""People whose sending one transaction queues."""
# How the keys of a campaign's jobs begin.
BATCH_KEY, SEND_KEY = "crm.campaign_batch:{}:", "crm.campaign_send:{}:"
RESUME_KEY = "crm.campaign_resume:{}:"
WAVE_KEY = "crm.campaign_wave:{}:"  # a wave of later: that it waits is no work at hand
MASS_KEY = "crm.campaign_mass:{}:"


ADVICE = {
    Trouble.template: "订阅模板用不了了：到小程序后台看它是不是被停用，换好模板再继续",
    Trouble.content: "微信不让发这段文字或这个页面：停掉活动，改好文字再建一个",
    Trouble.account: "公众号或小程序的发送能力受限：到微信后台处理好再继续",
}


def contact(campaign_id: int) -> dict[str, str]:
    """Under what a campaign takes its people's contacts."""
    return {"kind": "campaign", "ref": str(campaign_id)}


def approve(session: Session, campaign: Campaign, *, actor: str, now: datetime) -> None:
    """draft → approved: the words and the coupon are fixed from here on."""
    move(session, campaign, CampaignState.approved, actor=actor, now=now)


def withdraw(session: Session, campaign: Campaign, *, actor: str, now: datetime) -> None:
    """approved → draft, to be changed: whoever agreed did not agree to what it will be."""
    void_approvals(session, campaign.id, actor=actor, now=now)
    move(session, campaign, CampaignState.draft, actor=actor, now=now)


def void_approvals(session: Session, campaign_id: int, *, actor: str, now: datetime) -> None:
    """Whatever was asked or given for a campaign counts no more."""
    claim(
        session,
        update(Approval)
        .where(
            Approval.campaign_id == campaign_id,
            Approval.state.in_([ApprovalState.pending, ApprovalState.approved]),
        )
        .values(state=ApprovalState.withdrawn, decided_by=actor, decided_at=now),
    )


def schedule(
    session: Session, campaign: Campaign, *, at: datetime, actor: str, now: datetime
) -> None:
    """approved → scheduled: it launches by itself at `at`."""
    if at <= now:
        raise CampaignInvalid(errors={"scheduled_at": "开始时间要在现在之后"})
    move(session, campaign, CampaignState.scheduled, actor=actor, now=now, scheduled_at=at)
    enqueue(session, "crm.campaign_launch", run_at=at, campaign_id=campaign.id)


def unschedule(session: Session, campaign: Campaign, *, actor: str, now: datetime) -> None:
    """scheduled → approved; the job that was to launch it finds nothing to do."""
    move(session, campaign, CampaignState.approved, actor=actor, now=now, scheduled_at=None)


def pause(
    session: Session, campaign: Campaign, *, actor: str, reason: str = "", now: datetime
) -> None:
    """running → paused: the next slice and the next message see it."""
    move(session, campaign, CampaignState.paused, actor=actor, reason=reason, now=now)


def give_up(session: Session, campaign_id: int, errcode: int, *, now: datetime) -> None:
    """Pause because WeChat would refuse every other message for the same reason, and say which."""
    campaign = session.get_one(Campaign, campaign_id, populate_existing=True)
    if campaign.state is CampaignState.running:
        reason = f"{ADVICE[trouble_of(errcode)]}（微信 {errcode}）"
        pause(session, campaign, actor="system", reason=reason, now=now)


def resume(session: Session, campaign: Campaign, *, actor: str, now: datetime) -> None:
    """paused → running; a job queues what is left to do. Raises ApprovalNeeded."""
    size = thresholds.launched_size(session, campaign)
    why = thresholds.why_needed(session, campaign, size, now=now)
    if why:
        raise ApprovalNeeded(why)
    move(session, campaign, CampaignState.running, actor=actor, now=now, allowed_at=now)
    key = f"{RESUME_KEY.format(campaign.id)}{now.timestamp()}"
    enqueue(session, "crm.campaign_resume", key=key, campaign_id=campaign.id)


def queue_rest(session: Session, campaign_id: int, *, now: datetime, after_id: int = 0) -> None:
    """Issuing goes on at the cursor, and what was issued unsent is sent."""
    state = session.scalar(select(Campaign.state).where(Campaign.id == campaign_id))
    if state is CampaignState.running:
        if not after_id:
            queue_waves(session, campaign_id, now=now)
            calling_back.queue_prepared(session, campaign_id)
        queue_unsent(session, campaign_id, now=now, after_id=after_id)


def kill(
    session: Session, campaign: Campaign, *, actor: str, reason: str = "", now: datetime
) -> None:
    """To killed, from anywhere before the end: nothing more is issued or sent.

    Coupons that were issued stay with their members. A job writes down who is skipped.
    """
    move(
        session,
        campaign,
        CampaignState.killed,
        actor=actor,
        reason=reason,
        now=now,
        finished_at=now,
    )
    if campaign.launched_at is not None:
        enqueue(session, "crm.campaign_stop", campaign_id=campaign.id)


def skip_rest(session: Session, campaign_id: int, *, now: datetime, limit: int) -> int:
    """Skip the next `limit` people whom a killed campaign has not reached; how many that were."""
    killed = select(Campaign.id).where(
        Campaign.id == campaign_id, Campaign.state == CampaignState.killed
    )
    left = session.execute(
        select(Recipient.id, Recipient.member_id, Recipient.state)
        .where(
            Recipient.campaign_id == campaign_id,
            Recipient.state.in_([RecipientState.planned, RecipientState.issued]),
            killed.exists(),
        )
        .order_by(Recipient.id)
        .limit(limit)
        .with_for_update()
    ).all()
    if not left:
        return 0
    claim(
        session,
        update(Recipient)
        .where(Recipient.id.in_([row.id for row in left]))
        .values(state=RecipientState.skipped, skip_reason="stopped", state_at=now),
    )
    unwritten = [row.member_id for row in left if row.state is RecipientState.issued]
    contacts.take_back(session, unwritten, **contact(campaign_id))
    stopped = tallies.reached(RecipientState.skipped, "stopped")
    for state in (RecipientState.planned, RecipientState.issued):
        gone = [stopped for row in left if row.state is state]
        tallies.move(session, campaign_id, tallies.reached(state), gone)
    return len(left)


def finish_if_done(session: Session, campaign_id: int, *, now: datetime) -> bool:
    """running → finished once everybody was issued to and no message is open any more."""
    open_rows = exists().where(
        Recipient.campaign_id == campaign_id,
        Recipient.arm == Arm.reach,
        Recipient.state.in_(
            [RecipientState.planned, RecipientState.issued, RecipientState.sending]
        ),
    )
    open_waves = exists().where(
        CampaignWave.campaign_id == campaign_id, CampaignWave.issued_all.is_(False)
    )
    finished = claim(
        session,
        update(Campaign)
        .where(
            Campaign.id == campaign_id,
            Campaign.state == CampaignState.running,
            ~open_waves,
            ~open_rows,
        )
        .values(state=CampaignState.finished, finished_at=now),
    )
    if finished == 0:
        return False
    _note(session, campaign_id, CampaignState.running, CampaignState.finished, "system", "", now)
    return True


def queue_waves(
    session: Session, campaign_id: int, *, now: datetime, only_due: bool = False
) -> int:
    """Queue issuing at every cursor; how many. A copy finds that the cursor has moved."""
    open_waves = [
        wave for wave in waves.list_open(session, campaign_id) if wave.due_at <= now or not only_due
    ]
    for wave in open_waves:
        key = (BATCH_KEY if wave.due_at <= now else WAVE_KEY).format(campaign_id)
        waves.queue(session, wave, key=f"{key}{wave.id}:again:{now.timestamp()}", now=now)
    return len(open_waves)


def queue_unsent(session: Session, campaign_id: int, *, now: datetime, after_id: int = 0) -> int:
    """Queue the sending of recipients that were issued to; how many jobs. Copies do no harm.

    Of a large campaign the next so many after `after_id`; a job goes on from there.
    """
    ids = session.scalars(
        select(Recipient.id)
        .where(
            Recipient.campaign_id == campaign_id,
            Recipient.state == RecipientState.issued,
            Recipient.channel != Channel.broadcast,
            Recipient.id > after_id,
        )
        .order_by(Recipient.id)
        .limit(QUEUE_AT_ONCE)
    ).all()
    chunks = [ids[start : start + SEND_CHUNK] for start in range(0, len(ids), SEND_CHUNK)]
    for chunk in chunks:
        enqueue(
            session,
            "crm.campaign_send",
            key=f"{SEND_KEY.format(campaign_id)}{chunk[0]}:{chunk[-1]}:{now.timestamp()}",
            campaign_id=campaign_id,
            first_id=chunk[0],
            last_id=chunk[-1],
        )
    if len(ids) == QUEUE_AT_ONCE:
        key = f"{RESUME_KEY.format(campaign_id)}{ids[-1]}:{now.timestamp()}"
        enqueue(session, "crm.campaign_resume", key=key, campaign_id=campaign_id, after_id=ids[-1])
        return len(chunks) + 1
    together = exists().where(
        Recipient.campaign_id == campaign_id,
        Recipient.state == RecipientState.issued,
        Recipient.channel == Channel.broadcast,
    )
    if session.scalar(select(together)):
        queue_mass(session, campaign_id, now=now, run_at=now)
        return len(chunks) + 1
    return len(chunks)


def queue_mass(session: Session, campaign_id: int, *, now: datetime, run_at: datetime) -> None:
    """Gather those who are broadcast to; asked twice within a minute it is done once."""
    key = f"{MASS_KEY.format(campaign_id)}{int(now.timestamp()) // 60}"
    enqueue(session, "crm.campaign_mass", key=key, run_at=run_at, campaign_id=campaign_id)


def has_live_jobs(session: Session, campaign_id: int) -> bool:
    """Whether a job of the campaign waits or runs: what it covers is not lost, only late."""
    keys = [
        OutboxJob.key.startswith(key.format(campaign_id), autoescape=True)
        for key in (BATCH_KEY, SEND_KEY, RESUME_KEY, MASS_KEY)
    ]
    live = exists().where(or_(*keys), OutboxJob.state.in_([JobState.waiting, JobState.pushed]))
    return bool(session.scalar(select(live)))


def move(
    session: Session,
    campaign: Campaign,
    to: CampaignState,
    *,
    actor: str,
    now: datetime,
    reason: str = "",
    **values: Any,
) -> None:
    """The compare-and-set. Raises CampaignMoved when the map does not lead there from here."""
    before = campaign.state
    if to not in NEXT[before]:
        raise CampaignMoved
    moved = claim(
        session,
        update(Campaign)
        .where(Campaign.id == campaign.id, Campaign.state == before)
        .values(state=to, **values),
    )
    session.refresh(campaign)
    if moved == 0:
        raise CampaignMoved
    _note(session, campaign.id, before, to, actor, reason, now)
    audit.record(
        session,
        actor=actor,
        action=f"campaign.{to.value}",
        subject=f"campaign:{campaign.id}",
        before={"state": before.value},
        after={"state": to.value},
        merchant_id=campaign.merchant_id,
        reason=reason,
        now=now,
    )


def _note(
    session: Session,
    campaign_id: int,
    before: CampaignState,
    to: CampaignState,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    session.add(
        CampaignMove(
            campaign_id=campaign_id,
            from_state=before,
            to_state=to,
            actor=actor,
            reason=reason,
            at=now,
        )
    )
    session.flush()
