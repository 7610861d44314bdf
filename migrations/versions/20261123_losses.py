"""What was booked as lost for a discrepancy stands beside it; held stored value is found by its state.

Revision: 20261123_losses
Follows: 20261123_imported_balances
"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_losses"
down_revision = "20261123_imported_balances"
branch_labels = None
depends_on = None


_FEN = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("discrepancies", schema=None) as batch_op:
        batch_op.add_column(sa.Column("lost_fen", _FEN, nullable=False, server_default="0"))
    bind = op.get_bind()
    sqlite = bind.dialect.name == "sqlite"
    cause = "'loss:' || discrepancies.id" if sqlite else "concat('loss:', discrepancies.id)"
    bind.execute(
        sa.text(
            "UPDATE discrepancies SET lost_fen = COALESCE((SELECT SUM(e.amount_fen)"  # noqa: S608  nothing in it comes from outside
            f" FROM ledger_entries e WHERE e.cause = {cause} AND e.account LIKE 'loss:%'), 0)"
            " WHERE state = 'accepted'"
        )
    )
    with op.batch_alter_table("discrepancies", schema=None) as batch_op:
        batch_op.alter_column("lost_fen", server_default=None, existing_type=_FEN)
    op.create_index(op.f("ix_balance_holds_state_id"), "balance_holds", ["state", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_balance_holds_state_id"), "balance_holds")
    with op.batch_alter_table("discrepancies", schema=None) as batch_op:
        batch_op.drop_column("lost_fen")
