"""What members brought from another system is in the ledger like what they topped up here.

Revision: 20261123_imported_balances
Follows: 20261123_bills_due
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "20261123_imported_balances"
down_revision = "20261123_bills_due"
branch_labels = None
depends_on = None

# What this step posted itself stands there later than it was imported, and may go.
REFUSES = {
    "what the ledger has of imported stored value": "SELECT 1 FROM ledger_entries l"
    " JOIN balance_entries b ON b.cause = l.cause WHERE b.kind = 'imported' AND l.at = b.at",
    "statements of days that have imported stored value in them": "SELECT 1 FROM ledger_entries l"
    " JOIN balance_entries b ON b.cause = l.cause"
    " JOIN settlement_days d ON d.merchant_id = l.merchant_id AND d.day = l.day"
    " WHERE b.kind = 'imported' AND d.state = 'closed'",
}

BROUGHT = sa.table(
    "balance_entries",
    sa.column("merchant_id", sa.Integer),
    sa.column("kind", sa.String),
    sa.column("cause", sa.String),
    sa.column("principal_fen", sa.Integer),
    sa.column("bonus_fen", sa.Integer),
)
LEDGER = sa.table(
    "ledger_entries",
    sa.column("cause", sa.String),
    sa.column("account", sa.String),
    sa.column("amount_fen", sa.Integer),
    sa.column("currency", sa.String),
    sa.column("merchant_id", sa.Integer),
    sa.column("day", sa.Date),
    sa.column("at", sa.DateTime),
)


def upgrade() -> None:
    """Posted today: the days before may be closed."""
    now = datetime.now(UTC).replace(tzinfo=None)
    today = (now + timedelta(hours=8)).date()
    brought = BROUGHT.c
    for kind, fen in (
        ("balance", -brought.principal_fen - brought.bonus_fen),
        ("bonus", brought.bonus_fen),
        ("imported", brought.principal_fen),
    ):
        account = sa.literal(f"{kind}:", sa.String(10)) + sa.cast(
            brought.merchant_id, sa.String(20)
        )
        found = sa.select(
            brought.cause,
            account,
            fen,
            sa.literal("CNY", sa.String(3)),
            brought.merchant_id,
            sa.literal(today, sa.Date),
            sa.literal(now, sa.DateTime),
        ).where(brought.kind == "imported", fen != 0)
        op.execute(LEDGER.insert().from_select(list(LEDGER.c.keys()), found))


def downgrade() -> None:
    causes = sa.select(BROUGHT.c.cause).where(BROUGHT.c.kind == "imported")
    op.execute(LEDGER.delete().where(LEDGER.c.cause.in_(causes)))
