"""A card in WeChat's card pack knows the batch it was sent of: another may be given out of since.

Revision: 20261123_card_stocks
Follows: 20261123_broadcast_walks
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code

revision = "20261123_card_stocks"
down_revision = "20261123_broadcast_walks"
branch_labels = None
depends_on = None

CARDS = sa.table(
    "pack_cards",
    sa.column("template_id"),
    sa.column("state"),
    sa.column("product_id"),
    sa.column("stock_id"),
)
KINDS = sa.table(
    "pack_templates", sa.column("template_id"), sa.column("product_id"), sa.column("stock_id")
)


def upgrade() -> None:
    for name in ("product_id", "stock_id"):
        op.add_column("pack_cards", sa.Column(name, Code(40), nullable=False, server_default=""))
    its = [
        sa.select(column).where(KINDS.c.template_id == CARDS.c.template_id).scalar_subquery()
        for column in (KINDS.c.product_id, KINDS.c.stock_id)
    ]
    sent = CARDS.c.state != "unsent"
    op.execute(CARDS.update().where(sent).values(product_id=its[0], stock_id=its[1]))
    with op.batch_alter_table("pack_cards") as table:
        for name in ("product_id", "stock_id"):
            table.alter_column(name, existing_type=Code(40), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("pack_cards") as table:
        table.drop_column("stock_id")
        table.drop_column("product_id")
