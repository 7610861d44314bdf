"""A sum at the counter may be paid by somebody whom nobody knows.

Revision: 20261123_collected
Follows: 20261123_channels
"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_collected"
down_revision = "20261123_channels"
branch_labels = None
depends_on = None

REFUSES = {
    "orders of nobody known": "SELECT 1 FROM orders WHERE member_id IS NULL",
}

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("orders") as batch_op:
        batch_op.alter_column("member_id", existing_type=NUMBER, nullable=True)


def downgrade() -> None:
    with op.batch_alter_table("orders") as batch_op:
        batch_op.alter_column("member_id", existing_type=NUMBER, nullable=False)
