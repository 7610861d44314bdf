"""Reminders of coupons that end soon.

Revision: 20261122_coupon_reminders
Follows: 20261122_plans
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_coupon_reminders"
down_revision = "20261122_plans"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "coupon_reminders",
        sa.Column("coupon_id", BIG, nullable=False),
        sa.Column("member_id", BIG, nullable=False),
        sa.Column("outcome", Code(32), nullable=False),
        sa.Column("outbound_id", BIG, nullable=True),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["coupon_id"], ["coupons.id"], name=op.f("fk_coupon_reminders_coupon_id")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_coupon_reminders_member_id")
        ),
        sa.ForeignKeyConstraint(
            ["outbound_id"],
            ["outbound_messages.id"],
            name=op.f("fk_coupon_reminders_outbound_id"),
        ),
        sa.PrimaryKeyConstraint("coupon_id", name=op.f("pk_coupon_reminders")),
    )
    with op.batch_alter_table("coupon_reminders") as batch_op:
        batch_op.create_index(
            batch_op.f("ix_coupon_reminders_member_id"), ["member_id"], unique=False
        )


def downgrade() -> None:
    op.drop_table("coupon_reminders")
