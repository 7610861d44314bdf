"""A merchant's own rules for its offers: below which price it wants to be told.

Revision: 20261123_offer_rules
Follows: 20261123_materials
"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_offer_rules"
down_revision = "20261123_materials"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "offer_rules",
        sa.Column("merchant_id", BIG, nullable=False),
        sa.Column("floor_bp", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_offer_rules_merchant_id")
        ),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_offer_rules")),
    )


def downgrade() -> None:
    op.drop_table("offer_rules")
