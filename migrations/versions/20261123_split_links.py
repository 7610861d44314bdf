"""An order's shares are paid by others, through a link.

Revision: 20261123_split_links
Follows: 20261123_losses
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_split_links"
down_revision = "20261123_losses"
branch_labels = None
depends_on = None

REFUSES = {
    "who paid a share of somebody else's order": "SELECT 1 FROM payment_attempts"
    " WHERE member_id IS NOT NULL",
    "links to shares": "SELECT 1 FROM split_links",
}

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "split_links",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("order_id", _ID, nullable=False),
        sa.Column("token", Code(32), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_split_links_order_id_orders")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_split_links")),
        sa.UniqueConstraint("order_id", name=op.f("uq_split_links_order_id")),
        sa.UniqueConstraint("token", name=op.f("uq_split_links_token")),
    )
    with op.batch_alter_table("payment_attempts") as batch_op:
        batch_op.add_column(sa.Column("member_id", _ID, nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_payment_attempts_member_id_members"), "members", ["member_id"], ["id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("payment_attempts") as batch_op:
        batch_op.drop_constraint(
            batch_op.f("fk_payment_attempts_member_id_members"), type_="foreignkey"
        )
        batch_op.drop_column("member_id")
    op.drop_table("split_links")
