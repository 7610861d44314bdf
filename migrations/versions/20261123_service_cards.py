"""WeChat's own card of a paid order: what it should say, and what WeChat was told.

Revision: 20261123_service_cards
Follows: 20261123_top_ups
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_service_cards"
down_revision = "20261123_top_ups"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:

    op.create_table(
        "service_cards",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("order_id", _ID, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("openid", Code(64), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("code", Code(64), nullable=False),
        sa.Column("amount_fen", _ID, nullable=False),
        sa.Column("paid_at", UTCDateTime(), nullable=False),
        sa.Column("until", UTCDateTime(), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("shown", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("errcode", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("lost", sa.Integer(), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_service_cards_merchant_id")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_service_cards_order_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_cards")),
        sa.UniqueConstraint("appid", "code", name=op.f("uq_service_cards_appid_code")),
        sa.UniqueConstraint("order_id", name=op.f("uq_service_cards_order_id")),
    )
    with op.batch_alter_table("service_cards") as batch:
        batch.create_index(op.f("ix_service_cards_appid_openid"), ["appid", "openid"])
        batch.create_index(op.f("ix_service_cards_merchant_id_paid_at"), ["merchant_id", "paid_at"])


def downgrade() -> None:

    op.drop_table("service_cards")
