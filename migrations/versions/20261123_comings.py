"""Whether somebody came into a segment or was found in it by the first look.

Revision: 20261123_comings
Follows: 20261123_card_packs
"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_comings"
down_revision = "20261123_card_packs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("segment_members") as batch_op:
        batch_op.add_column(
            sa.Column("came", sa.Boolean(), nullable=False, server_default=sa.true())
        )
    with op.batch_alter_table("segment_members") as batch_op:
        batch_op.alter_column(
            "came", existing_type=sa.Boolean(), nullable=False, server_default=None
        )


def downgrade() -> None:
    with op.batch_alter_table("segment_members") as batch_op:
        batch_op.drop_column("came")
