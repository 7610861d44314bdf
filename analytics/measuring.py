"""Measuring a campaign: what each part of its people spent, in one pass, kept for the pages.

By intention to treat: everybody the launch meant to reach counts, whether the message arrived or
not; only so is the hold-out comparable. Spending counts for two weeks from the launch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, delete, exists, func, literal, select
from sqlalchemy.orm import Session

from analytics import spending
from analytics.lift import Group
from analytics.models import CampaignMeasure
from analytics.sums import NOTHING, Sums
from core.clock import business_day, day_bounds
from core.database import claim, insert_ignore
from crm.models import Arm, Campaign, CampaignWave, Purchase, Recipient

WINDOW = timedelta(days=14)
FRESH = timedelta(minutes=20)
SMALL = 20_000
"""So many people are counted while the page waits; more are counted by a job."""
LATER = -1
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

    @property
    def tried(self) -> dict[int, Part]:
        """By variant, where there are several."""
        prefix = f"{REACH}:"
        found = {int(n.removeprefix(prefix)): p for n, p in self.parts.items() if prefix in n}
        return dict(sorted(found.items()))


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
    """Count everything anew: both arms, and each variant that was tried (`reach:1`)."""
    since, until = _window(campaign, now)
    people = _people(session, campaign.id)
    spent = _spent(session, campaign.id, since, until)
    daily = _daily(session, campaign.id, since, until)
    parts = {
        arm: _together(arm, people, spent, daily)
        for arm in dict.fromkeys(arm for arm, _variant in people)
    }
    tried = sorted(key for key in people if key[0] == REACH and key[1] != LATER)
    if len(tried) > 1:
        parts |= {
            f"{REACH}:{variant}": _together(REACH, people, spent, daily, variant)
            for _arm, variant in tried
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


Key = spending.Key
"""An arm and the variant that was drawn; LATER: they waited for what the pilot showed."""


def _variant() -> ColumnElement[int]:
    """Who waited got the winner, whatever they had drawn: they compare nothing."""
    waited = exists().where(CampaignWave.id == Recipient.wave_id, CampaignWave.is_rest.is_(True))
    return case((waited, LATER), else_=Recipient.variant)


def _together(
    arm: str,
    people: dict[Key, int],
    spent: dict[Key, tuple[int, Sums]],
    daily: dict[Key, list[int]],
    variant: int | None = None,
) -> Part:
    """An arm as a whole, or one variant of it."""
    keys = [key for key in people if key[0] == arm and variant in (None, key[1])]
    buyers = sum(spent[key][0] for key in keys if key in spent)
    sums = Sums.add([spent[key][1] for key in keys if key in spent])
    days = [daily[key] for key in keys if key in daily]
    return Part(
        sum(people[key] for key in keys),
        buyers,
        sums,
        tuple(sum(parts) for parts in zip(*days, strict=True)),
    )


def _people(session: Session, campaign_id: int) -> dict[Key, int]:
    variant = _variant().label("variant")
    rows = session.execute(
        select(Recipient.arm, variant, func.count())
        .where(Recipient.campaign_id == campaign_id, Recipient.arm.in_([Arm.reach, Arm.holdout]))
        .group_by(Recipient.arm, variant)
    )
    return {(Arm(arm).value, int(number)): people for arm, number, people in rows}


def _spent(
    session: Session, campaign_id: int, since: datetime, until: datetime
) -> dict[Key, tuple[int, Sums]]:
    """Buyers and sums of everybody who was meant to be reached or held out."""
    moment = Purchase.paid_at.type
    whom = (
        select(
            Recipient.arm.label("arm"),
            _variant().label("variant"),
            Recipient.member_id.label("member_id"),
            literal(since, moment).label("since"),
            literal(until, moment).label("until"),
        )
        .where(Recipient.campaign_id == campaign_id, Recipient.arm.in_([Arm.reach, Arm.holdout]))
        .subquery()
    )
    return spending.by_part(session, whom)


def _between(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return Purchase.paid_at >= since, Purchase.paid_at < until


def _daily(
    session: Session, campaign_id: int, since: datetime, until: datetime
) -> dict[Key, list[int]]:
    ends = edges(since, until)[1:]
    if not ends:
        return {}
    slot = case(
        *((Purchase.paid_at < end, index) for index, end in enumerate(ends)), else_=len(ends)
    ).label("slot")
    variant = _variant().label("variant")
    rows = session.execute(
        select(Recipient.arm, variant, slot, func.sum(Purchase.amount_fen - Purchase.refunded_fen))
        .select_from(Recipient)
        .join(Purchase, Purchase.member_id == Recipient.member_id)
        .where(
            Recipient.campaign_id == campaign_id,
            Recipient.arm.in_([Arm.reach, Arm.holdout]),
            *_between(since, until),
        )
        .group_by(Recipient.arm, variant, slot)
    )
    days: dict[Key, list[int]] = {}
    for arm, number, index, fen in rows:
        days.setdefault((Arm(arm).value, int(number)), [0] * len(ends))[int(index)] += int(fen)
    return days


def running(parts: Sequence[int]) -> list[int]:
    """Sums up to each day."""
    total, sums = 0, []
    for part in parts:
        total += part
        sums.append(total)
    return sums
