"""Shipping information: which payments the platform holds back until they are told as shipped.

Revision: 20261123_shippings
Follows: 20261123_settlement
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_shippings"
down_revision = "20261123_settlement"
branch_labels = None
depends_on = None

REFUSES = {
    "what was told, or has to be, of payments shipped": "SELECT 1 FROM payment_shippings",
    "when a merchant tells them": "SELECT 1 FROM shipping_settings",
}

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_POINTS_AT = (
    ("attempt", "payment_attempts"),
    ("merchant", "merchants"),
    ("order", "orders"),
    ("store", "stores"),
)
_INDEXES = (
    ["appid", "transaction_id"],
    ["merchant_id", "state", "paid_at", "id"],
    ["order_id"],
    ["state", "paid_at"],
)


def upgrade() -> None:
    op.create_table(
        "shipping_controls",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("managed", sa.Boolean(), nullable=False),
        sa.Column("confirmed", sa.Boolean(), nullable=False),
        sa.Column("page", sa.String(length=128), nullable=False),
        sa.Column("message", sa.String(length=255), nullable=False),
        sa.Column("message_at", UTCDateTime(), nullable=True),
        sa.Column("checked_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipping_controls")),
        sa.UniqueConstraint("appid", name=op.f("uq_shipping_controls_appid")),
    )
    op.create_table(
        "shipping_settings",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("tell_at", Code(24), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_shipping_settings_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipping_settings")),
        sa.UniqueConstraint("merchant_id", name=op.f("uq_shipping_settings_merchant_id")),
    )
    op.create_table(
        "payment_shippings",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("store_id", _ID, nullable=False),
        sa.Column("order_id", _ID, nullable=False),
        sa.Column("attempt_id", _ID, nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("openid", Code(64), nullable=False),
        sa.Column("account", Code(32), nullable=False),
        sa.Column("out_trade_no", Code(32), nullable=False),
        sa.Column("transaction_id", Code(64), nullable=False),
        sa.Column("amount_fen", _ID, nullable=False),
        sa.Column("logistics", Code(24), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.Column("told", sa.JSON(), nullable=True),
        sa.Column("corrections", sa.Integer(), nullable=False),
        sa.Column("unsure", sa.Boolean(), nullable=False),
        sa.Column("errcode", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=128), nullable=False),
        sa.Column("paid_at", UTCDateTime(), nullable=False),
        *(
            sa.Column(name, UTCDateTime(), nullable=True)
            for name in ("told_at", "shipped_at", "settle_by", "confirmed_at")
        ),
        sa.Column("confirmed_by", sa.Integer(), nullable=True),
        *(
            sa.Column(name, UTCDateTime(), nullable=True)
            for name in ("settled_at", "warned_at", "late_at", "followed_at")
        ),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "corrections >= 0 AND corrections <= 1", name=op.f("ck_payment_shippings_corrections")
        ),
        *(
            sa.ForeignKeyConstraint(
                [f"{one}_id"], [f"{table}.id"], name=op.f(f"fk_payment_shippings_{one}_id")
            )
            for one, table in _POINTS_AT
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment_shippings")),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_payment_shippings_attempt_id")),
    )
    with op.batch_alter_table("payment_shippings") as batch:
        for columns in _INDEXES:
            batch.create_index(op.f(f"ix_payment_shippings_{'_'.join(columns)}"), columns)


def downgrade() -> None:
    op.drop_table("payment_shippings")
    op.drop_table("shipping_settings")
    op.drop_table("shipping_controls")
