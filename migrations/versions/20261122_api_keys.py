"""Keys of the open API.

Revision: 20261122_api_keys
Follows: 20261122_reply_rules
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_api_keys"
down_revision = "20261122_reply_rules"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("merchant_id", BIG, nullable=False),
        sa.Column("store_id", BIG, nullable=True),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("secret_hash", Code(64), nullable=False),
        sa.Column("hint", Code(8), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_by_id", BIG, nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("last_used_at", UTCDateTime(), nullable=True),
        sa.Column("revoked_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by_id"], ["staff.id"], name=op.f("fk_api_keys_created_by_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_api_keys_merchant_id")
        ),
        sa.ForeignKeyConstraint(["store_id"], ["stores.id"], name=op.f("fk_api_keys_store_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_api_keys_secret_hash")),
    )
    with op.batch_alter_table("api_keys") as batch_op:
        batch_op.create_index(batch_op.f("ix_api_keys_merchant_id"), ["merchant_id"], unique=False)


def downgrade() -> None:
    op.drop_table("api_keys")
