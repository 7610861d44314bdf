"""Refunds that one of the staff asks for and another agrees to.

Revision: 20261123_asked_refunds
Follows: 20261123_marketing_limits
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_asked_refunds"
down_revision = "20261123_marketing_limits"
branch_labels = None
depends_on = None

REFUSES = {
    "refunds that somebody asked for": "SELECT 1 FROM asked_refunds",
    "who may give back how much": "SELECT 1 FROM refund_rules",
}

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLE = "asked_refunds"


def upgrade() -> None:
    op.create_table(
        _TABLE,
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("code", Code(16), nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("store_id", _ID, nullable=False),
        sa.Column("order_id", _ID, nullable=False),
        sa.Column("amount_fen", _ID, nullable=False),
        sa.Column("reason", sa.String(120), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("open", sa.Boolean(), nullable=True),
        sa.Column("asked_by", Code(64), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("decided_by", Code(64), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("via", Code(16), nullable=False),
        sa.Column("refund_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_asked_refunds_merchant_id")
        ),
        sa.ForeignKeyConstraint(
            ["store_id"], ["stores.id"], name=op.f("fk_asked_refunds_store_id")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_asked_refunds_order_id")
        ),
        sa.ForeignKeyConstraint(
            ["refund_id"], ["refunds.id"], name=op.f("fk_asked_refunds_refund_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_asked_refunds")),
        sa.UniqueConstraint("order_id", "open", name=op.f("uq_asked_refunds_order_id_open")),
        sa.UniqueConstraint("merchant_id", "code", name=op.f("uq_asked_refunds_merchant_id_code")),
    )
    op.create_index(op.f("ix_asked_refunds_store_id_state_id"), _TABLE, ["store_id", "state", "id"])
    op.create_index(
        op.f("ix_asked_refunds_decided_by_decided_at"), _TABLE, ["decided_by", "decided_at"]
    )
    op.create_table(
        "refund_rules",
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("chat_day_fen", _ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_refund_rules_merchant_id")
        ),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_refund_rules")),
    )


def downgrade() -> None:
    op.drop_table("refund_rules")
    op.drop_table(_TABLE)
