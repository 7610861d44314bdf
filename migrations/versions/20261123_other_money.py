"""A statement has a column for whatever else moved money at the channels.

Revision: 20261123_other_money
Follows: 20261123_payments_listed
"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_other_money"
down_revision = "20261123_payments_listed"
branch_labels = None
depends_on = None

REFUSES = {
    "what moved a day's money otherwise": "SELECT 1 FROM settlement_days WHERE other_fen <> 0",
}

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("settlement_days") as batch_op:
        batch_op.add_column(sa.Column("other_fen", _NUMBER, nullable=False, server_default="0"))


def downgrade() -> None:
    with op.batch_alter_table("settlement_days") as batch_op:
        batch_op.drop_column("other_fen")
