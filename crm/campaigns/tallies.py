"""How many people of a campaign stand where, without counting a million rows every two seconds.

Whoever moves recipients adds what changed, in the transaction of the move: rows are only added, so
two workers never wait for each other. The sums are the numbers; now and then they replace their
parts.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from crm.models import Arm, CampaignTally, Recipient, RecipientState

MANY = 1_000
"""So many parts are added up when the sweep comes by."""


class Place(NamedTuple):
    """Where a recipient stands; `reason` only of the skipped and of the failed."""

    arm: Arm
    state: RecipientState
    reason: str = ""


def reached(state: RecipientState, reason: str = "") -> Place:
    return Place(Arm.reach, state, reason)


def add(
    session: Session, campaign_id: int, changes: Mapping[Place, int], *, coupons: int = 0
) -> None:
    """So many people more, or fewer, at each place; and so many coupons more."""
    parts = [
        {
            "campaign_id": campaign_id,
            "arm": place.arm,
            "state": place.state,
            "reason": place.reason,
            "people": people,
            "coupons": 0,
        }
        for place, people in changes.items()
        if people
    ]
    if parts:
        parts[0]["coupons"] = coupons
    rows.add_all(session, CampaignTally, parts)


def move(session: Session, campaign_id: int, source: Place, targets: Iterable[Place]) -> None:
    """Each of `targets` is where somebody went who stood at `source`."""
    changes: Counter[Place] = Counter(targets)
    changes[source] -= changes.total()
    add(session, campaign_id, changes)


def read(session: Session, campaign_id: int) -> dict[Place, int]:
    parts = (
        select(
            CampaignTally.arm,
            CampaignTally.state,
            CampaignTally.reason,
            func.sum(CampaignTally.people),
        )
        .where(CampaignTally.campaign_id == campaign_id)
        .group_by(CampaignTally.arm, CampaignTally.state, CampaignTally.reason)
    )
    return {
        Place(arm, state, reason): int(people)
        for arm, state, reason, people in session.execute(parts)
        if people
    }


def count_coupons(session: Session, campaign_id: int) -> int:
    mine = CampaignTally.campaign_id == campaign_id
    return int(session.scalar(select(func.sum(CampaignTally.coupons)).where(mine)) or 0)


def count_sent(session: Session, campaign_ids: Iterable[int]) -> dict[int, int]:
    """How many messages of each campaign WeChat took, for a list."""
    found = (
        select(CampaignTally.campaign_id, func.sum(CampaignTally.people))
        .where(
            CampaignTally.campaign_id.in_(list(campaign_ids)),
            CampaignTally.state == RecipientState.sent,
        )
        .group_by(CampaignTally.campaign_id)
    )
    return {campaign_id: int(people) for campaign_id, people in session.execute(found)}


def recount(session: Session, campaign_id: int) -> None:
    """Count the recipients themselves: at the launch, when there is nothing to add to."""
    claim(session, delete(CampaignTally).where(CampaignTally.campaign_id == campaign_id))
    counted = (
        select(
            Recipient.arm,
            Recipient.state,
            func.coalesce(Recipient.skip_reason, ""),
            func.count(),
            func.count(Recipient.coupon_id),
        )
        .where(Recipient.campaign_id == campaign_id)
        .group_by(Recipient.arm, Recipient.state, func.coalesce(Recipient.skip_reason, ""))
    )
    for arm, state, reason, people, coupons in session.execute(counted).all():
        add(session, campaign_id, {Place(arm, state, reason): people}, coupons=coupons)


def compact(session: Session, campaign_id: int) -> bool:
    """Replace many parts by their sums; whether there were many. What others add stays."""
    ids = session.scalars(
        select(CampaignTally.id)
        .where(CampaignTally.campaign_id == campaign_id)
        .order_by(CampaignTally.id)
        .limit(20 * MANY)
        .with_for_update(skip_locked=True)
    ).all()
    if len(ids) < MANY:
        return False
    sums: Counter[Place] = Counter()
    coupons = 0
    for start in range(0, len(ids), MANY):
        chosen = CampaignTally.id.in_(ids[start : start + MANY])
        for part in session.scalars(select(CampaignTally).where(chosen)):
            sums[Place(part.arm, part.state, part.reason)] += part.people
            coupons += part.coupons
        claim(session, delete(CampaignTally).where(chosen))
    add(session, campaign_id, sums, coupons=coupons)
    return True
