"""Menus through time: a draft, what was published, and the way back.

Revision: 20261122_menu_versions
Follows: 20261122_segment_members
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_menu_versions"
down_revision = "20261122_segment_members"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "menu_versions",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("menus", sa.JSON(), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("actor", Code(64), nullable=False),
        sa.Column("problem", sa.String(200), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("published_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_menu_versions"),
        sa.UniqueConstraint("appid", "number", name="uq_menu_versions_appid_number"),
    )
    op.drop_table("published_menus")


def downgrade() -> None:
    """What was published is at WeChat: the old table fills itself with the next publication."""
    op.create_table(
        "published_menus",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("audience", Code(32), nullable=False),
        sa.Column("menu", sa.JSON(), nullable=False),
        sa.Column("published_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_published_menus"),
        sa.UniqueConstraint("appid", "audience", name="uq_published_menus_appid_audience"),
    )
    op.drop_table("menu_versions")
