"""Indexes for members by spending and by orders, and one that holds all a segment's rule reads.

Revision: 20261122_members
Follows: 20261122_events
"""

from alembic import op

revision = "20261122_members"
down_revision = "20261122_events"
branch_labels = None
depends_on = None

READ_BY_RULES = [
    "merchant_id",
    "id",
    "merged_into_id",
    "orders_count",
    "spent_fen",
    "refunded_fen",
    "last_paid_at",
    "last_visit_at",
    "joined_at",
    "source_store_id",
]


def upgrade() -> None:
    op.create_index("ix_members_spent", "members", ["merchant_id", "spent_fen"])
    op.create_index("ix_members_orders", "members", ["merchant_id", "orders_count"])
    op.create_index("ix_members_segment", "members", READ_BY_RULES)


def downgrade() -> None:
    op.drop_index("ix_members_segment", "members")
    op.drop_index("ix_members_orders", "members")
    op.drop_index("ix_members_spent", "members")
