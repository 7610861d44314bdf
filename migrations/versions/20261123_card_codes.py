"""The number that a coupon's card in WeChat's card pack was made under.

Revision: 20261123_card_codes
Follows: 20261123_costs
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code

revision = "20261123_card_codes"
down_revision = "20261123_costs"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("pack_cards") as batch_op:
        batch_op.add_column(sa.Column("code", Code(32), nullable=True))
    op.execute(
        "UPDATE pack_cards SET code = "
        "(SELECT coupons.code FROM coupons WHERE coupons.id = pack_cards.coupon_id)"
    )
    with op.batch_alter_table("pack_cards") as batch_op:
        batch_op.alter_column("code", existing_type=Code(32), nullable=False)
        batch_op.create_index(op.f("ix_pack_cards_code"), ["code"])


def downgrade() -> None:
    with op.batch_alter_table("pack_cards") as batch_op:
        batch_op.drop_index(op.f("ix_pack_cards_code"))
        batch_op.drop_column("code")
