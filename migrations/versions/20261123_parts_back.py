"""Pieces of an order and parts of a spent balance go back one by one.

Revision: 20261123_parts_back
Follows: 20261123_allowed
"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_parts_back"
down_revision = "20261123_allowed"
branch_labels = None
depends_on = None

REFUSES = {
    "stored value of which a part went back": "SELECT 1 FROM balance_holds"
    " WHERE returned_fen > 0 AND (state <> 'returned' OR returned_fen <> amount_fen)",
    "pieces that went back one by one": "SELECT 1 FROM stock_holds h LEFT JOIN stock_entries e"
    " ON e.order_id = h.order_id AND e.sku_id = h.sku_id AND e.kind = 'returned'"
    " WHERE e.place > 0 OR (h.returned > 0 AND h.state <> 'returned')",
}

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("stock_holds") as batch_op:
        batch_op.add_column(sa.Column("returned", NUMBER, nullable=False, server_default="0"))
    op.execute("UPDATE stock_holds SET returned = quantity WHERE state = 'returned'")
    with op.batch_alter_table("stock_holds") as batch_op:
        batch_op.create_check_constraint(
            batch_op.f("ck_stock_holds_returned"), "returned >= 0 AND returned <= quantity"
        )
    with op.batch_alter_table("stock_entries") as batch_op:
        batch_op.add_column(sa.Column("place", NUMBER, nullable=False, server_default="0"))
        # The new key first: the foreign key of the order needs one of them at every moment.
        batch_op.create_unique_constraint(
            batch_op.f("uq_stock_entries_order_id_sku_id_kind_place"),
            ["order_id", "sku_id", "kind", "place"],
        )
        batch_op.drop_constraint(
            batch_op.f("uq_stock_entries_order_id_sku_id_kind"), type_="unique"
        )
    with op.batch_alter_table("balance_holds") as batch_op:
        batch_op.add_column(sa.Column("returned_fen", NUMBER, nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("back", sa.JSON(), nullable=True))
    op.execute(
        "UPDATE balance_holds SET returned_fen = amount_fen, back = parts WHERE state = 'returned'"
    )
    with op.batch_alter_table("balance_holds") as batch_op:
        batch_op.create_check_constraint(
            batch_op.f("ck_balance_holds_returned"),
            "returned_fen >= 0 AND returned_fen <= amount_fen",
        )


def downgrade() -> None:
    with op.batch_alter_table("balance_holds") as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_balance_holds_returned"), type_="check")
        batch_op.drop_column("back")
        batch_op.drop_column("returned_fen")
    with op.batch_alter_table("stock_entries") as batch_op:
        batch_op.create_unique_constraint(
            batch_op.f("uq_stock_entries_order_id_sku_id_kind"), ["order_id", "sku_id", "kind"]
        )
        batch_op.drop_constraint(
            batch_op.f("uq_stock_entries_order_id_sku_id_kind_place"), type_="unique"
        )
        batch_op.drop_column("place")
    with op.batch_alter_table("stock_holds") as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_stock_holds_returned"), type_="check")
        batch_op.drop_column("returned")
