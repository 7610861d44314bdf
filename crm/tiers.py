"""Tiers: a threshold table over what a member has spent and not been given back."""

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


def tier_for(spent_fen: int) -> Tier:
    """The highest tier whose threshold `spent_fen` reaches."""
    return next(
        (tier for tier, threshold in THRESHOLDS_FEN.items() if spent_fen >= threshold),
        Tier.green_leaf,
    )


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
