"""Wishes and merges are written down; a birthday changes once a year; events have names of their own.

Revision: 20261122_customers
Follows: 20261122_scene_names
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_customers"
down_revision = "20261122_scene_names"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consent_log",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("what", Code(32), nullable=False),
        sa.Column("allowed", sa.Boolean(), nullable=False),
        sa.Column("actor", Code(64), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_consent_log_member_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_log")),
    )
    with op.batch_alter_table("consent_log", schema=None) as batch_op:
        batch_op.create_index("ix_consent_log_member", ["member_id", "id"], unique=False)

    op.create_table(
        "member_merges",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "merchant_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "winner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("loser_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("winner", sa.JSON(), nullable=False),
        sa.Column("loser", sa.JSON(), nullable=False),
        sa.Column("conflicts", sa.JSON(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["loser_id"], ["members.id"], name=op.f("fk_member_merges_loser_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_member_merges_merchant_id")
        ),
        sa.ForeignKeyConstraint(
            ["winner_id"], ["members.id"], name=op.f("fk_member_merges_winner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_merges")),
        sa.UniqueConstraint("loser_id", name=op.f("uq_member_merges_loser_id")),
    )
    with op.batch_alter_table("member_merges", schema=None) as batch_op:
        batch_op.create_index("ix_member_merges_list", ["merchant_id", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_member_merges_winner_id"), ["winner_id"], unique=False)

    with op.batch_alter_table("member_events", schema=None) as batch_op:
        batch_op.add_column(sa.Column("client_id", Code(32), nullable=True))
        batch_op.create_unique_constraint(
            batch_op.f("uq_member_events_member_id_client_id"), ["member_id", "client_id"]
        )

    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.add_column(sa.Column("birthday_changed_at", UTCDateTime(), nullable=True))
        batch_op.add_column(
            sa.Column("note", sa.String(length=255), nullable=False, server_default="")
        )


def downgrade() -> None:
    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.drop_column("note")
        batch_op.drop_column("birthday_changed_at")

    with op.batch_alter_table("member_events", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_member_events_member_id_client_id"), type_="unique")
        batch_op.drop_column("client_id")

    op.drop_table("member_merges")
    op.drop_table("consent_log")
