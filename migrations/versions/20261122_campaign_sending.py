"""Tallies instead of counting recipients, addresses that are left alone, no second "sent at".

Revision: 20261122_campaign_sending
Follows: 20261122_journeys
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_campaign_sending"
down_revision = "20261122_journeys"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "campaign_tallies",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("arm", Code(24), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("reason", Code(32), nullable=False),
        sa.Column("people", _ID, nullable=False),
        sa.Column("coupons", _ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name="fk_campaign_tallies_campaign_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_campaign_tallies"),
    )
    op.create_index("ix_campaign_tallies_campaign_id", "campaign_tallies", ["campaign_id"])
    op.execute(
        "INSERT INTO campaign_tallies (campaign_id, arm, state, reason, people, coupons)"
        " SELECT campaign_id, arm, state, COALESCE(skip_reason, ''), COUNT(*), COUNT(coupon_id)"
        " FROM campaign_recipients GROUP BY campaign_id, arm, state, COALESCE(skip_reason, '')"
    )
    op.create_table(
        "suppressions",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("openid", Code(64), nullable=False),
        sa.Column("reason", Code(16), nullable=False),
        sa.Column("errcode", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_suppressions"),
        sa.UniqueConstraint("appid", "openid", name="uq_suppressions_appid_openid"),
    )
    with op.batch_alter_table("campaign_recipients") as table:
        table.create_index("ix_campaign_recipients_whose", ["member_id"])
        table.drop_index("ix_campaign_recipients_member")
        table.drop_column("sent_at")


def downgrade() -> None:
    with op.batch_alter_table("campaign_recipients") as table:
        table.add_column(sa.Column("sent_at", UTCDateTime(), nullable=True))
        table.create_index("ix_campaign_recipients_member", ["member_id", "sent_at"])
        table.drop_index("ix_campaign_recipients_whose")
    op.drop_table("suppressions")
    op.drop_table("campaign_tallies")
