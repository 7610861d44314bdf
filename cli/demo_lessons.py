"""Two more finished campaigns for the demo, of which the report is less sure than of the first.

The same followers heard of the new tea that afternoon, with a hold-out large enough to say that
nothing can be told; and a few of them were given points the day after, with a hold-out so small
that it says so.
"""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from crm import campaigns
from crm.campaigns.drafting import Draft
from crm.models import Campaign

HEARD = Draft(
    "新茶到了，说一声",
    0,
    None,
    "{昵称}，新到的桂花乌龙今天开泡，来坐坐。",
    holdout_bp=4_000,
)
GIVEN = Draft(
    "送 20 积分，看看来不来",
    0,
    None,
    "{昵称}，送你 {积分} 积分，下一杯就能用。",
    holdout_bp=500,
    points=20,
)
AFTER = ((HEARD, timedelta(hours=5), 41), (GIVEN, timedelta(hours=25), 42))
SAID = timedelta(minutes=2)


def launch_all(
    session: Session, first: Campaign, begins: datetime
) -> list[tuple[Campaign, datetime]]:
    """Launched and issued at their moments; each with when its messages went out."""
    made = []
    for wanted, later, seed in AFTER:
        at = begins + later
        draft = Draft(**{**wanted.__dict__, "segment_id": first.segment_id})
        campaign = campaigns.create(
            session, first.merchant_id, draft, actor=first.created_by, now=at - SAID
        )
        campaign.seed = seed  # the same people are held out in every demo
        campaigns.approve(session, campaign, actor=first.created_by, now=at)
        campaigns.launch(session, campaign, actor=first.created_by, now=at)
        while (batch := campaigns.next_batch(session, campaign.id, now=at)) and not batch.last:
            pass
        made.append((campaign, at + SAID))
    return made
