"""Days that are reconciled with the channels: their bills' rows, their totals, what did not agree.

Revision: 20261123_statements
Follows: 20261123_stored_value
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_statements"
down_revision = "20261123_stored_value"
branch_labels = None
depends_on = None

REFUSES = {
    "bills of channels and what did not agree with them": "SELECT 1 FROM statement_days",
}

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TOTALS = (
    *("bill_payments", "bill_paid_fen", "bill_refunds", "bill_refunded_fen", "fee_fen"),
    *("payments", "paid_fen", "refunds", "refunded_fen", "orders", "ordered_fen"),
)


def upgrade() -> None:
    op.create_table(
        "statement_days",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("channel", Code(16), nullable=False),
        sa.Column("account", Code(32), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", Code(24), nullable=False),
        sa.Column("merchant_id", _ID, nullable=True),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("error", Code(64), nullable=False),
        sa.Column("hash", Code(64), nullable=False),
        sa.Column("rows", _ID, nullable=False),
        sa.Column("paid_fen", _ID, nullable=False),
        sa.Column("refunded_fen", _ID, nullable=False),
        sa.Column("fee_fen", _ID, nullable=False),
        sa.Column("settled_fen", _ID, nullable=False),
        sa.Column("other_fen", _ID, nullable=False),
        sa.Column("fetched_at", UTCDateTime(), nullable=True),
        sa.Column("matched_at", UTCDateTime(), nullable=True),
        sa.Column("told_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_statement_days_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_days")),
        sa.UniqueConstraint(
            "channel",
            "account",
            "day",
            "kind",
            name=op.f("uq_statement_days_channel_account_day_kind"),
        ),
    )
    op.create_index(
        op.f("ix_statement_days_merchant_id_day"), "statement_days", ["merchant_id", "day"]
    )
    op.create_index(op.f("ix_statement_days_state_day"), "statement_days", ["state", "day"])
    op.create_table(
        "statement_lines",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("day_id", _ID, nullable=False),
        sa.Column("kind", Code(8), nullable=False),
        sa.Column("channel_no", Code(64), nullable=False),
        sa.Column("our_no", Code(64), nullable=False),
        sa.Column("payment_no", Code(64), nullable=False),
        sa.Column("amount_fen", _ID, nullable=False),
        sa.Column("settled_fen", _ID, nullable=False),
        sa.Column("fee_fen", _ID, nullable=False),
        sa.Column("rate", _ID, nullable=True),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["day_id"], ["statement_days.id"], name=op.f("fk_statement_lines_day_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_lines")),
        sa.UniqueConstraint(
            "day_id", "kind", "channel_no", name=op.f("uq_statement_lines_day_id_kind_channel_no")
        ),
    )
    op.create_index(
        op.f("ix_statement_lines_day_id_our_no"), "statement_lines", ["day_id", "our_no"]
    )
    op.create_table(
        "statement_totals",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("day_id", _ID, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        *(sa.Column(name, _ID, nullable=False) for name in _TOTALS),
        sa.ForeignKeyConstraint(
            ["day_id"], ["statement_days.id"], name=op.f("fk_statement_totals_day_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_statement_totals_merchant_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement_totals")),
        sa.UniqueConstraint(
            "day_id", "merchant_id", name=op.f("uq_statement_totals_day_id_merchant_id")
        ),
    )
    op.create_index(op.f("ix_statement_totals_merchant_id"), "statement_totals", ["merchant_id"])
    op.create_table(
        "discrepancies",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("day_id", _ID, nullable=False),
        sa.Column("merchant_id", _ID, nullable=True),
        sa.Column("kind", Code(24), nullable=False),
        sa.Column("about", Code(24), nullable=False),
        sa.Column("ref", Code(64), nullable=False),
        sa.Column("line_id", _ID, nullable=True),
        sa.Column("attempt_id", _ID, nullable=True),
        sa.Column("refund_id", _ID, nullable=True),
        sa.Column("order_id", _ID, nullable=True),
        sa.Column("ours_fen", _ID, nullable=True),
        sa.Column("theirs_fen", _ID, nullable=True),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("found_at", UTCDateTime(), nullable=False),
        sa.Column("closed_at", UTCDateTime(), nullable=True),
        sa.Column("act", Code(24), nullable=False),
        sa.Column("actor", Code(64), nullable=False),
        sa.Column("note", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(
            ["day_id"], ["statement_days.id"], name=op.f("fk_discrepancies_day_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_discrepancies_merchant_id")
        ),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["payment_attempts.id"], name=op.f("fk_discrepancies_attempt_id")
        ),
        sa.ForeignKeyConstraint(
            ["refund_id"], ["refunds.id"], name=op.f("fk_discrepancies_refund_id")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_discrepancies_order_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discrepancies")),
        sa.UniqueConstraint(
            "day_id", "kind", "about", "ref", name=op.f("uq_discrepancies_day_id_kind_about_ref")
        ),
    )
    op.create_index(
        op.f("ix_discrepancies_merchant_id_state_id"),
        "discrepancies",
        ["merchant_id", "state", "id"],
    )
    op.create_index(
        op.f("ix_payment_attempts_account_settled_at"),
        "payment_attempts",
        ["account", "settled_at"],
    )
    op.create_index(op.f("ix_refunds_settled_at"), "refunds", ["settled_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_refunds_settled_at"), "refunds")
    op.drop_index(op.f("ix_payment_attempts_account_settled_at"), "payment_attempts")
    for table in ("discrepancies", "statement_totals", "statement_lines", "statement_days"):
        op.drop_table(table)
