"""How people answered when asked to allow messages.

Revision: 20261122_subscribe_answers
Follows: 20261122_follower_sync
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_subscribe_answers"
down_revision = "20261122_follower_sync"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:

    op.create_table(
        "subscribe_answers",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("openid", Code(64), nullable=False),
        sa.Column("template_id", Code(64), nullable=False),
        sa.Column("accepts", sa.Integer(), nullable=False),
        sa.Column("rejects", sa.Integer(), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("refused_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscribe_answers")),
        sa.UniqueConstraint(
            "appid",
            "openid",
            "template_id",
            name=op.f("uq_subscribe_answers_appid_openid_template_id"),
        ),
    )


def downgrade() -> None:

    op.drop_table("subscribe_answers")
