"""Refunds by line and by way back; who may give money back by himself.

Revision: 20261123_refund_lines
Follows: 20261123_shippings
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code

revision = "20261123_refund_lines"
down_revision = "20261123_shippings"
branch_labels = None
depends_on = None

REFUSES = {
    "refunds to stored value or by hand": "SELECT 1 FROM refunds"
    " WHERE balance_fen > 0 OR finished_by IS NOT NULL OR note <> ''",
    "refunds by line": "SELECT 1 FROM refund_lines UNION SELECT 1 FROM refunded_lines"
    " UNION SELECT 1 FROM refunds WHERE delivery_fen > 0",
    "refunds of one batch": "SELECT 1 FROM refunds"
    " WHERE replaces_id IS NULL AND batch <> out_refund_no",
    "what exactly somebody asked to be refunded": "SELECT 1 FROM asked_refunds"
    " WHERE json_extract(wanted, '$.free_fen') <> amount_fen",
    "who may give back how much": "SELECT 1 FROM refund_rules WHERE clerk_fen <> 0"
    " OR clerk_minutes <> 30 OR manager_fen <> 100000 OR coupon_back <> 'always'",
}

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PARTS = "channel_fen >= 0 AND balance_fen >= 0 AND channel_fen + balance_fen = amount_fen"
_INDEXES = (
    ("batch",),
    ("merchant_id", "requested_at", "id"),
    ("merchant_id", "state", "requested_at", "id"),
    ("state", "requested_at"),
)
_ADDED = (
    *("batch", "merchant_id", "store_id", "channel_fen", "balance_fen", "delivery_fen"),
    *("finished_by", "note"),
)


def upgrade() -> None:
    with op.batch_alter_table("refunds") as batch_op:
        batch_op.add_column(sa.Column("batch", Code(32), nullable=True))
        batch_op.add_column(sa.Column("merchant_id", _NUMBER, nullable=True))
        batch_op.add_column(sa.Column("store_id", _NUMBER, nullable=True))
        batch_op.add_column(sa.Column("channel_fen", _NUMBER, nullable=True))
        batch_op.add_column(sa.Column("balance_fen", _NUMBER, nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("delivery_fen", _NUMBER, nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("finished_by", Code(64), nullable=True))
        batch_op.add_column(sa.Column("note", sa.String(200), nullable=False, server_default=""))
    op.execute(
        "UPDATE refunds SET batch = out_refund_no, channel_fen = amount_fen,"
        " merchant_id = (SELECT merchant_id FROM orders WHERE orders.id = refunds.order_id),"
        " store_id = (SELECT store_id FROM orders WHERE orders.id = refunds.order_id)"
    )
    _follow_the_first()
    with op.batch_alter_table("refunds") as batch_op:
        batch_op.alter_column("batch", existing_type=Code(32), nullable=False)
        for name in ("merchant_id", "store_id", "channel_fen"):
            batch_op.alter_column(name, existing_type=_NUMBER, nullable=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_refunds_merchant_id"), "merchants", ["merchant_id"], ["id"]
        )
        batch_op.create_foreign_key(
            batch_op.f("fk_refunds_store_id"), "stores", ["store_id"], ["id"]
        )
        batch_op.create_check_constraint(batch_op.f("ck_refunds_parts"), _PARTS)
        batch_op.create_check_constraint(
            batch_op.f("ck_refunds_delivery"), "delivery_fen >= 0 AND delivery_fen <= amount_fen"
        )
    for columns in _INDEXES:
        op.create_index(op.f(f"ix_refunds_{'_'.join(columns)}"), "refunds", list(columns))
    _make_lines()
    with op.batch_alter_table("asked_refunds") as batch_op:
        batch_op.add_column(sa.Column("wanted", sa.JSON(), nullable=True))
    op.execute(
        "UPDATE asked_refunds SET wanted = json_object('pieces', json_array(), 'delivery_fen', 0,"
        " 'free_fen', amount_fen, 'restock', json_array())"
    )
    with op.batch_alter_table("asked_refunds") as batch_op:
        batch_op.alter_column("wanted", existing_type=sa.JSON(), nullable=False)
    with op.batch_alter_table("refund_rules") as batch_op:
        for name, value in (("clerk_fen", "0"), ("clerk_minutes", "30"), ("manager_fen", "100000")):
            batch_op.add_column(sa.Column(name, _NUMBER, nullable=False, server_default=value))
        batch_op.add_column(
            sa.Column("coupon_back", Code(24), nullable=False, server_default="always")
        )


def _follow_the_first() -> None:
    """A refund that was asked for again belongs to the batch of the first."""
    refunds = sa.table("refunds", *(sa.column(name) for name in ("id", "batch", "replaces_id")))
    connection = op.get_bind()
    again = sa.select(refunds.c.id, refunds.c.replaces_id).order_by(refunds.c.id)
    for id_, earlier in connection.execute(again.where(refunds.c.replaces_id.is_not(None))).all():
        first = sa.select(refunds.c.batch).where(refunds.c.id == earlier)
        batch = connection.execute(first).scalar_one()
        connection.execute(sa.update(refunds).where(refunds.c.id == id_).values(batch=batch))


def _make_lines() -> None:
    op.create_table(
        "refund_lines",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("refund_id", _NUMBER, nullable=False),
        sa.Column("order_line_id", _NUMBER, nullable=False),
        sa.Column("pieces", _NUMBER, nullable=False),
        sa.Column("amount_fen", _NUMBER, nullable=False),
        sa.CheckConstraint("pieces >= 0 AND amount_fen >= 0", name=op.f("ck_refund_lines_amounts")),
        sa.ForeignKeyConstraint(
            ["refund_id"], ["refunds.id"], name=op.f("fk_refund_lines_refund_id")
        ),
        sa.ForeignKeyConstraint(
            ["order_line_id"], ["order_lines.id"], name=op.f("fk_refund_lines_order_line_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund_lines")),
        sa.UniqueConstraint(
            "refund_id", "order_line_id", name=op.f("uq_refund_lines_refund_id_order_line_id")
        ),
    )
    op.create_index(op.f("ix_refund_lines_order_line_id"), "refund_lines", ["order_line_id"])
    op.create_table(
        "refunded_lines",
        sa.Column("order_line_id", _NUMBER, autoincrement=False, nullable=False),
        sa.Column("order_id", _NUMBER, nullable=False),
        sa.Column("quantity", _NUMBER, nullable=False),
        sa.Column("payable_fen", _NUMBER, nullable=False),
        sa.Column("pieces", _NUMBER, nullable=False),
        sa.Column("amount_fen", _NUMBER, nullable=False),
        sa.CheckConstraint(
            "pieces >= 0 AND pieces <= quantity", name=op.f("ck_refunded_lines_pieces")
        ),
        sa.CheckConstraint(
            "amount_fen >= 0 AND amount_fen <= payable_fen", name=op.f("ck_refunded_lines_amount")
        ),
        sa.ForeignKeyConstraint(
            ["order_line_id"], ["order_lines.id"], name=op.f("fk_refunded_lines_order_line_id")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_refunded_lines_order_id")
        ),
        sa.PrimaryKeyConstraint("order_line_id", name=op.f("pk_refunded_lines")),
    )
    op.create_index(op.f("ix_refunded_lines_order_id"), "refunded_lines", ["order_id"])


def downgrade() -> None:
    """The older code knows one way back, the channel's, and no lines."""
    with op.batch_alter_table("refund_rules") as batch_op:
        for name in ("coupon_back", "manager_fen", "clerk_minutes", "clerk_fen"):
            batch_op.drop_column(name)
    with op.batch_alter_table("asked_refunds") as batch_op:
        batch_op.drop_column("wanted")
    op.drop_table("refunded_lines")
    op.drop_table("refund_lines")
    with op.batch_alter_table("refunds") as batch_op:
        for name in ("fk_refunds_merchant_id", "fk_refunds_store_id"):
            batch_op.drop_constraint(batch_op.f(name), type_="foreignkey")
        for name in ("ck_refunds_parts", "ck_refunds_delivery"):
            batch_op.drop_constraint(batch_op.f(name), type_="check")
    for columns in _INDEXES:
        op.drop_index(op.f(f"ix_refunds_{'_'.join(columns)}"), "refunds")
    with op.batch_alter_table("refunds") as batch_op:
        for name in _ADDED:
            batch_op.drop_column(name)
