"""Drop what nobody reads: a hold's end, a SKU's foreign code, a promotion's state, an index.

Plain DROP COLUMN, not a copy of the table: on SQLite the copy would break the keys that point at
it. On the way down a hold ends when its order did.

Revision: 20261122_unread
Follows: 20261122_first
"""

import sqlalchemy as sa
from alembic import op

from core.database import Code, UTCDateTime

revision = "20261122_unread"
down_revision = "20261122_first"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_inbound_events_received_at", "inbound_events")
    op.drop_column("stock_holds", "expires_at")
    op.drop_index("ix_skus_external_code", "skus")
    op.drop_column("skus", "external_code")
    op.create_index("ix_promotions_merchant_id_ends_at", "promotions", ["merchant_id", "ends_at"])
    op.drop_index("ix_promotions_merchant_id_state_ends_at", "promotions")
    op.drop_column("promotions", "state")


def downgrade() -> None:
    active = sa.Column("state", Code(24), nullable=False, server_default="active")
    op.add_column("promotions", active)
    op.create_index(
        "ix_promotions_merchant_id_state_ends_at", "promotions", ["merchant_id", "state", "ends_at"]
    )
    op.drop_index("ix_promotions_merchant_id_ends_at", "promotions")
    op.add_column("skus", sa.Column("external_code", Code(64), nullable=True))
    op.create_index("ix_skus_external_code", "skus", ["external_code"])
    never = sa.Column(
        "expires_at", UTCDateTime(), nullable=False, server_default="1970-01-01 00:00:00"
    )
    op.add_column("stock_holds", never)
    op.execute(
        "UPDATE stock_holds SET expires_at ="
        " (SELECT orders.expires_at FROM orders WHERE orders.id = stock_holds.order_id)"
    )
    op.create_index("ix_inbound_events_received_at", "inbound_events", ["received_at"])
