"""Returns of shares that were settled otherwise are closed by hand.

Revision: 20261123_returns_closed
Follows: 20261123_returns_seen
"""

from alembic import op

revision = "20261123_returns_closed"
down_revision = "20261123_returns_seen"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A state more; nothing is in it yet."""


def downgrade() -> None:
    # The older code knows none that was closed: it failed, which it did.
    op.execute("UPDATE sharing_returns SET state = 'failed' WHERE state = 'closed'")
