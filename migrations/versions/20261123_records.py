"""Records of callbacks are found by person; a menu says since when it is being published.

Revision: 20261123_records
Follows: 20261123_campaign_changers
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_records"
down_revision = "20261123_campaign_changers"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_inbound_events_source_id": ["source", "id"],
    "ix_inbound_events_source_kind_id": ["source", "kind", "id"],
    "ix_inbound_events_source_openid_id": ["source", "openid", "id"],
}


def upgrade() -> None:
    op.add_column("inbound_events", sa.Column("openid", Code(64), nullable=True))
    op.add_column("menu_versions", sa.Column("publishing_since", UTCDateTime(), nullable=True))
    for name, columns in _INDEXES.items():
        op.create_index(op.f(name), "inbound_events", columns)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(op.f(name), table_name="inbound_events")
    op.drop_column("menu_versions", "publishing_since")
    op.drop_column("inbound_events", "openid")
