"""Conversations that wait for a human, and what staff say often.

Revision: 20261122_conversations
Follows: 20261122_coupon_batches
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_conversations"
down_revision = "20261122_coupon_batches"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("openid", Code(64), nullable=False),
        sa.Column("last_text", sa.String(200), nullable=False),
        sa.Column("last_direction", Code(24), nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.Column("unread", sa.Integer(), nullable=False),
        sa.Column("waiting_since", UTCDateTime(), nullable=True),
        sa.Column("quiet_until", UTCDateTime(), nullable=True),
        sa.Column("staff_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name="fk_conversations_staff_id_staff"),
        sa.PrimaryKeyConstraint("id", name="pk_conversations"),
        sa.UniqueConstraint("appid", "openid", name="uq_conversations_appid_openid"),
    )
    for columns in (
        ["appid", "last_at", "id"],
        ["appid", "waiting_since", "id"],
        ["appid", "quiet_until"],
        ["staff_id", "last_at"],
    ):
        op.create_index(f"ix_conversations_{'_'.join(columns)}", "conversations", columns)
    op.create_table(
        "quick_replies",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("text", sa.String(300), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_quick_replies"),
        sa.UniqueConstraint("appid", "place", name="uq_quick_replies_appid_place"),
    )


def downgrade() -> None:
    op.drop_table("quick_replies")
    op.drop_table("conversations")
