"""A shift finds what was given back by hand by whose hand it was.

Revision: 20261123_by_hand
Follows: 20261123_shifts
"""

from alembic import op

revision = "20261123_by_hand"
down_revision = "20261123_shifts"
branch_labels = None
depends_on = None

# The code before does not know that way of payment.
REFUSES = {
    "shifts with money given back by hand": """SELECT 1 FROM shifts WHERE ways LIKE '%"hand"%'"""
}

_INDEX = "ix_refunds_finished_by_settled_at"


def upgrade() -> None:
    op.create_index(op.f(_INDEX), "refunds", ["finished_by", "settled_at"])


def downgrade() -> None:
    op.drop_index(op.f(_INDEX), table_name="refunds")
