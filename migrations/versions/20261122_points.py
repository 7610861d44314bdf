"""Points are spent, lapse and are given; what they buy.

Revision: 20261122_points
Follows: 20261122_coupon_kinds
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_points"
down_revision = "20261122_coupon_kinds"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "point_goods",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("template_id", _ID, nullable=False),
        sa.Column("points", _ID, nullable=False),
        sa.Column("left", _ID, nullable=True),
        sa.Column("per_member", _ID, nullable=False),
        sa.Column("on_sale", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("points > 0", name=op.f("ck_point_goods_points")),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_point_goods_merchant_id")
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["coupon_templates.id"], name=op.f("fk_point_goods_template_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_point_goods")),
    )
    with op.batch_alter_table("point_goods", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_point_goods_merchant_id_on_sale_points"),
            ["merchant_id", "on_sale", "points"],
            unique=False,
        )

    op.create_table(
        "point_exchanges",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("goods_id", _ID, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("number", _ID, nullable=False),
        sa.Column("points", _ID, nullable=False),
        sa.Column("coupon_id", _ID, nullable=True),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["coupon_id"], ["coupons.id"], name=op.f("fk_point_exchanges_coupon_id")
        ),
        sa.ForeignKeyConstraint(
            ["goods_id"], ["point_goods.id"], name=op.f("fk_point_exchanges_goods_id")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_point_exchanges_member_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_point_exchanges")),
        sa.UniqueConstraint(
            "goods_id",
            "member_id",
            "number",
            name=op.f("uq_point_exchanges_goods_id_member_id_number"),
        ),
    )
    with op.batch_alter_table("point_exchanges", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_point_exchanges_member_id"), ["member_id"], unique=False
        )

    op.create_table(
        "point_holds",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("order_id", _ID, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("points", _ID, nullable=False),
        sa.Column("returned", _ID, nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "returned >= 0 AND returned <= points", name=op.f("ck_point_holds_returned")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_point_holds_member_id")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_point_holds_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_point_holds")),
        sa.UniqueConstraint("order_id", name=op.f("uq_point_holds_order_id")),
    )
    with op.batch_alter_table("point_holds", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_point_holds_member_id"), ["member_id"], unique=False)

    with op.batch_alter_table("loyalty", schema=None) as batch_op:
        batch_op.add_column(sa.Column("earn_bp", _ID, nullable=False, server_default="10000"))
        batch_op.add_column(sa.Column("expiry", Code(24), nullable=False, server_default="never"))
        batch_op.add_column(sa.Column("expiry_months", _ID, nullable=False, server_default="12"))
        batch_op.add_column(sa.Column("expiry_month", _ID, nullable=False, server_default="12"))
        batch_op.add_column(sa.Column("expiry_day", _ID, nullable=False, server_default="31"))
        batch_op.add_column(sa.Column("remind_days", _ID, nullable=False, server_default="14"))
        batch_op.add_column(sa.Column("spend_rate", _ID, nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("spend_cap_bp", _ID, nullable=False, server_default="5000"))
        batch_op.add_column(sa.Column("adjust_most", _ID, nullable=False, server_default="1000"))

    with op.batch_alter_table("point_entries", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("reason", sa.String(length=255), nullable=False, server_default="")
        )

    with op.batch_alter_table("point_lots", schema=None) as batch_op:
        batch_op.add_column(sa.Column("earned", _ID, nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("rate_bp", _ID, nullable=False, server_default="10000"))
        batch_op.add_column(sa.Column("expires_at", UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column("reminded_at", UTCDateTime(), nullable=True))
        batch_op.create_index("ix_point_lots_over", ["state", "expires_at"], unique=False)
    op.execute("UPDATE point_lots SET earned = points")
    _order_of_a_lot(nullable=True)


def _order_of_a_lot(*, nullable: bool) -> None:
    """SQLite makes the table anew, which it refuses while entries point at its rows."""
    lite = op.get_context().dialect.name == "sqlite"
    if lite:
        op.execute("CREATE TEMPORARY TABLE kept_entries AS SELECT * FROM point_entries")
        op.execute("DELETE FROM point_entries")
    with op.batch_alter_table("point_lots") as batch_op:
        batch_op.alter_column("order_id", existing_type=sa.BigInteger(), nullable=nullable)
    if lite:
        op.execute("INSERT INTO point_entries SELECT * FROM kept_entries")
        op.execute("DROP TABLE kept_entries")


def downgrade() -> None:
    op.drop_index("ix_point_lots_over", table_name="point_lots")
    op.execute(
        "UPDATE point_entries SET lot_id = NULL WHERE lot_id IN "
        "(SELECT id FROM point_lots WHERE order_id IS NULL)"
    )
    op.execute("DELETE FROM point_lots WHERE order_id IS NULL")
    _order_of_a_lot(nullable=False)
    op.drop_column("point_lots", "reminded_at")
    op.drop_column("point_lots", "expires_at")
    op.drop_column("point_lots", "rate_bp")
    op.drop_column("point_lots", "earned")

    op.drop_column("point_entries", "reason")

    op.drop_column("loyalty", "adjust_most")
    op.drop_column("loyalty", "spend_cap_bp")
    op.drop_column("loyalty", "spend_rate")
    op.drop_column("loyalty", "remind_days")
    op.drop_column("loyalty", "expiry_day")
    op.drop_column("loyalty", "expiry_month")
    op.drop_column("loyalty", "expiry_months")
    op.drop_column("loyalty", "expiry")
    op.drop_column("loyalty", "earn_bp")

    op.drop_table("point_holds")
    op.drop_table("point_exchanges")
    op.drop_table("point_goods")
