"""Which ways a merchant lets its campaigns take.

Revision: 20261122_channel_policies
Follows: 20261122_campaign_approvals
"""

import sqlalchemy as sa
from alembic import op

revision = "20261122_channel_policies"
down_revision = "20261122_campaign_approvals"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:

    op.create_table(
        "channel_policies",
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("customer_service", sa.Boolean(), nullable=False),
        sa.Column("subscribe", sa.Boolean(), nullable=False),
        sa.Column("broadcast", sa.Boolean(), nullable=False),
        sa.Column("keep_broadcasts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_channel_policies_merchant_id")
        ),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_channel_policies")),
    )


def downgrade() -> None:

    op.drop_table("channel_policies")
