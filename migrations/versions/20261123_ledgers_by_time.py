"""Stored value's ledgers, moves of tiers and sign-ins are read by time; the rules say
whether they are still being carried out.

Revision: 20261123_ledgers_by_time
Follows: 20261123_service_cards
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code

revision = "20261123_ledgers_by_time"
down_revision = "20261123_service_cards"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _by(("at", "id"), ("id",))
    op.create_index(op.f("ix_tier_moves_at"), "tier_moves", ["at"])
    op.create_index(op.f("ix_sign_ins_day"), "sign_ins", ["day"])
    with op.batch_alter_table("loyalty", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reweigh", Code(8), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("loyalty", schema=None) as batch_op:
        batch_op.drop_column("reweigh")
    op.drop_index(op.f("ix_sign_ins_day"), "sign_ins")
    op.drop_index(op.f("ix_tier_moves_at"), "tier_moves")
    _by(("id",), ("at", "id"))


def _by(now: tuple[str, ...], before: tuple[str, ...]) -> None:
    """Another index of each key first: MySQL wants one as long as the key is there."""
    with op.batch_alter_table("balance_entries", schema=None) as batch_op:
        for whose in ("member_id", "merchant_id"):
            new, old = ("_".join((whose, *names)) for names in (now, before))
            batch_op.create_index(batch_op.f(f"ix_balance_entries_{new}"), [whose, *now])
            batch_op.drop_index(batch_op.f(f"ix_balance_entries_{old}"))
