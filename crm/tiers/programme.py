"""By which rules a merchant's members stand where they stand: one kept statement reads all."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, bindparam, func, select
from sqlalchemy.orm import Session

from core import rows, statements
from core.database import place
from crm.models import (
    BASE_TIER,
    Expiry,
    Fall,
    GrowthEntry,
    Loyalty,
    Measure,
    Member,
    Purchase,
    Tier,
)

FEN_PER_GROWTH = 100


class Step(NamedTuple):
    """A tier: `threshold` is in fen or in growth, `points_bp` 10,000 is a point a yuan.

    `discount_bp` is what it takes off an order.
    """

    code: str
    rank: int
    name: str
    threshold: int
    points_bp: int = 10_000
    benefits: str = ""
    birthday_template_id: int | None = None
    discount_bp: int = 0


class Programme(NamedTuple):
    """A merchant's tiers, the highest first, and what they are given by."""

    steps: tuple[Step, ...]
    measure: Measure = Measure.spent
    window_days: int = 0
    valid_days: int = 0
    grace_days: int = 0
    fall: Fall = Fall.one_step
    earn_bp: int = 10_000
    expiry: Expiry = Expiry.never
    expiry_months: int = 12
    expiry_month: int = 12
    expiry_day: int = 31
    remind_days: int = 14
    spend_rate: int = 0
    spend_cap_bp: int = 5_000
    adjust_most: int = 1_000
    discount_alone: bool = False
    balance_low_fen: int = 2_000
    sells_top_ups: bool = False

    def of(self, code: str) -> Step:
        """The tier of this code; one that is gone counts as the lowest."""
        return next((step for step in self.steps if step.code == code), self.steps[-1])

    def earned(self, worth: int) -> Step:
        """The highest tier whose threshold `worth` reaches."""
        return next((step for step in self.steps if worth >= step.threshold), self.steps[-1])

    def above(self, code: str) -> Step | None:
        rank = self.of(code).rank
        return next((step for step in reversed(self.steps) if step.rank > rank), None)

    def below(self, code: str) -> Step:
        rank = self.of(code).rank
        return next((step for step in self.steps if step.rank < rank), self.steps[-1])

    def worth_of(self, fen: int) -> int:
        """What money weighs in the measure."""
        return fen if self.measure is Measure.spent else fen // FEN_PER_GROWTH

    def rate_bp(self, code: str) -> int:
        """How many points a yuan earns in this tier, in basis points of one."""
        return self.earn_bp * self.of(code).points_bp // 10_000

    def until(self, now: datetime) -> datetime | None:
        """When a tier given now is looked at again."""
        return now + timedelta(days=self.valid_days) if self.valid_days else None


DEFAULTS = Programme(
    (
        Step("ink_rock", 3, "墨岩", 300_000),
        Step("golden_bud", 2, "金芽", 100_000),
        Step("silver_tip", 1, "银毫", 30_000),
        Step(BASE_TIER, 0, "青叶", 0),
    )
)
"""What a merchant has that never wrote its own."""

_kept: WeakKeyDictionary[Any, dict[int, tuple[str, Programme]]] = WeakKeyDictionary()

_TIERS, _RULES = rows.table_of(Tier), rows.table_of(Loyalty)
_STEP = [_TIERS.c[name] for name in Step._fields]
_RULE = [_RULES.c[name] for name in Programme._fields[1:]]
_LOAD = (
    select(*_STEP, *_RULE)
    .join(_RULES, _RULES.c.merchant_id == _TIERS.c.merchant_id)
    .where(_TIERS.c.merchant_id == bindparam("merchant_id"))
    .order_by(_TIERS.c.rank.desc())
)


def load(session: Session, merchant_id: int) -> Programme:
    """The merchant's programme, or the usual one."""
    found: list[tuple[Any, ...]] = statements.fetch(
        session, lambda *row: row, _LOAD, {"merchant_id": merchant_id}
    )
    if not found:
        return DEFAULTS
    size = len(Step._fields)
    return Programme(tuple(Step(*row[:size]) for row in found), *found[0][size:])


def of_revision(session: Session, merchant_id: int, revision: str | None) -> Programme:
    """`load`, which a process does once for a revision; None: there are no rules of theirs."""
    if revision is None:
        return DEFAULTS
    kept = _kept.setdefault(place(session), {})
    found = kept.get(merchant_id)
    if found is None or found[0] != revision:
        found = kept[merchant_id] = revision, load(session, merchant_id)
    return found[1]


def tiers_of(session: Session, merchant_id: int) -> Sequence[Step]:
    """The lowest first, for people and pickers."""
    return tuple(reversed(load(session, merchant_id).steps))


def names(session: Session, merchant_id: int) -> dict[str, str]:
    """What the merchant calls each code, the lowest first."""
    return {step.code: step.name for step in tiers_of(session, merchant_id)}


def name_of(session: Session, merchant_id: int, code: str) -> str:
    """What the merchant calls this tier; of a code that is gone, what it calls the lowest."""
    return load(session, merchant_id).of(code).name


def worth(programme: Programme, now: datetime) -> Any:
    """What each row of `members` weighs under the programme."""
    since = now - timedelta(days=programme.window_days) if programme.window_days else None
    kept: Any = Member.spent_fen - Member.refunded_fen
    if since is not None:
        kept = _sum(Purchase.amount_fen - Purchase.refunded_fen).where(
            Purchase.member_id == Member.id, Purchase.paid_at >= since
        ).correlate(Member).scalar_subquery()  # fmt: skip
    if programme.measure is Measure.spent:
        return kept
    grown = _sum(GrowthEntry.growth).where(GrowthEntry.member_id == Member.id)
    if since is not None:
        grown = grown.where(GrowthEntry.at >= since)
    money: ColumnElement[Any] = kept // FEN_PER_GROWTH
    return money + grown.correlate(Member).scalar_subquery()


def worth_of_one(session: Session, member_id: int, programme: Programme, now: datetime) -> int:
    """What one member weighs now."""
    weighed = select(worth(programme, now)).where(Member.id == member_id)
    return int(session.scalar(weighed) or 0)


def by_rank(step: Step) -> int:
    return step.rank


def _sum(column: Any) -> Any:
    return select(func.coalesce(func.sum(column), 0))
