"""What was sold as stored value is owed in the ledger, and no sale before it is spent.

It was booked as sales. Nothing could be paid with it until now, so what a top-up's lot holds is all
that is owed of it; what has left the lot and is not refunded yet waits to go.

Revision: 20261123_stored_value
Follows: 20261123_refund_lines
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

from migrations.types import UTCDateTime

revision = "20261123_stored_value"
down_revision = "20261123_refund_lines"
branch_labels = None
depends_on = None

REFUSES = {
    "what the ledger has of stored value": "SELECT 1 FROM ledger_entries"
    " WHERE (account LIKE 'balance:%' OR account LIKE 'bonus:%') AND cause NOT LIKE 'stored:%'",
    "statements of days that have stored value in them": "SELECT 1 FROM ledger_entries e"
    " JOIN settlement_days d ON d.merchant_id = e.merchant_id AND d.day = e.day"
    " WHERE e.cause LIKE 'stored:%' AND d.state = 'closed'",
}

_PAID = "(o.paid_fen - o.refunded_fen)"
_POSTED = (
    ("sales", _PAID),
    ("balance", "-l.principal_fen - l.bonus_fen"),
    ("bonus", "l.bonus_fen"),
    ("unclaimed", f"l.principal_fen - {_PAID}"),
)


def upgrade() -> None:
    bind = op.get_bind()
    # Closed days stay as they are: it counts for today.
    now = datetime.now(UTC).replace(tzinfo=None)
    day = (now + timedelta(hours=8)).date()
    concat = "'{0}' || {1}" if bind.dialect.name == "sqlite" else "concat('{0}', {1})"
    for account, amount in _POSTED:
        cause, name = (
            concat.format("stored:", "o.id"),
            concat.format(f"{account}:", "o.merchant_id"),
        )
        bind.execute(
            sa.text(
                "INSERT INTO ledger_entries"  # noqa: S608  nothing in it comes from outside
                " (cause, account, amount_fen, currency, merchant_id, order_id, day, at)"
                f" SELECT {cause}, {name}, {amount}, 'CNY', o.merchant_id, o.id, :day, :now"
                " FROM orders o JOIN balance_lots l ON l.order_id = o.id"
                f" WHERE o.kind = 'top_up' AND o.paid_at IS NOT NULL AND {amount} <> 0"
            ).bindparams(
                sa.bindparam("now", now, UTCDateTime()), sa.bindparam("day", day, sa.Date())
            )
        )


def downgrade() -> None:
    """As the older code books it: as sales."""
    op.execute("DELETE FROM ledger_entries WHERE cause LIKE 'stored:%'")
