"""What campaigns brought, counted by a job; and what a merchant says it keeps of a sale.

Revision: 20261122_measures
Follows: 20261122_points
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_measures"
down_revision = "20261122_points"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:

    op.create_table(
        "profit_assumptions",
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("margin_bp", _ID, nullable=False),
        sa.Column("message_fen", sa.Double(), nullable=False),
        sa.Column("said_by", Code(64), nullable=False),
        sa.Column("said_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_profit_assumptions_merchant_id")
        ),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_profit_assumptions")),
    )
    op.create_table(
        "campaign_measures",
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("part", Code(32), nullable=False),
        sa.Column("people", _ID, nullable=False),
        sa.Column("buyers", _ID, nullable=False),
        sa.Column("sums", sa.JSON(), nullable=False),
        sa.Column("daily", sa.JSON(), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.Column("measured_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_measures_campaign_id")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "part", name=op.f("pk_campaign_measures")),
    )


def downgrade() -> None:

    op.drop_table("campaign_measures")
    op.drop_table("profit_assumptions")
