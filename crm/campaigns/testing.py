"""A campaign's message to oneself: as it will look, marked as a trial, and counted nowhere."""

from datetime import datetime

from sqlalchemy.orm import Session

from core import audit
from core.outbox import enqueue
from crm.campaigns import offers
from crm.campaigns.letters import write
from crm.campaigns.variants import list_variants
from crm.errors import NoWayToSend
from crm.models import Campaign
from merchants.models import Staff
from messaging import planning, sending

MARK = "【试发】"


def send(
    session: Session, campaign: Campaign, staff: Staff, *, variant: int = 0, now: datetime
) -> None:
    """To the WeChat of `staff`, by whatever way is open; no coupon is issued, nobody is counted.

    Raises NoWayToSend with what they have to do first.
    """
    if staff.person_id is None:
        raise NoWayToSend("先用微信登录一次后台，才知道发给谁")
    plan = planning.plan_channels(
        session,
        merchant_id=campaign.merchant_id,
        person_ids=[staff.person_id],
        template=offers.moment_of(list_variants(session, campaign)),
        now=now,
    )[staff.person_id]
    if plan.channel is None:
        raise NoWayToSend("先用自己的微信给公众号发一句话，再点一次")
    tried = list_variants(session, campaign)
    chosen = tried[variant if 0 <= variant < len(tried) else 0]
    gift = offers.load(session, campaign, chosen).sample(now)
    payload = write(MARK + chosen.message, staff.name, gift, plan)
    key = f"campaign_test:{campaign.id}:{chosen.no}:{staff.id}:{now.timestamp():.0f}"
    message = sending.prepare(
        session,
        key=key,
        appid=plan.appid,
        openid=plan.openid,
        channel=plan.channel,
        kind="campaign",
        payload=payload,
        now=now,
    )
    if message is None:
        return  # the same second: one is on its way
    enqueue(session, "messaging.deliver", message_id=message.id)
    audit.record(
        session,
        actor=f"staff:{staff.id}",
        action="campaign.tested",
        subject=f"campaign:{campaign.id}",
        before={},
        after={},
        merchant_id=campaign.merchant_id,
        now=now,
    )
