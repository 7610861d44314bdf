"""Who is in a segment, since when, and how many came and went by day.

Revision: 20261122_segment_members
Follows: 20261122_channel_policies
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_segment_members"
down_revision = "20261122_channel_policies"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("segments", schema=None) as batch_op:
        batch_op.add_column(sa.Column("preset", Code(32), nullable=True))
        batch_op.add_column(
            sa.Column("about", sa.String(length=255), nullable=False, server_default="")
        )
        batch_op.add_column(sa.Column("tag_id", _BIG, nullable=True))
        batch_op.add_column(sa.Column("members_count", _BIG, nullable=True))
        batch_op.add_column(sa.Column("refreshed_at", UTCDateTime(), nullable=True))
        batch_op.create_index(batch_op.f("ix_segments_tag_id"), ["tag_id"], unique=False)
        batch_op.create_unique_constraint(
            batch_op.f("uq_segments_merchant_id_preset"), ["merchant_id", "preset"]
        )
        batch_op.create_foreign_key(batch_op.f("fk_segments_tag_id"), "tags", ["tag_id"], ["id"])
    with op.batch_alter_table("segments", schema=None) as batch_op:
        batch_op.alter_column(
            "about", existing_type=sa.String(length=255), nullable=False, server_default=None
        )
    op.create_table(
        "segment_members",
        sa.Column("segment_id", _BIG, nullable=False),
        sa.Column("member_id", _BIG, nullable=False),
        sa.Column("entered_at", UTCDateTime(), nullable=False),
        sa.Column("left_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_segment_members_member_id")
        ),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segments.id"], name=op.f("fk_segment_members_segment_id")
        ),
        sa.PrimaryKeyConstraint("segment_id", "member_id", name=op.f("pk_segment_members")),
    )
    with op.batch_alter_table("segment_members", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_segment_members_member_id"), ["member_id"], unique=False
        )
        batch_op.create_index(
            "ix_segment_members_came", ["segment_id", "entered_at", "member_id"], unique=False
        )
        batch_op.create_index(
            "ix_segment_members_went", ["segment_id", "left_at", "member_id"], unique=False
        )
    op.create_table(
        "segment_days",
        sa.Column("segment_id", _BIG, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("came", _BIG, nullable=False),
        sa.Column("went", _BIG, nullable=False),
        sa.Column("members", _BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segments.id"], name=op.f("fk_segment_days_segment_id")
        ),
        sa.PrimaryKeyConstraint("segment_id", "day", name=op.f("pk_segment_days")),
    )


def downgrade() -> None:
    op.drop_table("segment_days")
    op.drop_table("segment_members")
    with op.batch_alter_table("segments", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_segments_tag_id"), type_="foreignkey")
        batch_op.drop_constraint(batch_op.f("uq_segments_merchant_id_preset"), type_="unique")
        batch_op.drop_index(batch_op.f("ix_segments_tag_id"))
        for name in ("refreshed_at", "members_count", "tag_id", "about", "preset"):
            batch_op.drop_column(name)
