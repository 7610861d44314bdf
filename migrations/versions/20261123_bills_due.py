"""A bill may be due later than its order: the rest after a deposit.

Revision: 20261123_bills_due
Follows: 20261123_other_money
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import UTCDateTime

revision = "20261123_bills_due"
down_revision = "20261123_other_money"
branch_labels = None
depends_on = None

REFUSES = {
    "until when bills may be paid": "SELECT 1 FROM bills WHERE due_at IS NOT NULL",
}


def upgrade() -> None:
    with op.batch_alter_table("bills") as batch_op:
        batch_op.add_column(sa.Column("due_at", UTCDateTime(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("bills") as batch_op:
        batch_op.drop_column("due_at")
