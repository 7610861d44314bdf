"""Coupons that are given on to a friend; claims per day; reminders before the end.

Revision: 20261122_coupon_gifts
Follows: 20261122_tiers
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_coupon_gifts"
down_revision = "20261122_tiers"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NEW = ("daily_limit", "member_daily_limit", "giftable", "remind_days")


def upgrade() -> None:
    with op.batch_alter_table("coupon_templates") as batch_op:
        batch_op.add_column(sa.Column("daily_limit", BIG, nullable=True))
        batch_op.add_column(sa.Column("member_daily_limit", BIG, nullable=True))
        batch_op.add_column(
            sa.Column("giftable", sa.Boolean(), nullable=False, server_default=sa.text("0"))
        )
        batch_op.add_column(
            sa.Column("remind_days", BIG, nullable=False, server_default=sa.text("3"))
        )
    with op.batch_alter_table("coupon_templates") as batch_op:
        batch_op.alter_column(
            "giftable", existing_type=sa.Boolean(), existing_nullable=False, server_default=None
        )
        batch_op.alter_column(
            "remind_days", existing_type=BIG, existing_nullable=False, server_default=None
        )
    op.create_table(
        "coupon_gifts",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("coupon_id", BIG, nullable=False),
        sa.Column("from_member_id", BIG, nullable=False),
        sa.Column("to_member_id", BIG, nullable=True),
        sa.Column("secret_hash", Code(64), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("words", sa.String(length=60), nullable=False),
        sa.Column("accept_key", Code(96), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["coupon_id"], ["coupons.id"], name=op.f("fk_coupon_gifts_coupon_id")
        ),
        sa.ForeignKeyConstraint(
            ["from_member_id"], ["members.id"], name=op.f("fk_coupon_gifts_from_member_id")
        ),
        sa.ForeignKeyConstraint(
            ["to_member_id"], ["members.id"], name=op.f("fk_coupon_gifts_to_member_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_coupon_gifts")),
        sa.UniqueConstraint("accept_key", name=op.f("uq_coupon_gifts_accept_key")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_coupon_gifts_secret_hash")),
    )
    with op.batch_alter_table("coupon_gifts") as batch_op:
        for columns in (
            ("coupon_id", "state"),
            ("from_member_id", "id"),
            ("state", "expires_at"),
            ("to_member_id", "id"),
        ):
            name = f"ix_coupon_gifts_{'_'.join(columns)}"
            batch_op.create_index(batch_op.f(name), list(columns), unique=False)


def downgrade() -> None:
    op.drop_table("coupon_gifts")
    with op.batch_alter_table("coupon_templates") as batch_op:
        for name in NEW:
            batch_op.drop_column(name)
