"""Pictures, voices and films that accounts have uploaded.

Revision: 20261123_materials
Follows: 20261123_comings
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_materials"
down_revision = "20261123_comings"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "materials",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("kind", Code(16), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("mime", Code(32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("media_id", Code(128), nullable=False),
        sa.Column("problem", sa.String(200), nullable=False),
        sa.Column("actor", Code(64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_materials")),
    )
    op.create_index(op.f("ix_materials_appid_state_id"), "materials", ["appid", "state", "id"])
    op.create_index(op.f("ix_materials_state_changed_at"), "materials", ["state", "changed_at"])


def downgrade() -> None:
    op.drop_table("materials")
