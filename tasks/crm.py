"""Jobs of crm: points that fall due, members that were merged, campaigns."""

from sqlalchemy import update

from core import clock
from core.database import claim, reading
from core.logs import log
from coupons import gifting
from coupons.errors import GoneAlready, NotClaimable
from coupons.models import Coupon
from crm import campaigns, contacts, members, points, standing
from crm.campaigns import asking, calling_back, masses, moving, sending
from crm.models import Campaign, CampaignState
from messaging.broadcasts.models import MassSend
from orders.models import Order
from tasks.registry import Later, Run, job

STOP_SLICE = 5_000
SKEW = 60


@job("crm.release_points")
def release_points(run: Run) -> None:
    """Points whose refund window is over become available."""
    while True:
        with run.transaction() as session:
            if points.release_due(session, now=clock.now()) == 0:
                return


@job("crm.after_merge")
def after_merge(run: Run, winner_id: int, loser_id: int) -> None:
    """Orders and coupons of a merged member follow it, to wherever the winner has gone since."""
    with run.finish() as session:
        living = members.living(session, winner_id)
        for table in (Order, Coupon):  # in lock order
            claim(
                session,
                update(table).where(table.member_id == loser_id).values(member_id=living.id),
            )
        gifting.follow_merge(session, loser_id, living.id)


@job("crm.campaign_launch", timeout=300)
def campaign_launch(run: Run, campaign_id: int, actor: str = "system") -> None:
    """Launch what is scheduled for now; a campaign put off or taken back is left alone."""
    now = clock.now()
    with run.finish() as session:
        campaign = session.get_one(Campaign, campaign_id)
        if campaign.state is not CampaignState.scheduled or campaign.scheduled_at is None:
            return
        early = (campaign.scheduled_at - now).total_seconds()
        if 0 < early < SKEW:  # whoever set the time has a clock ahead of ours
            raise Later(early)
        if early <= 0:
            campaigns.launch(session, campaign, actor=actor, now=now)


@job("crm.ask_approval")
def ask_approval(run: Run, approval_id: int) -> None:
    """Tell those who may agree, in the chat where it is open to us; the console shows it anyway."""
    with run.finish() as session:
        asking.tell_approvers(session, approval_id, now=clock.now())


@job("crm.campaign_resume", timeout=300)
def campaign_resume(run: Run, campaign_id: int, after_id: int = 0) -> None:
    """Queue what a resumed campaign has left to do, so many people a job."""
    with run.finish() as session:
        moving.queue_rest(session, campaign_id, now=clock.now(), after_id=after_id)


@job("crm.campaign_stop", timeout=300)
def campaign_stop(run: Run, campaign_id: int) -> None:
    """Write down, slice by slice, who is skipped because the campaign was killed."""
    now, skipped = clock.now(), STOP_SLICE
    while skipped:
        with run.transaction() as session:
            skipped = moving.skip_rest(session, campaign_id, now=now, limit=STOP_SLICE)
    with run.finish() as session:
        calling_back.call_back(session, campaign_id, now=now)


@job("crm.campaign_batch", queue="bulk", timeout=300)
def campaign_batch(run: Run, campaign_id: int, wave_id: int | None = None) -> None:
    """Issue to the next slice. When the coupons run out the campaign pauses and says why."""
    keep_quiet(campaign_id)
    try:
        with run.finish() as session:
            batch = campaigns.next_batch(session, campaign_id, wave_id=wave_id, now=clock.now())
        if batch is not None and batch.wait_until is not None:
            log.info("campaign_day_full", campaign_id=campaign_id, until=str(batch.wait_until))
    except (GoneAlready, NotClaimable) as refused:
        with run.finish() as session:
            campaign = session.get_one(Campaign, campaign_id)
            if campaign.state is CampaignState.running:
                moving.pause(
                    session, campaign, actor="system", reason=refused.detail, now=clock.now()
                )


@job("crm.campaign_mass", queue="bulk", timeout=300)
def campaign_mass(run: Run, campaign_id: int) -> None:
    """Hand those to WeChat whom only a broadcast reaches, ten thousand to a request."""
    keep_quiet(campaign_id)
    now, gathered = clock.now(), 1
    while gathered:
        with run.transaction() as session:
            gathered = masses.gather(session, campaign_id, now=now)
    with run.finish() as session:
        moving.finish_if_done(session, campaign_id, now=now)


@job("crm.campaign_mass_over", queue="bulk", timeout=300)
def campaign_mass_over(run: Run, mass_send_id: int) -> None:
    """WeChat has told the totals of a request: everybody in it is settled, slice by slice."""
    now, settled = clock.now(), 1
    while settled:
        with run.transaction() as session:
            settled = masses.settle(session, session.get_one(MassSend, mass_send_id), now=now)


@job("crm.forget_contacts", timeout=300)
def forget_contacts(run: Run) -> None:
    """Contacts that no frequency cap looks at any more are forgotten, slice by slice."""
    now, forgotten = clock.now(), 1
    while forgotten:
        with run.transaction() as session:
            forgotten = contacts.forget(session, now=now)


@job("crm.sweep_standing")
def sweep_standing(run: Run) -> None:
    """A job that died for good leaves no campaign, batch or journey in the middle."""
    with run.finish() as session:
        taken = standing.take_up(session, now=clock.now())
    if taken:
        log.warning("taken_up_again", jobs=taken)


@job("crm.sweep_campaigns")
def sweep_campaigns(run: Run) -> None:
    """What a dead worker left in `sending` is settled; what lies about is queued again."""
    now = clock.now()
    with run.transaction() as session:
        settled = sending.settle_stuck(session, now=now)
    with run.finish() as session:
        revived = sending.revive(session, now=now)
    if settled or revived:
        log.info("campaigns_swept", settled=settled, revived=revived)


def keep_quiet(campaign_id: int) -> None:
    """Raises Later in the hours when nobody is written to."""
    now = clock.now()
    with reading() as session:
        campaign = session.get_one(Campaign, campaign_id)
        until = sending.quiet_until(session, campaign, now)
    if until is not None:
        raise Later((until - now).total_seconds())
