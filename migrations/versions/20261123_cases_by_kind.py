"""Differences of one kind are found without walking through all others.

Revision: 20261123_cases_by_kind
Follows: 20261123_returns_closed
"""

from alembic import op

revision = "20261123_cases_by_kind"
down_revision = "20261123_returns_closed"
branch_labels = None
depends_on = None

NAME = "ix_discrepancies_merchant_id_kind_state_id"


def upgrade() -> None:
    op.create_index(op.f(NAME), "discrepancies", ["merchant_id", "kind", "state", "id"])


def downgrade() -> None:
    op.drop_index(op.f(NAME), "discrepancies")
