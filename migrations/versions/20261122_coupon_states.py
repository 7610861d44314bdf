"""Coupons that are nobody's yet, void ones, redemptions told late, and counters of a day.

Revision: 20261122_coupon_states
Follows: 20261122_marketing_contacts
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_coupon_states"
down_revision = "20261122_marketing_contacts"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("coupons") as batch_op:
        batch_op.alter_column("member_id", existing_type=BIG, nullable=True)
    with op.batch_alter_table("coupon_entries") as batch_op:
        batch_op.add_column(sa.Column("happened_at", UTCDateTime(), nullable=True))
    op.create_table(
        "daily_counts",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("subject", Code(96), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("used", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_daily_counts")),
        sa.UniqueConstraint("subject", "day", name=op.f("uq_daily_counts_subject_day")),
    )
    with op.batch_alter_table("daily_counts") as batch_op:
        batch_op.create_index(batch_op.f("ix_daily_counts_day"), ["day"], unique=False)


def downgrade() -> None:
    op.drop_table("daily_counts")
    with op.batch_alter_table("coupon_entries") as batch_op:
        batch_op.drop_column("happened_at")
    op.execute(
        "DELETE FROM coupon_entries"
        " WHERE coupon_id IN (SELECT id FROM coupons WHERE member_id IS NULL)"
    )
    op.execute("DELETE FROM coupons WHERE member_id IS NULL")
    with op.batch_alter_table("coupons") as batch_op:
        batch_op.alter_column("member_id", existing_type=BIG, nullable=False)
