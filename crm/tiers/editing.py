"""Changing the rules: who would move is counted before anything is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, delete, func, select
from sqlalchemy.orm import Session

from core import audit, rows
from core.database import claim
from core.errors import Invalid
from core.numbers import random_code
from core.outbox import enqueue
from crm.models import BASE_TIER, Loyalty, Member, Tier
from crm.tiers.programme import Programme, Step, load, worth

MOST_TIERS = 8
UP, ALL = "up", "all"
"""How far a change of the rules is carried out: see `Loyalty.reweigh`."""


class TiersInvalid(Invalid):
    code = "tiers_invalid"
    title = "等级填写有误"


@dataclass(frozen=True)
class Movers:
    """How many would go from one tier to another. `up`: to a higher one."""

    before: str
    after: str
    people: int
    up: bool


def preview(
    session: Session, merchant_id: int, wanted: Programme, *, may_fall: bool, now: datetime
) -> list[Movers]:
    """Who would move if `wanted` were the rules, between which tiers; nothing is written."""
    check(wanted)
    held = load(session, merchant_id)
    reached: ColumnElement[str] = case(
        *((worth(wanted, now) >= step.threshold, step.code) for step in wanted.steps[:-1]),
        else_=wanted.steps[-1].code,
    )
    found = session.execute(
        select(Member.tier, reached.label("reached"), func.count())
        .where(Member.merchant_id == merchant_id, Member.merged_into_id.is_(None))
        .group_by(Member.tier, "reached")
    )
    movers = []
    for code, to, people in found:
        gone = code not in {step.code for step in wanted.steps}
        before, after = wanted.of(code).rank, wanted.of(to).rank
        if after > before or gone or (may_fall and after < before):
            movers.append(Movers(held.of(code).name, wanted.of(to).name, people, after > before))
    return sorted(movers, key=lambda each: -each.people)


def save(
    session: Session,
    merchant_id: int,
    wanted: Programme,
    *,
    may_fall: bool,
    actor: str,
    now: datetime,
) -> None:
    """Write the programme and queue the moves that it means. A tier without a code is new."""
    check(wanted)
    before = load(session, merchant_id)
    write(session, merchant_id, wanted, now)
    weighing = {"reweigh": ALL if may_fall else UP}
    rows.must_move(session, Loyalty, {"merchant_id": merchant_id}, weighing)
    audit.record(
        session,
        actor=actor,
        action="loyalty.tiers",
        subject=f"loyalty:{merchant_id}",
        before=_plain(before),
        after=_plain(wanted),
        merchant_id=merchant_id,
        now=now,
    )
    enqueue(session, "crm.reweigh_tiers", merchant_id=merchant_id, may_fall=may_fall)


def weighing_since(session: Session, merchant_id: int) -> datetime | None:
    """When the rules that members are being weighed by were written."""
    rules = select(Loyalty.updated_at).where(Loyalty.merchant_id == merchant_id)
    return session.scalar(rules)


def weighed(session: Session, merchant_id: int, since: datetime | None) -> None:
    """All members were; unless the rules were changed again meanwhile."""
    same = {"merchant_id": merchant_id, "updated_at": since}
    rows.compare_and_set(session, Loyalty, same, {"reweigh": ""})


def write(session: Session, merchant_id: int, wanted: Programme, now: datetime) -> None:
    """The rows of a programme, in place of those there were."""
    rules = {name: getattr(wanted, name) for name in Programme._fields[1:]} | {"updated_at": now}
    rules["revision"] = random_code(16)
    mine = {"merchant_id": merchant_id}
    if rows.compare_and_set(session, Loyalty, mine, rules) == 0:
        rows.add_new(session, Loyalty, mine | rules)
    claim(session, delete(Tier).where(Tier.merchant_id == merchant_id))
    rows.add_all(session, Tier, [mine | step._asdict() for step in coded(wanted).steps])


def set_balance_low(
    session: Session, merchant_id: int, low_fen: int, *, actor: str, now: datetime
) -> None:
    """Below which balance the timeline is told; 0: never."""
    before = load(session, merchant_id)
    write(session, merchant_id, before._replace(balance_low_fen=low_fen), now)
    audit.record(
        session,
        actor=actor,
        action="loyalty.balance_low",
        subject=f"loyalty:{merchant_id}",
        before={"balance_low_fen": before.balance_low_fen},
        after={"balance_low_fen": low_fen},
        merchant_id=merchant_id,
        now=now,
    )


def set_top_ups(
    session: Session, merchant_id: int, sells: bool, *, actor: str, now: datetime
) -> None:
    """Whether stored value is on sale. Off until a merchant says so: what members pay for here can
    only be given back, no order is paid from it yet."""
    before = load(session, merchant_id)
    write(session, merchant_id, before._replace(sells_top_ups=sells), now)
    audit.record(
        session,
        actor=actor,
        action="loyalty.top_ups",
        subject=f"loyalty:{merchant_id}",
        before={"sells_top_ups": before.sells_top_ups},
        after={"sells_top_ups": sells},
        merchant_id=merchant_id,
        now=now,
    )


def coded(wanted: Programme) -> Programme:
    """With a code for each tier that has none yet, and ranks by threshold."""
    ordered = sorted(wanted.steps, key=lambda step: step.threshold)
    steps = [
        step._replace(rank=rank, code=step.code or f"t_{random_code(8).lower()}")
        for rank, step in enumerate(ordered)
    ]
    return wanted._replace(steps=tuple(reversed(steps)))


def check(wanted: Programme) -> None:
    """Raises TiersInvalid with `errors` by field of the form (`name_0`, `threshold_2`)."""
    errors: dict[str, str] = {}
    steps: Sequence[Step] = wanted.steps
    if not 1 <= len(steps) <= MOST_TIERS:
        raise TiersInvalid(f"等级要有 1 到 {MOST_TIERS} 个")
    base = [step for step in steps if step.code == BASE_TIER]
    if len(base) != 1 or base[0].threshold != 0:
        raise TiersInvalid("最低的等级人人都有，门槛是 0")
    for number, step in enumerate(sorted(steps, key=lambda each: each.threshold)):
        if [each.threshold for each in steps].count(step.threshold) > 1:
            errors[f"threshold_{number}"] = "门槛不能一样"
        if [each.name for each in steps].count(step.name) > 1:
            errors[f"name_{number}"] = "名字不能一样"
    if errors:
        raise TiersInvalid(errors=errors)


def _plain(programme: Programme) -> dict[str, object]:
    steps = {step.name: step.threshold for step in reversed(programme.steps)}
    return {**programme._asdict(), "steps": steps}
