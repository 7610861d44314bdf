"""Bills come several to an order, and attempts say through which account and in which way.

Downwards: an order with several bills, or one that was paid in a way the older code does not know,
cannot be told any more. What was opened is asked for again under the same number.

Revision: 20261123_channels
Follows: 20261123_parts_back
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from migrations.types import Code

revision = "20261123_channels"
down_revision = "20261123_parts_back"
branch_labels = None
depends_on = None

REFUSES = {
    "several bills of an order": "SELECT 1 FROM bills WHERE seq > 1",
    "payments in ways other than WeChat's mini-program": "SELECT 1 FROM payment_attempts"
    " WHERE channel NOT IN ('wechat', 'none') OR (channel = 'wechat' AND way <> 'mini')",
    "payments of which stored value paid a part": "SELECT 1 FROM payment_attempts"
    " WHERE balance_fen > 0",
}

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _code(length: int) -> sa.types.TypeEngine[str]:
    on_servers = mysql.VARCHAR(length, collation="utf8mb4_bin")
    return sa.String(length).with_variant(on_servers, "mysql", "mariadb")


# By plain types: Alembic renames no column of a decorated one.
_MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
_RENAMED = (
    ("mchid", "account", _code(32), False),
    ("openid", "payer", _code(64), False),
    # What was opened before counts as stale: it is asked for again under the same number.
    ("prepaid_at", "fresh_until", _MOMENT, True),
)
_PARTS = "balance_fen >= 0 AND channel_fen >= 0 AND balance_fen + channel_fen = amount_fen"


def upgrade() -> None:
    with op.batch_alter_table("bills") as batch_op:
        batch_op.add_column(sa.Column("seq", _NUMBER, nullable=False, server_default="1"))
        batch_op.add_column(sa.Column("kind", Code(24), nullable=False, server_default="whole"))
        batch_op.create_unique_constraint(batch_op.f("uq_bills_order_id_seq"), ["order_id", "seq"])
    with op.batch_alter_table("bills") as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_bills_order_id"), type_="unique")
    with op.batch_alter_table("payment_attempts") as batch_op:
        batch_op.add_column(sa.Column("way", Code(24), nullable=True))
        batch_op.add_column(sa.Column("balance_fen", _NUMBER, nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("channel_fen", _NUMBER, nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("opening", sa.JSON(), nullable=True))
        for old, new, kind, nullable in _RENAMED:
            batch_op.alter_column(
                old, new_column_name=new, existing_type=kind, existing_nullable=nullable
            )
    op.execute("UPDATE payment_attempts SET channel_fen = amount_fen")
    op.execute("UPDATE payment_attempts SET way = 'mini' WHERE channel = 'wechat'")
    op.execute(
        "UPDATE payment_attempts SET opening = json_object('prepay_id', prepay_id)"
        " WHERE prepay_id IS NOT NULL"
    )
    with op.batch_alter_table("payment_attempts") as batch_op:
        batch_op.create_check_constraint(batch_op.f("ck_payment_attempts_parts"), _PARTS)
        batch_op.drop_column("prepay_id")


def downgrade() -> None:
    prepay_id = "json_extract(opening, '$.prepay_id')"
    if op.get_bind().dialect.name != "sqlite":
        prepay_id = f"json_unquote({prepay_id})"
    with op.batch_alter_table("payment_attempts") as batch_op:
        batch_op.add_column(sa.Column("prepay_id", Code(64), nullable=True))
        batch_op.drop_constraint(batch_op.f("ck_payment_attempts_parts"), type_="check")
        for old, new, kind, nullable in _RENAMED:
            batch_op.alter_column(
                new, new_column_name=old, existing_type=kind, existing_nullable=nullable
            )
    op.execute(f"UPDATE payment_attempts SET prepay_id = {prepay_id}, prepaid_at = NULL")  # noqa: S608
    with op.batch_alter_table("payment_attempts") as batch_op:
        for name in ("opening", "channel_fen", "balance_fen", "way"):
            batch_op.drop_column(name)
    with op.batch_alter_table("bills") as batch_op:
        batch_op.create_unique_constraint(batch_op.f("uq_bills_order_id"), ["order_id"])
    with op.batch_alter_table("bills") as batch_op:
        batch_op.drop_constraint(batch_op.f("uq_bills_order_id_seq"), type_="unique")
        batch_op.drop_column("kind")
        batch_op.drop_column("seq")
