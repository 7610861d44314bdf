"""A member moves between tiers: up on the purchase that reached it, down when it is not earned."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from crm import events
from crm.models import Measure, Member, TierMove
from crm.tiers.programme import Programme, by_rank, load, worth_of_one

GIVEN = ("hand", "imported")
"""Why a tier is held that no purchase of ours earned."""


def after_purchase(
    session: Session, member_id: int, *, code: str, programme: Programme, spent_fen: int,
    now: datetime,
) -> str | None:  # fmt: skip
    """The tier that a purchase reached, noted as a move; None when it reached no higher one.

    `code` is the member's tier, `spent_fen` what they have spent and not been given back, this
    purchase included. The caller holds the row and writes the tier into it.
    """
    worth = programme.worth_of(spent_fen)
    if programme.window_days or programme.measure is not Measure.spent:  # one more question
        worth = worth_of_one(session, member_id, programme, now)
    reached = programme.earned(worth)
    if reached.rank <= programme.of(code).rank:
        return None
    set_tier(session, member_id, code, reached.code, programme, reason="paid", now=now)
    return reached.code


def after_refund(session: Session, member_id: int, refund_fen: int, *, now: datetime) -> None:
    """Take the tier back that only the returned money had earned.

    A tier that is kept for another reason stays: it was earned earlier and is still valid, or it
    was put by hand or brought from another system, and lasts until it is looked at next.
    """
    member = session.get_one(Member, member_id, populate_existing=True)
    programme = load(session, member.merchant_id)
    worth = worth_of_one(session, member_id, programme, now)
    held = programme.of(member.tier)
    before = programme.earned(worth + programme.worth_of(refund_fen))
    after = programme.earned(worth)
    if before.rank >= held.rank > after.rank and _is_earned(session, member_id, held.code):
        set_tier(session, member_id, held.code, after.code, programme, reason="refunded", now=now)


def _is_earned(session: Session, member_id: int, code: str) -> bool:
    """Whether what the member bought put them where they are; a merge keeps what either came by."""
    into = select(TierMove.reason).where(
        TierMove.member_id == member_id, TierMove.after == code, TierMove.reason != "merged"
    )
    last = into.order_by(TierMove.at.desc(), TierMove.id.desc()).limit(1)
    return session.scalar(last) not in GIVEN


def after_merge(session: Session, winner: Member, loser: Member, *, now: datetime) -> None:
    """The highest of both tiers, or what both together have earned."""
    programme = load(session, winner.merchant_id)
    earned = programme.earned(worth_of_one(session, winner.id, programme, now))
    best = max(earned, *(programme.of(each.tier) for each in (winner, loser)), key=by_rank)
    if best.code != winner.tier:
        set_tier(session, winner.id, winner.tier, best.code, programme, reason="merged", now=now)


def bring(
    session: Session, member: Member, code: str, programme: Programme, *, now: datetime
) -> bool:
    """A tier that was earned in another system: upwards only, and no journey hears of it."""
    before = programme.of(member.tier)
    if programme.of(code).rank <= before.rank:
        return False
    held = {"id": member.id, "tier": member.tier}
    values = {"tier": code, "tier_since": now, "tier_until": programme.until(now)}
    if rows.compare_and_set(session, Member, held, values) == 0:
        return False
    moved = {member.id: (before.code, code)}
    rows.add_all(session, TierMove, _history(moved, "imported", now))
    return True


def set_tier(
    session: Session,
    member_id: int,
    before: str,
    after: str,
    programme: Programme,
    *,
    reason: str,
    now: datetime,
) -> None:
    """Move one member; the row, the history and the timeline."""
    move_many(session, {member_id: (before, after)}, programme, reason=reason, now=now)


def move_many(
    session: Session,
    moves: Mapping[int, tuple[str, str]],
    programme: Programme,
    *,
    reason: str,
    now: datetime,
) -> int:
    """Move members whose rows are held: member id → (from, to). A statement for each tier."""
    if not moves:
        return 0
    by_target: dict[str, list[int]] = {}
    for member_id, (_, after) in moves.items():
        by_target.setdefault(after, []).append(member_id)
    for after, ids in by_target.items():
        values = {"tier": after, "tier_since": now, "tier_until": programme.until(now)}
        claim(session, update(Member).where(Member.id.in_(ids)).values(values))
    rows.add_all(session, TierMove, _history(moves, reason, now))
    told = {
        member_id: {
            "name": programme.of(after).name,
            "up": programme.of(after).rank > programme.of(before).rank,
        }
        for member_id, (before, after) in moves.items()
    }
    events.record_of_many(session, "tier_moved", told, now=now)
    return len(moves)


def _history(
    moves: Mapping[int, tuple[str, str]], reason: str, now: datetime
) -> Sequence[dict[str, Any]]:
    return [
        {"member_id": id_, "before": before, "after": after, "reason": reason, "at": now}
        for id_, (before, after) in moves.items()
    ]
