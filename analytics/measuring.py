"""Measuring a campaign: what each part of its people spent, in one pass, kept for the pages.

By intention to treat: everybody the launch meant to reach counts, whether the message arrived or
not; only so is the hold-out comparable. Spending counts for two weeks from the launch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Subquery, case, delete, func, select
from sqlalchemy.orm import Session

from analytics.lift import Group
from analytics.models import CampaignMeasure
from analytics.sums import NOTHING, Sums
from core.clock import business_day, day_bounds
from core.database import claim, insert_ignore
from crm.models import Arm, Campaign, Purchase, Recipient
from orders.models import Order

WINDOW = timedelta(days=14)
FRESH = timedelta(minutes=20)
SMALL = 20_000
"""So many people are counted while the page waits; more are counted by a job."""
_YUAN = 0.01  # sums of cubes of fen would leave the range of whole numbers
REACH, HOLDOUT = Arm.reach.value, Arm.holdout.value


@dataclass(frozen=True)
class Part:
    people: int = 0
    buyers: int = 0
    sums: Sums = NOTHING
    daily: tuple[int, ...] = ()

    @property
    def revenue(self) -> Group:
        return self.sums.revenue(self.people, self.buyers)

    def profit(self, margin_bp: int, message_fen: float = 0.0) -> Group:
        group = self.sums.profit(self.people, self.buyers, margin_bp)
        return group.less(message_fen) if message_fen else group


@dataclass(frozen=True)
class Measured:
    """`edges` begin each day and end the last; `at`: when it was counted."""

    parts: dict[str, Part]
    since: datetime
    until: datetime
    at: datetime

    def part(self, name: str) -> Part:
        return self.parts.get(name, Part())

    @property
    def edges(self) -> list[datetime]:
        return edges(self.since, self.until)


def latest_many(
    session: Session, campaigns: Sequence[Campaign], now: datetime
) -> dict[int, Measured]:
    """What is known of launched campaigns: kept by the job, or counted here when there are few.

    One that is not in the answer is still being counted, or was never launched.
    """
    known = read_many(session, campaigns)
    for campaign in campaigns:
        kept = known.get(campaign.id)
        fresh = kept is not None and (is_final(kept) or now - kept.at < FRESH)
        if not fresh and campaign.launched_at is not None and campaign.audience_count <= SMALL:
            known[campaign.id] = measure(session, campaign, now)
    return known


def is_final(measured: Measured) -> bool:
    return measured.until >= measured.since + WINDOW


def measure(session: Session, campaign: Campaign, now: datetime) -> Measured:
    """Count everything anew."""
    since, until = _window(campaign, now)
    spent = _by_member(campaign.id, since, until)
    parts = {
        name: Part(
            people, *_sums(session, spent, name), _daily(session, campaign.id, name, since, until)
        )
        for name, people in _people(session, campaign.id).items()
    }
    return Measured(parts, since, until, now)


def keep(session: Session, campaign: Campaign, measured: Measured) -> None:
    """Write down what was measured, in place of what was before."""
    claim(session, delete(CampaignMeasure).where(CampaignMeasure.campaign_id == campaign.id))
    rows = [
        {
            "campaign_id": campaign.id,
            "part": name,
            "people": part.people,
            "buyers": part.buyers,
            "sums": part.sums.to_list(),
            "daily": list(part.daily),
            "until": measured.until,
            "measured_at": measured.at,
        }
        for name, part in sorted(measured.parts.items())
    ]
    insert_ignore(session, CampaignMeasure, rows)


def read_many(session: Session, campaigns: Sequence[Campaign]) -> dict[int, Measured]:
    """What was kept, in one query."""
    launched = {each.id: each.launched_at for each in campaigns if each.launched_at is not None}
    found = select(CampaignMeasure).where(CampaignMeasure.campaign_id.in_(launched))
    known: dict[int, Measured] = {}
    for row in session.scalars(found):
        new = Measured({}, launched[row.campaign_id], row.until, row.measured_at)
        parts = known.setdefault(row.campaign_id, new).parts
        parts[row.part] = Part(row.people, row.buyers, Sums(*row.sums), tuple(row.daily))
    return known


def list_due(session: Session, now: datetime, limit: int = 200) -> list[int]:
    """Launched campaigns whose figures may still change and were not counted lately."""
    lately = (
        select(CampaignMeasure.campaign_id)
        .where(
            CampaignMeasure.campaign_id == Campaign.id,
            CampaignMeasure.measured_at > now - FRESH,
        )
        .exists()
    )
    found = (
        select(Campaign.id)
        .where(
            Campaign.launched_at.is_not(None),
            Campaign.launched_at > now - WINDOW - timedelta(days=1),
            ~lately,
        )
        .order_by(Campaign.id.desc())
        .limit(limit)
    )
    return list(session.scalars(found))


def edges(since: datetime, until: datetime) -> list[datetime]:
    """The launch, every midnight of the shop after it, and the end."""
    found = [since]
    while found[-1] < until:
        found.append(min(day_bounds(business_day(found[-1]))[1], until))
    return found


def _window(campaign: Campaign, now: datetime) -> tuple[datetime, datetime]:
    if campaign.launched_at is None:
        raise ValueError("a campaign that was not launched has nothing to measure")
    return campaign.launched_at, min(campaign.launched_at + WINDOW, now)


def _people(session: Session, campaign_id: int) -> dict[str, int]:
    rows = session.execute(
        select(Recipient.arm, func.count())
        .where(Recipient.campaign_id == campaign_id, Recipient.arm.in_([Arm.reach, Arm.holdout]))
        .group_by(Recipient.arm)
    )
    return {Arm(arm).value: people for arm, people in rows}


def _by_member(campaign_id: int, since: datetime, until: datetime) -> Subquery:
    """Arm, revenue and discounts in yuan of everybody who bought: the others add nothing."""
    kept = Purchase.amount_fen - Purchase.refunded_fen
    discount = case((Purchase.counted, Order.discount_fen), else_=0)
    return (
        select(
            Recipient.arm.label("part"),
            (func.sum(kept) * _YUAN).label("s"),
            (func.sum(discount) * _YUAN).label("d"),
        )
        .join(Purchase, Purchase.member_id == Recipient.member_id)
        .join(Order, Order.id == Purchase.order_id)
        .where(Recipient.campaign_id == campaign_id, *_between(since, until))
        .group_by(Recipient.arm, Recipient.member_id)
        .subquery()
    )


def _between(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return Purchase.paid_at >= since, Purchase.paid_at < until


def _sums(session: Session, spent: Subquery, part: str) -> tuple[int, Sums]:
    s, d = spent.c.s, spent.c.d
    products = (s, d, s * s, s * d, d * d, s * s * s, s * s * d, s * d * d, d * d * d)
    powers = (1, 1, 2, 2, 2, 3, 3, 3, 3)
    row = session.execute(
        select(
            func.sum(case((s > 0, 1), else_=0)), *(func.sum(product) for product in products)
        ).where(spent.c.part == part)
    ).one()
    found = (float(value or 0) * 100.0**power for value, power in zip(row[1:], powers, strict=True))
    return int(row[0] or 0), Sums(*found)


def _daily(
    session: Session, campaign_id: int, part: str, since: datetime, until: datetime
) -> tuple[int, ...]:
    ends = edges(since, until)[1:]
    if not ends:
        return ()
    slot = case(
        *((Purchase.paid_at < end, index) for index, end in enumerate(ends)), else_=len(ends)
    ).label("slot")
    rows = session.execute(
        select(slot, func.sum(Purchase.amount_fen - Purchase.refunded_fen))
        .select_from(Recipient)
        .join(Purchase, Purchase.member_id == Recipient.member_id)
        .where(
            Recipient.campaign_id == campaign_id,
            Recipient.arm == Arm(part),
            *_between(since, until),
        )
        .group_by(slot)
    )
    fen = {int(index): int(amount) for index, amount in rows}
    return tuple(fen.get(index, 0) for index in range(len(ends)))


def running(parts: Sequence[int]) -> list[int]:
    """Sums up to each day."""
    total, sums = 0, []
    for part in parts:
        total += part
        sums.append(total)
    return sums
