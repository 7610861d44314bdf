"""Campaigns that give points, or nothing but words.

Revision: 20261123_gifts
Follows: 20261123_imports
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from migrations.types import UTCDateTime

revision = "20261123_gifts"
down_revision = "20261123_imports"
branch_labels = None
depends_on = None

REFUSES = {
    "campaigns without a coupon, of merchants that have none to stand in its place": "SELECT 1 FROM campaigns c WHERE c.template_id IS NULL AND NOT EXISTS"
    " (SELECT 1 FROM coupon_templates t WHERE t.merchant_id = c.merchant_id)",
}

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("campaigns") as table:
        table.alter_column("template_id", existing_type=BIG, nullable=True)
        table.add_column(sa.Column("points", BIG, nullable=False, server_default="0"))
        table.add_column(sa.Column("points_fen", BIG, nullable=False, server_default="0"))
    with op.batch_alter_table("campaign_variants") as table:
        table.alter_column("template_id", existing_type=BIG, nullable=True)
        table.add_column(sa.Column("points", BIG, nullable=False, server_default="0"))
    for name, columns in (
        ("campaigns", ("points", "points_fen")),
        ("campaign_variants", ("points",)),
    ):
        with op.batch_alter_table(name) as table:
            for column in columns:
                table.alter_column(
                    column, existing_type=BIG, existing_nullable=False, server_default=None
                )


_KILL = (
    "UPDATE campaigns SET state = 'killed', finished_at = :now"
    " WHERE state IN ('running', 'paused') AND (template_id IS NULL OR id IN"
    " (SELECT v.campaign_id FROM campaign_variants v WHERE v.template_id IS NULL))"
)
_HOLD = (
    "UPDATE campaigns SET state = 'draft'"
    " WHERE state IN ('approved', 'scheduled') AND (template_id IS NULL OR id IN"
    " (SELECT v.campaign_id FROM campaign_variants v WHERE v.template_id IS NULL))"
)


def downgrade() -> None:
    """What gave no coupon names the merchant's first one, without which the row could not stay.
    It never gives it out: what goes is killed, what would go by itself is a draft again."""
    now = sa.bindparam("now", datetime.now(UTC), UTCDateTime())
    op.execute(sa.text(_KILL).bindparams(now))
    op.execute(_HOLD)
    op.execute(
        "UPDATE campaigns SET template_id = (SELECT MIN(t.id) FROM coupon_templates t"
        " WHERE t.merchant_id = campaigns.merchant_id) WHERE template_id IS NULL"
    )
    op.execute(
        "UPDATE campaign_variants SET template_id = (SELECT c.template_id FROM campaigns c"
        " WHERE c.id = campaign_variants.campaign_id) WHERE template_id IS NULL"
    )
    with op.batch_alter_table("campaign_variants") as table:
        table.drop_column("points")
        table.alter_column("template_id", existing_type=BIG, nullable=False)
    with op.batch_alter_table("campaigns") as table:
        table.drop_column("points_fen")
        table.drop_column("points")
        table.alter_column("template_id", existing_type=BIG, nullable=False)
