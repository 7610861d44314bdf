"""A tier takes something off an order; each shop says when a balance is low.

Revision: 20261123_tier_discounts
Follows: 20261122_subscribe_answers
"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_tier_discounts"
down_revision = "20261122_subscribe_answers"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("tiers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("discount_bp", _ID, nullable=False, server_default="0"))
        batch_op.create_check_constraint(
            batch_op.f("ck_tiers_discount"), "discount_bp >= 0 AND discount_bp < 10000"
        )
    with op.batch_alter_table("loyalty", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("discount_alone", sa.Boolean(), nullable=False, server_default="0")
        )
        batch_op.add_column(
            sa.Column("balance_low_fen", _ID, nullable=False, server_default="2000")
        )


def downgrade() -> None:
    with op.batch_alter_table("loyalty", schema=None) as batch_op:
        batch_op.drop_column("balance_low_fen")
        batch_op.drop_column("discount_alone")
    with op.batch_alter_table("tiers", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_tiers_discount"), type_="check")
        batch_op.drop_column("discount_bp")
