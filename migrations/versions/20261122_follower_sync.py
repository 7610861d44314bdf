"""How far reading the followers has come, and who wears which tag at WeChat.

Revision: 20261122_follower_sync
Follows: 20261122_customers
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_follower_sync"
down_revision = "20261122_customers"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_COUNTS = ("total", "seen", "fresh", "gone")


def upgrade() -> None:
    op.create_table(
        "follower_syncs",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("next_openid", Code(64), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in _COUNTS),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_follower_syncs"),
        sa.UniqueConstraint("appid", name="uq_follower_syncs_appid"),
    )
    op.create_table(
        "mirrored_tags",
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("tag_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("openid", Code(64), nullable=False),
        sa.PrimaryKeyConstraint("appid", "tag_id", "openid", name="pk_mirrored_tags"),
    )
    with op.batch_alter_table("followers") as batch_op:
        batch_op.add_column(sa.Column("seen_run", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("detailed_at", UTCDateTime(), nullable=True))
    with op.batch_alter_table("followers") as batch_op:
        batch_op.alter_column("seen_run", existing_type=sa.Integer(), server_default=None)
        batch_op.create_index(
            "ix_followers_appid_subscribed_seen_run", ["appid", "subscribed", "seen_run"]
        )
        batch_op.create_index("ix_followers_appid_detailed_at_id", ["appid", "detailed_at", "id"])
    with op.batch_alter_table("tags") as batch_op:
        batch_op.add_column(
            sa.Column("mirrored", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    with op.batch_alter_table("tags") as batch_op:
        batch_op.alter_column("mirrored", existing_type=sa.Boolean(), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("tags") as batch_op:
        batch_op.drop_column("mirrored")
    with op.batch_alter_table("followers") as batch_op:
        batch_op.drop_index("ix_followers_appid_detailed_at_id")
        batch_op.drop_index("ix_followers_appid_subscribed_seen_run")
    with op.batch_alter_table("followers") as batch_op:
        batch_op.drop_column("detailed_at")
        batch_op.drop_column("seen_run")
    op.drop_table("mirrored_tags")
    op.drop_table("follower_syncs")
