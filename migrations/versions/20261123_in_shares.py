"""An order knows whether it is paid in shares: those keep its stock as an unpaid one does.

Revision: 20261123_in_shares
Follows: 20261123_cases_by_kind
"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_in_shares"
down_revision = "20261123_cases_by_kind"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("orders") as batch_op:
        batch_op.add_column(
            sa.Column("in_shares", sa.Boolean(), nullable=False, server_default="0")
        )
    op.execute("UPDATE orders SET in_shares = 1 WHERE id IN (SELECT order_id FROM split_links)")


def downgrade() -> None:
    with op.batch_alter_table("orders") as batch_op:
        batch_op.drop_column("in_shares")
