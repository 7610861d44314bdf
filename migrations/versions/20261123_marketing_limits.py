"""One liability cap over all campaigns; articles taken back; who is not written to, by the latest.

Revision: 20261123_marketing_limits
Follows: 20261123_records
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import UTCDateTime

revision = "20261123_marketing_limits"
down_revision = "20261123_records"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("marketing_rules", schema=None) as batch_op:
        batch_op.add_column(sa.Column("liability_fen", _ID, nullable=True))
        batch_op.add_column(sa.Column("gone_fen", _ID, nullable=False, server_default="0"))
    with op.batch_alter_table("marketing_rules", schema=None) as batch_op:
        batch_op.alter_column("gone_fen", existing_type=_ID, nullable=False, server_default=None)
    with op.batch_alter_table("broadcasts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("taken_back_at", UTCDateTime(), nullable=True))
    with op.batch_alter_table("mass_sends", schema=None) as batch_op:
        batch_op.add_column(sa.Column("taken_back_at", UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column("kept_errcode", sa.Integer(), nullable=True))
    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_suppressions_at"), ["at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_suppressions_at"))
    with op.batch_alter_table("mass_sends", schema=None) as batch_op:
        batch_op.drop_column("kept_errcode")
        batch_op.drop_column("taken_back_at")
    with op.batch_alter_table("broadcasts", schema=None) as batch_op:
        batch_op.drop_column("taken_back_at")
    with op.batch_alter_table("marketing_rules", schema=None) as batch_op:
        batch_op.drop_column("gone_fen")
        batch_op.drop_column("liability_fen")
