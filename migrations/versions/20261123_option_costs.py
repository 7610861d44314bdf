"""What an option costs the merchant: optional, as of goods.

Revision: 20261123_option_costs
Follows: 20261123_card_stocks
"""

import sqlalchemy as sa
from alembic import op

revision = "20261123_option_costs"
down_revision = "20261123_card_stocks"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("options", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cost_fen", _BIG, nullable=True))
        batch_op.create_check_constraint(batch_op.f("ck_options_cost"), "cost_fen >= 0")


def downgrade() -> None:
    with op.batch_alter_table("options", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_options_cost"), type_="check")
        batch_op.drop_column("cost_fen")
