"""Stored value, paid membership and passes; points in an order.

Revision: 20261122_plans
Follows: 20261122_menu_versions
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_plans"
down_revision = "20261122_menu_versions"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "plans",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("kind", Code(24), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("price_fen", _ID, nullable=False),
        sa.Column("bonus_fen", _ID, nullable=False),
        sa.Column("days", _ID, nullable=False),
        sa.Column("template_id", _ID, nullable=True),
        sa.Column("coupons", _ID, nullable=False),
        sa.Column("benefits", sa.String(length=255), nullable=False),
        sa.Column("on_sale", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint("price_fen > 0 AND bonus_fen >= 0", name=op.f("ck_plans_amounts")),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_plans_merchant_id")
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["coupon_templates.id"], name=op.f("fk_plans_template_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
    )
    with op.batch_alter_table("plans", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_plans_merchant_id_kind_on_sale"),
            ["merchant_id", "kind", "on_sale"],
            unique=False,
        )

    op.create_table(
        "balance_entries",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("kind", Code(24), nullable=False),
        sa.Column("principal_fen", _ID, nullable=False),
        sa.Column("bonus_fen", _ID, nullable=False),
        sa.Column("cause", Code(64), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_balance_entries_member_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance_entries")),
        sa.UniqueConstraint("cause", name=op.f("uq_balance_entries_cause")),
    )
    with op.batch_alter_table("balance_entries", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_balance_entries_member_id_id"), ["member_id", "id"], unique=False
        )

    op.create_table(
        "balance_holds",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("cause", Code(48), nullable=False),
        sa.Column("amount_fen", _ID, nullable=False),
        sa.Column("parts", sa.JSON(), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_balance_holds_member_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance_holds")),
        sa.UniqueConstraint("cause", name=op.f("uq_balance_holds_cause")),
    )
    with op.batch_alter_table("balance_holds", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_balance_holds_member_id"), ["member_id"], unique=False)

    op.create_table(
        "balance_lots",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("order_id", _ID, nullable=False),
        sa.Column("paid_fen", _ID, nullable=False),
        sa.Column("given_fen", _ID, nullable=False),
        sa.Column("principal_fen", _ID, nullable=False),
        sa.Column("bonus_fen", _ID, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "bonus_fen >= 0 AND bonus_fen <= given_fen", name=op.f("ck_balance_lots_bonus")
        ),
        sa.CheckConstraint(
            "principal_fen >= 0 AND principal_fen <= paid_fen",
            name=op.f("ck_balance_lots_principal"),
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_balance_lots_member_id")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_balance_lots_order_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_balance_lots")),
        sa.UniqueConstraint("order_id", name=op.f("uq_balance_lots_order_id")),
    )
    with op.batch_alter_table("balance_lots", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_balance_lots_member_id_id"), ["member_id", "id"], unique=False
        )

    op.create_table(
        "paid_terms",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("plan_id", _ID, nullable=False),
        sa.Column("order_id", _ID, nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("starts_at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("given", _ID, nullable=False),
        sa.Column("next_gift_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_paid_terms_member_id")
        ),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_paid_terms_order_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_paid_terms_plan_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_paid_terms")),
        sa.UniqueConstraint("order_id", name=op.f("uq_paid_terms_order_id")),
    )
    with op.batch_alter_table("paid_terms", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_paid_terms_member_id_state_ends_at"),
            ["member_id", "state", "ends_at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_paid_terms_state_ends_at"), ["state", "ends_at"], unique=False
        )
        batch_op.create_index(
            batch_op.f("ix_paid_terms_state_next_gift_at"), ["state", "next_gift_at"], unique=False
        )

    with op.batch_alter_table("order_lines", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", Code(24), nullable=False, server_default="goods"))
        batch_op.alter_column("sku_id", existing_type=sa.BigInteger(), nullable=True)
        batch_op.alter_column("product_id", existing_type=sa.BigInteger(), nullable=True)

    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", Code(24), nullable=False, server_default="goods"))
        batch_op.add_column(sa.Column("plan_id", _ID, nullable=True))
        batch_op.add_column(sa.Column("points_used", _ID, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("orders", "points_used")
    op.drop_column("orders", "plan_id")
    op.drop_column("orders", "kind")

    op.execute("DELETE FROM order_lines WHERE sku_id IS NULL")
    with op.batch_alter_table("order_lines", schema=None) as batch_op:
        batch_op.alter_column("product_id", existing_type=sa.BigInteger(), nullable=False)
        batch_op.alter_column("sku_id", existing_type=sa.BigInteger(), nullable=False)
    op.drop_column("order_lines", "kind")

    op.drop_table("paid_terms")
    op.drop_table("balance_lots")
    op.drop_table("balance_holds")
    op.drop_table("balance_entries")
    op.drop_table("plans")
