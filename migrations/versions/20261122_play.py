"""Sign-in, lottery, referral.

Revision: 20261122_play
Follows: 20261122_chat_dialogues
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_play"
down_revision = "20261122_chat_dialogues"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "lotteries",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("points", _ID, nullable=False),
        sa.Column("per_day", _ID, nullable=False),
        sa.Column("starts_at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("seed_hash", Code(64), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_lotteries_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lotteries")),
    )
    with op.batch_alter_table("lotteries", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_lotteries_merchant_id_ends_at"), ["merchant_id", "ends_at"], unique=False
        )

    op.create_table(
        "referral_rules",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("inviter_points", _ID, nullable=False),
        sa.Column("newcomer_points", _ID, nullable=False),
        sa.Column("growth", _ID, nullable=False),
        sa.Column("most_a_month", _ID, nullable=False),
        sa.Column("held_over_a_day", _ID, nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_referral_rules_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referral_rules")),
        sa.UniqueConstraint("merchant_id", name=op.f("uq_referral_rules_merchant_id")),
    )
    op.create_table(
        "sign_rules",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("points", _ID, nullable=False),
        sa.Column("growth", _ID, nullable=False),
        sa.Column("milestones", sa.JSON(), nullable=False),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_sign_rules_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_rules")),
        sa.UniqueConstraint("merchant_id", name=op.f("uq_sign_rules_merchant_id")),
    )
    op.create_table(
        "lottery_prizes",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("lottery_id", _ID, nullable=False),
        sa.Column("position", _ID, nullable=False),
        sa.Column("kind", Code(24), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("odds_bp", _ID, nullable=False),
        sa.Column("stock", _ID, nullable=False),
        sa.Column("stock_left", _ID, nullable=False),
        sa.Column("template_id", _ID, nullable=True),
        sa.Column("points", _ID, nullable=False),
        sa.CheckConstraint("odds_bp > 0 AND odds_bp <= 10000", name=op.f("ck_lottery_prizes_odds")),
        sa.CheckConstraint("stock_left >= 0", name=op.f("ck_lottery_prizes_stock_left")),
        sa.ForeignKeyConstraint(
            ["lottery_id"], ["lotteries.id"], name=op.f("fk_lottery_prizes_lottery_id")
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["coupon_templates.id"], name=op.f("fk_lottery_prizes_template_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lottery_prizes")),
        sa.UniqueConstraint(
            "lottery_id", "position", name=op.f("uq_lottery_prizes_lottery_id_position")
        ),
    )
    op.create_table(
        "invite_codes",
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("code", Code(16), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_invite_codes_member_id")
        ),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_invite_codes")),
        sa.UniqueConstraint("code", name=op.f("uq_invite_codes_code")),
    )
    op.create_table(
        "lottery_draws",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("lottery_id", _ID, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("number", _ID, nullable=False),
        sa.Column("ticket", Code(64), nullable=False),
        sa.Column("roll", _ID, nullable=False),
        sa.Column("prize_id", _ID, nullable=True),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lottery_id"], ["lotteries.id"], name=op.f("fk_lottery_draws_lottery_id")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_lottery_draws_member_id")
        ),
        sa.ForeignKeyConstraint(
            ["prize_id"], ["lottery_prizes.id"], name=op.f("fk_lottery_draws_prize_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lottery_draws")),
        sa.UniqueConstraint(
            "lottery_id",
            "member_id",
            "day",
            "number",
            name=op.f("uq_lottery_draws_lottery_id_member_id_day_number"),
        ),
    )
    with op.batch_alter_table("lottery_draws", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_lottery_draws_member_id_id"), ["member_id", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_lottery_draws_prize_id"), ["prize_id"], unique=False)

    op.create_table(
        "referrals",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("inviter_id", _ID, nullable=False),
        sa.Column("newcomer_id", _ID, nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("reason", Code(32), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("rewarded_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["inviter_id"], ["members.id"], name=op.f("fk_referrals_inviter_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_referrals_merchant_id")
        ),
        sa.ForeignKeyConstraint(
            ["newcomer_id"], ["members.id"], name=op.f("fk_referrals_newcomer_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_referrals")),
        sa.UniqueConstraint("newcomer_id", name=op.f("uq_referrals_newcomer_id")),
    )
    with op.batch_alter_table("referrals", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_referrals_inviter_id_state_at"),
            ["inviter_id", "state", "at"],
            unique=False,
        )
        batch_op.create_index(
            batch_op.f("ix_referrals_merchant_id_state_id"),
            ["merchant_id", "state", "id"],
            unique=False,
        )

    op.create_table(
        "sign_ins",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("streak", _ID, nullable=False),
        sa.Column("points", _ID, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["members.id"], name=op.f("fk_sign_ins_member_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_ins")),
        sa.UniqueConstraint("member_id", "day", name=op.f("uq_sign_ins_member_id_day")),
    )


def downgrade() -> None:
    op.drop_table("sign_ins")
    op.drop_table("referrals")
    op.drop_table("lottery_draws")
    op.drop_table("invite_codes")
    op.drop_table("lottery_prizes")
    op.drop_table("sign_rules")
    op.drop_table("referral_rules")
    op.drop_table("lotteries")
