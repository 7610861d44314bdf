"""Tiers as rows, and a member's balance.

Revision: 20261122_tiers
Follows: 20261122_member_facts
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_tiers"
down_revision = "20261122_member_facts"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "loyalty",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("measure", Code(24), nullable=False),
        sa.Column("window_days", _ID, nullable=False),
        sa.Column("valid_days", _ID, nullable=False),
        sa.Column("grace_days", _ID, nullable=False),
        sa.Column("fall", Code(24), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_loyalty_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_loyalty")),
        sa.UniqueConstraint("merchant_id", name=op.f("uq_loyalty_merchant_id")),
    )
    op.create_table(
        "tiers",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("code", Code(24), nullable=False),
        sa.Column("rank", _ID, nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("threshold", _ID, nullable=False),
        sa.Column("points_bp", _ID, nullable=False),
        sa.Column("birthday_template_id", _ID, nullable=True),
        sa.Column("benefits", sa.String(length=255), nullable=False),
        sa.CheckConstraint("threshold >= 0 AND points_bp >= 0", name=op.f("ck_tiers_amounts")),
        sa.ForeignKeyConstraint(
            ["birthday_template_id"],
            ["coupon_templates.id"],
            name=op.f("fk_tiers_birthday_template_id"),
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_tiers_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tiers")),
        sa.UniqueConstraint("merchant_id", "code", name=op.f("uq_tiers_merchant_id_code")),
    )
    op.create_table(
        "growth_entries",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("growth", _ID, nullable=False),
        sa.Column("cause", Code(64), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_growth_entries_member_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_growth_entries")),
        sa.UniqueConstraint("cause", name=op.f("uq_growth_entries_cause")),
    )
    with op.batch_alter_table("growth_entries", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_growth_entries_member_id_at_growth"),
            ["member_id", "at", "growth"],
            unique=False,
        )

    op.create_table(
        "tier_moves",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("before", Code(24), nullable=False),
        sa.Column("after", Code(24), nullable=False),
        sa.Column("reason", Code(16), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_tier_moves_member_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tier_moves")),
    )
    with op.batch_alter_table("tier_moves", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_tier_moves_member_id_id"), ["member_id", "id"], unique=False
        )

    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.add_column(sa.Column("tier_since", UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column("tier_until", UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column("balance_fen", _ID, nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("balance_bonus_fen", _ID, nullable=False, server_default="0"))
        batch_op.create_index(
            "ix_members_tier", ["merchant_id", "tier", "tier_until"], unique=False
        )


def downgrade() -> None:
    op.drop_index("ix_members_tier", table_name="members")
    op.drop_column("members", "balance_bonus_fen")
    op.drop_column("members", "balance_fen")
    op.drop_column("members", "tier_until")
    op.drop_column("members", "tier_since")

    op.drop_table("tier_moves")
    op.drop_table("growth_entries")
    op.drop_table("tiers")
    op.drop_table("loyalty")
