"""What a chat of staff is in the middle of, and how a person is found by the end of a number.

Revision: 20261122_chat_dialogues
Follows: 20261122_coupon_reminders
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_chat_dialogues"
down_revision = "20261122_coupon_reminders"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "chat_dialogues",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("appid", Code(64), nullable=False),
        sa.Column("openid", Code(64), nullable=False),
        sa.Column("kind", Code(32), nullable=False),
        sa.Column("token", Code(64), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chat_dialogues")),
        sa.UniqueConstraint("appid", "openid", name=op.f("uq_chat_dialogues_appid_openid")),
    )
    with op.batch_alter_table("persons", schema=None) as batch_op:
        batch_op.add_column(sa.Column("phone_tail", Code(64), nullable=True))
        batch_op.create_index(batch_op.f("ix_persons_phone_tail"), ["phone_tail"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("persons", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_persons_phone_tail"))
        batch_op.drop_column("phone_tail")

    op.drop_table("chat_dialogues")
