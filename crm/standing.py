"""What a job that died for good would leave in the middle for ever, and the job to go on with it.

Each of these jobs may be run at any time: it asks the state what is left to do.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, exists, select
from sqlalchemy.orm import Session

from core.outbox import enqueue, live_args
from crm.models import (
    BatchState,
    Campaign,
    CampaignState,
    CouponBatch,
    ImportState,
    Journey,
    JourneyRun,
    JourneyState,
    Loyalty,
    MemberImport,
    Recipient,
    RecipientState,
    RunState,
)
from crm.tiers.editing import ALL, UP

LATE = timedelta(minutes=5)
LATELY = timedelta(days=30)


class _Work(NamedTuple):
    name: str
    whose: str
    ids: list[int]
    args: dict[str, Any]


def take_up(session: Session, *, now: datetime) -> int:
    """Enqueue the job of whatever is in the middle and has none that waits or runs; how many."""
    taken = 0
    for work in _list(session, now):
        if not work.ids:
            continue
        alive = {args.get(work.whose) for args in live_args(session, work.name)}
        for id_ in work.ids:
            if id_ not in alive:
                key = f"standing:{work.name}:{id_}:{int(now.timestamp())}"
                taken += enqueue(session, work.name, key=key, **({work.whose: id_} | work.args))
    return taken


def _list(session: Session, now: datetime) -> list[_Work]:
    due = select(Campaign.id).where(
        Campaign.state == CampaignState.scheduled, Campaign.scheduled_at < now - LATE
    )
    left = exists().where(
        Recipient.campaign_id == Campaign.id,
        Recipient.state.in_([RecipientState.planned, RecipientState.issued]),
    )
    killed = select(Campaign.id).where(
        Campaign.state == CampaignState.killed, Campaign.finished_at > now - LATELY, left
    )
    issuing = CouponBatch.state.in_([BatchState.preparing, BatchState.running])
    inside = exists().where(
        and_(JourneyRun.journey_id == Journey.id, JourneyRun.state == RunState.active)
    )
    ended = select(Journey.id).where(Journey.state == JourneyState.ended, inside)
    importing = select(MemberImport.id).where(MemberImport.state == ImportState.running)
    revoking = select(CouponBatch.id).where(CouponBatch.state == BatchState.revoking)

    def weighing(how: str) -> Any:
        return select(Loyalty.merchant_id).where(Loyalty.reweigh == how)

    def ids(asked: Any) -> list[int]:
        return list(session.scalars(asked))

    return [
        _Work("crm.campaign_launch", "campaign_id", ids(due), {}),
        _Work("crm.campaign_stop", "campaign_id", ids(killed), {}),
        _Work("crm.coupon_batch", "batch_id", ids(select(CouponBatch.id).where(issuing)), {}),
        _Work("crm.void_batch", "batch_id", ids(revoking), {"actor": "system"}),
        _Work("crm.journey_end", "journey_id", ids(ended), {}),
        *(
            _Work("crm.reweigh_tiers", "merchant_id", ids(weighing(how)), {"may_fall": how == ALL})
            for how in (UP, ALL)
        ),
        _Work("crm.import_members", "import_id", ids(importing), {}),
    ]
