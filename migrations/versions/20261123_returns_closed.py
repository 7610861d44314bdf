"""Returns of shares that were settled otherwise are closed by hand.

Revision: 20261123_returns_closed
Follows: 20261123_returns_seen
"""

revision = "20261123_returns_closed"
down_revision = "20261123_returns_seen"
branch_labels = None
depends_on = None

REFUSES = {
    "returns of shares that were settled otherwise": "SELECT 1 FROM sharing_returns"
    " WHERE state = 'closed'",
}


def upgrade() -> None:
    """A state more; nothing is in it yet."""


def downgrade() -> None:
    """Refused where something is."""
