"""Batches of coupons: their lines, printed codes and codes of another system.

Revision: 20261122_coupon_batches
Follows: 20261122_campaign_waves
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_coupon_batches"
down_revision = "20261122_campaign_waves"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "coupon_batches",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("merchant_id", BIG, nullable=False),
        sa.Column("template_id", BIG, nullable=False),
        sa.Column("kind", Code(24), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("segment_id", BIG, nullable=True),
        sa.Column("total", BIG, nullable=False),
        sa.Column("issued", BIG, nullable=False),
        sa.Column("faulty", BIG, nullable=False),
        sa.Column("voided", BIG, nullable=False),
        sa.Column("cursor", BIG, nullable=False),
        sa.Column("stop_words", sa.String(length=255), nullable=False),
        sa.Column("created_by_id", BIG, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.Column("revoke_reason", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["staff.id"], name=op.f("fk_coupon_batches_created_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_coupon_batches_merchant_id")
        ),
        sa.ForeignKeyConstraint(
            ["segment_id"], ["segments.id"], name=op.f("fk_coupon_batches_segment_id")
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["coupon_templates.id"], name=op.f("fk_coupon_batches_template_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_batches")),
    )
    with op.batch_alter_table("coupon_batches") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_coupon_batches_merchant_id_id"), ["merchant_id", "id"], unique=False
        )
    op.create_table(
        "coupon_batch_rows",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("batch_id", BIG, nullable=False),
        sa.Column("number", BIG, nullable=False),
        sa.Column("given", sa.String(length=64), nullable=False),
        sa.Column("member_id", BIG, nullable=True),
        sa.Column("code", Code(64), nullable=True),
        sa.Column("problem", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["coupon_batches.id"], name=op.f("fk_coupon_batch_rows_batch_id")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_coupon_batch_rows_member_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_batch_rows")),
        sa.UniqueConstraint(
            "batch_id", "number", name=op.f("uq_coupon_batch_rows_batch_id_number")
        ),
    )
    with op.batch_alter_table("coupon_batch_rows") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_coupon_batch_rows_batch_id_problem_number"),
            ["batch_id", "problem", "number"],
            unique=False,
        )
    with op.batch_alter_table("coupons") as batch_op:
        batch_op.add_column(sa.Column("batch_id", BIG, nullable=True))
        batch_op.create_index(batch_op.f("ix_coupons_batch_id"), ["batch_id"], unique=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_coupons_batch_id"), "coupon_batches", ["batch_id"], ["id"]
        )
    op.create_table(
        "imported_codes",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("merchant_id", BIG, nullable=False),
        sa.Column("code", Code(64), nullable=False),
        sa.Column("coupon_id", BIG, nullable=False),
        sa.ForeignKeyConstraint(
            ["coupon_id"], ["coupons.id"], name=op.f("fk_imported_codes_coupon_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_imported_codes_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imported_codes")),
        sa.UniqueConstraint("coupon_id", name=op.f("uq_imported_codes_coupon_id")),
        sa.UniqueConstraint("merchant_id", "code", name=op.f("uq_imported_codes_merchant_id_code")),
    )


def downgrade() -> None:
    op.drop_table("imported_codes")
    with op.batch_alter_table("coupons") as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_coupons_batch_id"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_coupons_batch_id"))
        batch_op.drop_column("batch_id")
    op.drop_table("coupon_batch_rows")
    op.drop_table("coupon_batches")
