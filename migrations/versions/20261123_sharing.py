"""Profit sharing: who receives, what is shared of each payment, and what comes back.

Downwards: a payment whose money the channel still holds back could not be released any more.

Revision: 20261123_sharing
Follows: 20261123_statements
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_sharing"
down_revision = "20261123_statements"
branch_labels = None
depends_on = None

REFUSES = {
    "whom payments were or will be shared with": "SELECT 1 FROM sharing_receivers"
    " UNION SELECT 1 FROM sharings UNION SELECT 1 FROM payment_attempts WHERE shared",
}

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("payment_attempts") as batch_op:
        batch_op.add_column(
            sa.Column("shared", sa.Boolean(), nullable=False, server_default=sa.false())
        )
    op.create_table(
        "sharing_receivers",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("purpose", Code(24), nullable=False),
        sa.Column("kind", Code(24), nullable=False),
        sa.Column("account", Code(64), nullable=False),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("relation", Code(32), nullable=False),
        sa.Column("share_bp", _ID, nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("error", Code(64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "share_bp >= 0 AND share_bp <= 3000", name=op.f("ck_sharing_receivers_share")
        ),
        _to("sharing_receivers", "merchant_id", "merchants"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sharing_receivers")),
        sa.UniqueConstraint(
            "merchant_id", "account", name=op.f("uq_sharing_receivers_merchant_id_account")
        ),
    )
    op.create_table(
        "sharings",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("attempt_id", _ID, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("order_id", _ID, nullable=False),
        sa.Column("no", Code(32), nullable=True),
        sa.Column("round", _ID, nullable=False),
        sa.Column("release_no", Code(32), nullable=True),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("error", Code(64), nullable=False),
        sa.Column("paid_at", UTCDateTime(), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        _to("sharings", "attempt_id", "payment_attempts"),
        _to("sharings", "merchant_id", "merchants"),
        _to("sharings", "order_id", "orders"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sharings")),
        *(
            sa.UniqueConstraint(name, name=op.f(f"uq_sharings_{name}"))
            for name in ("attempt_id", "no", "release_no")
        ),
    )
    op.create_index(
        op.f("ix_sharings_merchant_id_state_id"), "sharings", ["merchant_id", "state", "id"]
    )
    op.create_index(op.f("ix_sharings_order_id"), "sharings", ["order_id"])
    op.create_table(
        "sharing_parts",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("sharing_id", _ID, nullable=False),
        sa.Column("receiver_id", _ID, nullable=False),
        sa.Column("no", Code(32), nullable=False),
        sa.Column("amount_fen", _ID, nullable=False),
        sa.Column("returned_fen", _ID, nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("error", Code(64), nullable=False),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_sharing_parts_amount")),
        sa.CheckConstraint(
            "returned_fen >= 0 AND returned_fen <= amount_fen",
            name=op.f("ck_sharing_parts_returned"),
        ),
        _to("sharing_parts", "sharing_id", "sharings"),
        _to("sharing_parts", "receiver_id", "sharing_receivers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sharing_parts")),
        sa.UniqueConstraint("no", "receiver_id", name=op.f("uq_sharing_parts_no_receiver_id")),
    )
    op.create_index(op.f("ix_sharing_parts_sharing_id"), "sharing_parts", ["sharing_id"])
    op.create_table(
        "sharing_returns",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("no", Code(32), nullable=False),
        sa.Column("part_id", _ID, nullable=False),
        sa.Column("refund_id", _ID, nullable=False),
        sa.Column("amount_fen", _ID, nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("error", Code(64), nullable=False),
        sa.Column("asked_at", UTCDateTime(), nullable=False),
        sa.Column("settled_at", UTCDateTime(), nullable=True),
        sa.CheckConstraint("amount_fen > 0", name=op.f("ck_sharing_returns_amount")),
        _to("sharing_returns", "part_id", "sharing_parts"),
        _to("sharing_returns", "refund_id", "refunds"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sharing_returns")),
        sa.UniqueConstraint("no", name=op.f("uq_sharing_returns_no")),
        sa.UniqueConstraint(
            "refund_id", "part_id", name=op.f("uq_sharing_returns_refund_id_part_id")
        ),
    )
    op.create_index(op.f("ix_sharing_returns_part_id"), "sharing_returns", ["part_id"])


def downgrade() -> None:
    for table in ("sharing_returns", "sharing_parts", "sharings", "sharing_receivers"):
        op.drop_table(table)
    with op.batch_alter_table("payment_attempts") as batch_op:
        batch_op.drop_column("shared")


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}"))
