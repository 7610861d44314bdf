"""Who changed a campaign last: that person does not agree to it themselves.

Revision: 20261123_campaign_changers
Follows: 20261123_rations
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code

revision = "20261123_campaign_changers"
down_revision = "20261123_rations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("campaigns", schema=None) as batch_op:
        batch_op.add_column(sa.Column("changed_by", Code(64), nullable=False, server_default=""))


def downgrade() -> None:
    with op.batch_alter_table("campaigns", schema=None) as batch_op:
        batch_op.drop_column("changed_by")
