"""A coupon redeemed in store remembers the bill that the clerk entered.

Revision: 20261122_bills
Follows: 20261122_unread
"""

import sqlalchemy as sa
from alembic import op

revision = "20261122_bills"
down_revision = "20261122_unread"
branch_labels = None
depends_on = None


def upgrade() -> None:
    fen = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("coupons", sa.Column("bill_fen", fen, nullable=True))


def downgrade() -> None:
    op.drop_column("coupons", "bill_fen")
