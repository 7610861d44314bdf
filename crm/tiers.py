"""Tiers: a threshold table over what a member has spent and not been given back."""

from typing import NamedTuple

from sqlalchemy import ColumnElement, case, update
from sqlalchemy.orm import Session

from core.database import claim
from crm.models import Member, Tier

THRESHOLDS_FEN: dict[Tier, int] = {
    Tier.ink_rock: 300_000,
    Tier.golden_bud: 100_000,
    Tier.silver_tip: 30_000,
    Tier.green_leaf: 0,
}


class Progress(NamedTuple):
    tier: Tier
    next_tier: Tier | None
    missing_fen: int


def tier_for(spent_fen: int) -> Tier:
    """The highest tier whose threshold `spent_fen` reaches."""
    return next(
        (tier for tier, threshold in THRESHOLDS_FEN.items() if spent_fen >= threshold),
        Tier.green_leaf,
    )


def progress(spent_fen: int) -> Progress:
    """Where a member stands, and what is missing to the next tier (None at the top)."""
    above = [(tier, needed) for tier, needed in THRESHOLDS_FEN.items() if needed > spent_fen]
    if not above:
        return Progress(tier_for(spent_fen), None, 0)
    tier, needed = above[-1]
    return Progress(tier_for(spent_fen), tier, needed - spent_fen)


def settle(session: Session, member_id: int) -> None:
    """Set the member's tier from the totals in the row.

    A statement of its own: within one UPDATE, MariaDB reads the new totals and SQLite the old.
    """
    spent = Member.spent_fen - Member.refunded_fen
    tier: ColumnElement[Tier] = case(
        *((spent >= needed, kind.value) for kind, needed in THRESHOLDS_FEN.items() if needed),
        else_=Tier.green_leaf.value,
    )
    claim(session, update(Member).where(Member.id == member_id).values(tier=tier))
