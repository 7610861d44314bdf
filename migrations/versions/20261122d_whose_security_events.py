"""A security event says which merchant it is about; an audit log can be read by who acted.

Revision: 20261122_events
Follows: 20261122_bills
"""

import sqlalchemy as sa
from alembic import op

revision = "20261122_events"
down_revision = "20261122_bills"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("security_events", sa.Column("merchant_id", number, nullable=True))
    op.create_index("ix_security_events_merchant_id_id", "security_events", ["merchant_id", "id"])
    columns = ["merchant_id", "actor", "id"]
    op.create_index("ix_audit_entries_merchant_id_actor_id", "audit_entries", columns)


def downgrade() -> None:
    op.drop_index("ix_audit_entries_merchant_id_actor_id", "audit_entries")
    op.drop_index("ix_security_events_merchant_id_id", "security_events")
    op.drop_column("security_events", "merchant_id")
