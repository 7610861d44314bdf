"""The ledger knows the day that an entry counts for; statements of days, what stores are owed.

Revision: 20261123_settlement
Follows: 20261123_collected
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_settlement"
down_revision = "20261123_collected"
branch_labels = None
depends_on = None

REFUSES = {
    "entries of the ledger that belong to no order": "SELECT 1 FROM ledger_entries"
    " WHERE order_id IS NULL",
    "statements of days": "SELECT 1 FROM settlement_days",
    "what stores earned and were paid": "SELECT 1 FROM store_purses UNION SELECT 1 FROM payouts",
    "terms with a merchant": "SELECT 1 FROM settlement_terms UNION SELECT 1 FROM coupon_terms",
}

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ENTRIES = "ledger_entries"
# The way down leaves it: the foreign key needs an index at any moment.
_FOR_THE_KEY = "ix_ledger_entries_merchant_id"
_FIGURES = ("taken", "refunded", "fee", "commission", "shared", "coupon_cost", "subsidy", "net")


def upgrade() -> None:
    with op.batch_alter_table(_ENTRIES) as batch_op:
        batch_op.add_column(sa.Column("day", sa.Date(), nullable=True))
        batch_op.alter_column("order_id", existing_type=_ID, nullable=True)
    # Times are UTC, days are Beijing's.
    sqlite = op.get_bind().dialect.name == "sqlite"
    day = "date(at, '+8 hours')" if sqlite else "DATE(at + INTERVAL 8 HOUR)"
    op.execute(f"UPDATE {_ENTRIES} SET day = {day}")  # noqa: S608 - nothing of it comes from outside
    with op.batch_alter_table(_ENTRIES) as batch_op:
        batch_op.alter_column("day", existing_type=sa.Date(), nullable=False)
        batch_op.create_index(
            batch_op.f("ix_ledger_entries_merchant_id_day"), ["merchant_id", "day"]
        )
    if _FOR_THE_KEY in {one["name"] for one in sa.inspect(op.get_bind()).get_indexes(_ENTRIES)}:
        op.drop_index(_FOR_THE_KEY, _ENTRIES)
    _terms()
    _days()
    _stores()
    op.create_table(
        "book_proofs",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("wrong", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_book_proofs")),
    )


def downgrade() -> None:
    for table in (
        "book_proofs",
        "payouts",
        "store_purses",
        "settlement_lines",
        "settlement_days",
        "coupon_terms",
        "settlement_terms",
    ):
        op.drop_table(table)
    with op.batch_alter_table(_ENTRIES) as batch_op:
        batch_op.create_index(_FOR_THE_KEY, ["merchant_id"])
        batch_op.drop_index(batch_op.f("ix_ledger_entries_merchant_id_day"))
        batch_op.drop_column("day")
        batch_op.alter_column("order_id", existing_type=_ID, nullable=False)


def _terms() -> None:
    op.create_table(
        "settlement_terms",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("commission_bp", _ID, nullable=False),
        sa.Column("coupon_platform_bp", _ID, nullable=False),
        sa.Column("set_by", Code(64), nullable=False),
        sa.Column("set_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "commission_bp >= 0 AND commission_bp <= 3000",
            name=op.f("ck_settlement_terms_commission"),
        ),
        sa.CheckConstraint(
            "coupon_platform_bp >= 0 AND coupon_platform_bp <= 10000",
            name=op.f("ck_settlement_terms_coupon"),
        ),
        _to("settlement_terms", "merchant_id", "merchants"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlement_terms")),
        sa.UniqueConstraint(
            "merchant_id", "since", name=op.f("uq_settlement_terms_merchant_id_since")
        ),
    )
    op.create_table(
        "coupon_terms",
        sa.Column("template_id", _ID, nullable=False),
        sa.Column("platform_bp", _ID, nullable=False),
        sa.CheckConstraint(
            "platform_bp >= 0 AND platform_bp <= 10000", name=op.f("ck_coupon_terms_platform")
        ),
        _to("coupon_terms", "template_id", "coupon_templates"),
        sa.PrimaryKeyConstraint("template_id", name=op.f("pk_coupon_terms")),
    )


def _days() -> None:
    op.create_table(
        "settlement_days",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        *(sa.Column(f"{name}_fen", _ID, nullable=False) for name in _FIGURES),
        sa.Column("opened_at", UTCDateTime(), nullable=False),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        _to("settlement_days", "merchant_id", "merchants"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlement_days")),
        sa.UniqueConstraint("merchant_id", "day", name=op.f("uq_settlement_days_merchant_id_day")),
    )
    op.create_table(
        "settlement_lines",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("settlement_day_id", _ID, nullable=False),
        sa.Column("store_id", _ID, nullable=True),
        sa.Column("account", Code(64), nullable=False),
        sa.Column("kind", Code(24), nullable=False),
        sa.Column("amount_fen", _ID, nullable=False),
        sa.Column("entries", _ID, nullable=False),
        _to("settlement_lines", "settlement_day_id", "settlement_days"),
        _to("settlement_lines", "store_id", "stores"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_settlement_lines")),
    )
    op.create_index(
        op.f("ix_settlement_lines_settlement_day_id_store_id"),
        "settlement_lines",
        ["settlement_day_id", "store_id"],
    )


def _stores() -> None:
    op.create_table(
        "store_purses",
        sa.Column("store_id", _ID, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("earned_fen", _ID, nullable=False),
        sa.Column("paid_fen", _ID, nullable=False),
        sa.CheckConstraint("paid_fen >= 0", name=op.f("ck_store_purses_paid")),
        _to("store_purses", "store_id", "stores"),
        _to("store_purses", "merchant_id", "merchants"),
        sa.PrimaryKeyConstraint("store_id", name=op.f("pk_store_purses")),
    )
    op.create_table(
        "payouts",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("store_id", _ID, nullable=False),
        sa.Column("amount_fen", _ID, nullable=False),
        sa.Column("voucher", Code(64), nullable=False),
        sa.Column("note", sa.String(120), nullable=False),
        sa.Column("by", Code(64), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("takes_back_id", _ID, nullable=True),
        sa.CheckConstraint("amount_fen <> 0", name=op.f("ck_payouts_amount")),
        _to("payouts", "merchant_id", "merchants"),
        _to("payouts", "store_id", "stores"),
        _to("payouts", "takes_back_id", "payouts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payouts")),
        sa.UniqueConstraint("merchant_id", "voucher", name=op.f("uq_payouts_merchant_id_voucher")),
        sa.UniqueConstraint("takes_back_id", name=op.f("uq_payouts_takes_back_id")),
    )
    op.create_index(op.f("ix_payouts_merchant_id_id"), "payouts", ["merchant_id", "id"])


def _to(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}"))
