"""The mirror of coupons in WeChat's card pack.

Revision: 20261123_card_packs
Follows: 20261123_tier_discounts
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_card_packs"
down_revision = "20261123_tier_discounts"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "card_packs",
        sa.Column("merchant_id", BIG, nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("picture_url", sa.String(512), nullable=False),
        sa.Column("background_url", sa.String(512), nullable=False),
        sa.Column("seen_id", BIG, nullable=False),
        sa.Column("high_id", BIG, nullable=False),
        sa.Column("high_at", UTCDateTime(), nullable=True),
        sa.Column("compared_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_card_packs_merchant_id")
        ),
        sa.PrimaryKeyConstraint("merchant_id", name=op.f("pk_card_packs")),
    )
    op.create_table(
        "pack_templates",
        sa.Column("template_id", BIG, nullable=False),
        sa.Column("merchant_id", BIG, nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("number", Code(40), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("product_id", Code(40), nullable=False),
        sa.Column("stock_id", Code(40), nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("changed_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["template_id"], ["coupon_templates.id"], name=op.f("fk_pack_templates_template_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_pack_templates_merchant_id")
        ),
        sa.PrimaryKeyConstraint("template_id", name=op.f("pk_pack_templates")),
        sa.UniqueConstraint("number", name=op.f("uq_pack_templates_number")),
    )
    with op.batch_alter_table("pack_templates") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_pack_templates_merchant_id_state"), ["merchant_id", "state"]
        )
    op.create_table(
        "pack_cards",
        sa.Column("coupon_id", BIG, nullable=False),
        sa.Column("template_id", BIG, nullable=False),
        sa.Column("merchant_id", BIG, nullable=False),
        sa.Column("identity_id", BIG, nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("last", Code(16), nullable=False),
        sa.Column("unsure", sa.Boolean(), nullable=False),
        sa.Column("uses", BIG, nullable=False),
        sa.Column("failures", BIG, nullable=False),
        sa.Column("why", sa.String(200), nullable=False),
        sa.Column("odd_at", UTCDateTime(), nullable=True),
        sa.Column("checked_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["coupon_id"], ["coupons.id"], name=op.f("fk_pack_cards_coupon_id")
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["coupon_templates.id"], name=op.f("fk_pack_cards_template_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_pack_cards_merchant_id")
        ),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identities.id"], name=op.f("fk_pack_cards_identity_id")
        ),
        sa.PrimaryKeyConstraint("coupon_id", name=op.f("pk_pack_cards")),
    )
    with op.batch_alter_table("pack_cards") as batch_op:
        for columns in (
            ["due_at"],
            ["identity_id"],
            ["merchant_id", "odd_at"],
            ["merchant_id", "state", "checked_at"],
            ["template_id"],
        ):
            batch_op.create_index(batch_op.f(f"ix_pack_cards_{'_'.join(columns)}"), columns)


def downgrade() -> None:
    for table in ("pack_cards", "pack_templates", "card_packs"):
        op.drop_table(table)
