"""Timed prices for so many pieces of a SKU and of a member.

Revision: 20261123_rations
Follows: 20261123_card_codes
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_rations"
down_revision = "20261123_card_codes"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("promotions") as batch_op:
        batch_op.add_column(sa.Column("pieces_each", BIG, nullable=True))
        batch_op.add_column(sa.Column("pieces_per_member", BIG, nullable=True))
    op.create_table(
        "promotion_units",
        sa.Column("id", BIG, nullable=False),
        sa.Column("promotion_id", BIG, nullable=False),
        sa.Column("subject", Code(32), nullable=False),
        sa.Column("used", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["promotion_id"], ["promotions.id"], name=op.f("fk_promotion_units_promotion_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion_units")),
        sa.UniqueConstraint(
            "promotion_id", "subject", name=op.f("uq_promotion_units_promotion_id_subject")
        ),
    )
    op.create_table(
        "promotion_takes",
        sa.Column("id", BIG, nullable=False),
        sa.Column("order_id", BIG, nullable=False),
        sa.Column("promotion_id", BIG, nullable=False),
        sa.Column("sku_id", BIG, nullable=False),
        sa.Column("member_id", BIG, nullable=False),
        sa.Column("pieces", BIG, nullable=False),
        sa.Column("returned_at", UTCDateTime(), nullable=True),
        *(
            sa.ForeignKeyConstraint(
                [f"{name}_id"], [f"{name}s.id"], name=op.f(f"fk_promotion_takes_{name}_id")
            )
            for name in ("order", "promotion", "sku", "member")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotion_takes")),
        sa.UniqueConstraint(
            "order_id",
            "promotion_id",
            "sku_id",
            name=op.f("uq_promotion_takes_order_id_promotion_id_sku_id"),
        ),
    )
    with op.batch_alter_table("promotion_takes") as batch_op:
        for column in ("member_id", "promotion_id"):
            batch_op.create_index(batch_op.f(f"ix_promotion_takes_{column}"), [column])


def downgrade() -> None:
    op.drop_table("promotion_takes")
    op.drop_table("promotion_units")
    with op.batch_alter_table("promotions") as batch_op:
        batch_op.drop_column("pieces_per_member")
        batch_op.drop_column("pieces_each")
