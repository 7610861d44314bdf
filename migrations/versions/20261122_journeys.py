"""Journeys: plans, the people on them, what each did, and the counts.

Revision: 20261122_journeys
Follows: 20261122_broadcasts
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_journeys"
down_revision = "20261122_broadcasts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journeys",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "merchant_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.Column("seed", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True
        ),
        sa.Column("trigger", Code(24), nullable=False),
        sa.Column("listens", sa.JSON(), nullable=False),
        sa.Column("created_by", Code(64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("published_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_journeys_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journeys")),
    )
    with op.batch_alter_table("journeys", schema=None) as batch_op:
        batch_op.create_index("ix_journeys_list", ["merchant_id", "state", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_journeys_trigger"), ["trigger"], unique=False)

    op.create_table(
        "journey_counts",
        sa.Column(
            "journey_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("node", Code(16), nullable=False),
        sa.Column("outcome", Code(32), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["journey_id"], ["journeys.id"], name=op.f("fk_journey_counts_journey_id")
        ),
        sa.PrimaryKeyConstraint("journey_id", "node", "outcome", name=op.f("pk_journey_counts")),
    )
    op.create_table(
        "journey_versions",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "journey_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("graph", sa.JSON(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("published_at", UTCDateTime(), nullable=True),
        sa.Column("published_by", Code(64), nullable=False),
        sa.ForeignKeyConstraint(
            ["journey_id"], ["journeys.id"], name=op.f("fk_journey_versions_journey_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journey_versions")),
        sa.UniqueConstraint(
            "journey_id", "number", name=op.f("uq_journey_versions_journey_id_number")
        ),
    )
    op.create_table(
        "journey_runs",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column(
            "journey_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "version_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column(
            "member_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("after_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("cause", Code(64), nullable=False),
        sa.Column("round", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("arm", Code(24), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("outcome", Code(24), nullable=False),
        sa.Column("node", Code(16), nullable=False),
        sa.Column("node_at", UTCDateTime(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("awaiting", Code(32), nullable=False),
        sa.Column("heard", sa.Boolean(), nullable=False),
        sa.Column("coupon_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("entered_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["coupon_id"], ["coupons.id"], name=op.f("fk_journey_runs_coupon_id")
        ),
        sa.ForeignKeyConstraint(
            ["journey_id"], ["journeys.id"], name=op.f("fk_journey_runs_journey_id")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_journey_runs_member_id")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["journey_versions.id"], name=op.f("fk_journey_runs_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journey_runs")),
        sa.UniqueConstraint(
            "journey_id",
            "member_id",
            "after_id",
            name=op.f("uq_journey_runs_journey_id_member_id_after_id"),
        ),
        sa.UniqueConstraint(
            "journey_id", "member_id", "cause", name="uq_journey_runs_journey_id_cause"
        ),
    )
    with op.batch_alter_table("journey_runs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_journey_runs_coupon_id"), ["coupon_id"], unique=False)
        batch_op.create_index(
            "ix_journey_runs_due", ["journey_id", "state", "due_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_journey_runs_here", ["journey_id", "state", "node", "id"], unique=False
        )
        batch_op.create_index("ix_journey_runs_member", ["member_id", "state"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_journey_runs_version_id"), ["version_id"], unique=False
        )

    op.create_table(
        "journey_steps",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("node", Code(16), nullable=False),
        sa.Column("outcome", Code(32), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["journey_runs.id"], name=op.f("fk_journey_steps_run_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_journey_steps")),
        sa.UniqueConstraint("run_id", "node", name=op.f("uq_journey_steps_run_id_node")),
    )


def downgrade() -> None:
    op.drop_table("journey_steps")
    op.drop_table("journey_runs")
    op.drop_table("journey_versions")
    op.drop_table("journey_counts")
    op.drop_table("journeys")
