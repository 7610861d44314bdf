"""Whether a merchant sells stored value: no, until they say so.

Revision: 20261123_top_ups
Follows: 20261123_asked_refunds
"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_top_ups"
down_revision = "20261123_asked_refunds"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("loyalty") as batch_op:
        batch_op.add_column(
            sa.Column("sells_top_ups", sa.Boolean(), nullable=False, server_default="0")
        )


def downgrade() -> None:
    with op.batch_alter_table("loyalty") as batch_op:
        batch_op.drop_column("sells_top_ups")
