"""The people of a broadcast are walked by their ids, slice after slice.

Revision: 20261123_broadcast_walks
Follows: 20261123_ledgers_by_time
"""

from alembic import op

revision = "20261123_broadcast_walks"
down_revision = "20261123_ledgers_by_time"
branch_labels = None
depends_on = None


def upgrade() -> None:

    with op.batch_alter_table("broadcast_recipients") as batch:
        batch.create_index(op.f("ix_broadcast_recipients_broadcast_id_id"), ["broadcast_id", "id"])


def downgrade() -> None:

    with op.batch_alter_table("broadcast_recipients") as batch:
        batch.drop_index(op.f("ix_broadcast_recipients_broadcast_id_id"))
