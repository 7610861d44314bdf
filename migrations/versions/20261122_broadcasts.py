"""Broadcasts, their requests, what WeChat told of them, and four a month for each follower.

Revision: 20261122_broadcasts
Follows: 20261122_coupon_gifts
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_broadcasts"
down_revision = "20261122_coupon_gifts"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:

    op.create_table(
        "broadcast_quotas",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("openid", Code(64), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcast_quotas")),
        sa.UniqueConstraint(
            "appid", "openid", "month", name=op.f("uq_broadcast_quotas_appid_openid_month")
        ),
    )
    op.create_table(
        "mass_reports",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("msg_id", Code(32), nullable=False),
        sa.Column("status", sa.String(length=64), nullable=False),
        sa.Column("total_count", sa.Integer(), nullable=False),
        sa.Column("sent_count", sa.Integer(), nullable=False),
        sa.Column("error_count", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mass_reports")),
        sa.UniqueConstraint("appid", "msg_id", name=op.f("uq_mass_reports_appid_msg_id")),
    )
    op.create_table(
        "broadcasts",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("kind", Code(16), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("media_id", Code(128), nullable=False),
        sa.Column("audience", Code(24), nullable=False),
        sa.Column("segment_id", _ID, nullable=True),
        sa.Column("campaign_id", _ID, nullable=True),
        sa.Column("tag_id", sa.Integer(), nullable=True),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("reason", Code(32), nullable=False),
        sa.Column("created_by", Code(64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("previewed_at", UTCDateTime(), nullable=True),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_broadcasts_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_broadcasts_merchant_id")
        ),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segments.id"], name=op.f("fk_broadcasts_segment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcasts")),
    )
    op.create_index(op.f("ix_broadcasts_campaign_id"), "broadcasts", ["campaign_id"], unique=False)
    op.create_index("ix_broadcasts_list", "broadcasts", ["merchant_id", "id"], unique=False)
    op.create_index(op.f("ix_broadcasts_segment_id"), "broadcasts", ["segment_id"], unique=False)
    op.create_index("ix_broadcasts_work", "broadcasts", ["state", "id"], unique=False)
    op.create_table(
        "mass_sends",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("broadcast_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("month", sa.Integer(), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("addressed", sa.Integer(), nullable=False),
        sa.Column("msg_id", Code(32), nullable=False),
        sa.Column("errcode", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=64), nullable=False),
        sa.Column("total_count", sa.Integer(), nullable=True),
        sa.Column("sent_count", sa.Integer(), nullable=True),
        sa.Column("error_count", sa.Integer(), nullable=True),
        sa.Column("first_sent_at", UTCDateTime(), nullable=True),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcasts.id"], name=op.f("fk_mass_sends_broadcast_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mass_sends")),
        sa.UniqueConstraint(
            "broadcast_id", "number", name=op.f("uq_mass_sends_broadcast_id_number")
        ),
    )
    op.create_index(
        op.f("ix_mass_sends_appid_msg_id"), "mass_sends", ["appid", "msg_id"], unique=False
    )
    op.create_index(
        op.f("ix_mass_sends_state_changed_at"), "mass_sends", ["state", "changed_at"], unique=False
    )
    op.create_table(
        "broadcast_recipients",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("broadcast_id", _ID, nullable=False),
        sa.Column("openid", Code(64), nullable=False),
        sa.Column("mass_send_id", _ID, nullable=True),
        sa.Column("spent", sa.Boolean(), nullable=False),
        sa.Column("skip_reason", Code(32), nullable=True),
        sa.ForeignKeyConstraint(
            ["broadcast_id"], ["broadcasts.id"], name=op.f("fk_broadcast_recipients_broadcast_id")
        ),
        sa.ForeignKeyConstraint(
            ["mass_send_id"], ["mass_sends.id"], name=op.f("fk_broadcast_recipients_mass_send_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_broadcast_recipients")),
        sa.UniqueConstraint(
            "broadcast_id", "openid", name=op.f("uq_broadcast_recipients_broadcast_id_openid")
        ),
    )
    op.create_index(
        op.f("ix_broadcast_recipients_mass_send_id"),
        "broadcast_recipients",
        ["mass_send_id"],
        unique=False,
    )


def downgrade() -> None:

    op.drop_table("broadcast_recipients")
    op.drop_table("mass_sends")
    op.drop_table("broadcasts")
    op.drop_table("mass_reports")
    op.drop_table("broadcast_quotas")
