"""Returns of shares that failed are found by their state.

Revision: 20261123_returns_seen
Follows: 20261123_split_links
"""

from alembic import op

revision = "20261123_returns_seen"
down_revision = "20261123_split_links"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_sharing_returns_state_id"), "sharing_returns", ["state", "id"])


def downgrade() -> None:
    # The older code knows no receiver that was refused: it is wanted, with the word why it is not.
    op.execute("UPDATE sharing_receivers SET state = 'wanted' WHERE state = 'refused'")
    op.drop_index(op.f("ix_sharing_returns_state_id"), "sharing_returns")
