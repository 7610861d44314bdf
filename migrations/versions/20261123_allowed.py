"""Campaigns and coupon batches know when somebody last let them give.

Revision: 20261123_allowed
Follows: 20261123_loyalty_revision
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import UTCDateTime

revision = "20261123_allowed"
down_revision = "20261123_loyalty_revision"
branch_labels = None
depends_on = None

MOMENT = UTCDateTime()
_COLUMNS = ("launched_at", "created_at", "allowed_at")
CAMPAIGNS = sa.table("campaigns", *(sa.column(name, MOMENT) for name in _COLUMNS))
BATCHES = sa.table("coupon_batches", *(sa.column(name, MOMENT) for name in _COLUMNS))


def upgrade() -> None:
    for table in ("campaigns", "coupon_batches"):
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("allowed_at", MOMENT, nullable=True))
    op.execute(CAMPAIGNS.update().values(allowed_at=CAMPAIGNS.c.launched_at))
    op.execute(BATCHES.update().values(allowed_at=BATCHES.c.created_at))
    with op.batch_alter_table("coupon_batches") as batch:
        batch.alter_column("allowed_at", existing_type=MOMENT, nullable=False)


def downgrade() -> None:
    for table in ("coupon_batches", "campaigns"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("allowed_at")
