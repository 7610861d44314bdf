"""Refunds know where they go, and are found by that, by store and by whoever asked or agreed.

Revision: 20261123_refund_filters
Follows: 20261123_in_shares
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code

revision = "20261123_refund_filters"
down_revision = "20261123_in_shares"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_refunds_merchant_id_channel_requested_at_id": (
        "refunds",
        ["merchant_id", "channel", "requested_at", "id"],
    ),
    "ix_refunds_merchant_id_actor_requested_at_id": (
        "refunds",
        ["merchant_id", "actor", "requested_at", "id"],
    ),
    "ix_refunds_merchant_id_store_id_requested_at_id": (
        "refunds",
        ["merchant_id", "store_id", "requested_at", "id"],
    ),
    "ix_asked_refunds_asked_by": ("asked_refunds", ["asked_by"]),
}


def upgrade() -> None:
    op.add_column("refunds", sa.Column("channel", Code(24), nullable=True))
    op.execute(
        "UPDATE refunds SET channel = CASE WHEN balance_fen > 0 THEN 'balance' ELSE (SELECT"
        " a.channel FROM payment_attempts a WHERE a.id = refunds.attempt_id) END"
    )
    with op.batch_alter_table("refunds") as batch_op:
        batch_op.alter_column("channel", existing_type=Code(24), nullable=False)
    for name, (table, columns) in INDEXES.items():
        op.create_index(op.f(name), table, columns)


def downgrade() -> None:
    for name, (table, _) in reversed(INDEXES.items()):
        op.drop_index(op.f(name), table)
    with op.batch_alter_table("refunds") as batch_op:
        batch_op.drop_column("channel")
