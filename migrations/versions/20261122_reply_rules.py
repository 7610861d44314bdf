"""Automatic answers by pattern, hour and weekday, of several parts; the chat log keeps pictures.

Revision: 20261122_reply_rules
Follows: 20261122_campaign_sending
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code

revision = "20261122_reply_rules"
down_revision = "20261122_campaign_sending"
branch_labels = None
depends_on = None

_NEW = (
    ("match", Code(24), "contains"),
    ("priority", sa.Integer(), 0),
    ("weekdays", sa.Integer(), 127),
    ("from_minute", sa.Integer(), 0),
    ("until_minute", sa.Integer(), 1440),
    ("enabled", sa.Boolean(), True),
)


def upgrade() -> None:
    with op.batch_alter_table("reply_rules") as batch_op:
        for name, kind, _ in _NEW:
            batch_op.add_column(sa.Column(name, kind, nullable=True))
        batch_op.add_column(sa.Column("parts", sa.JSON(), nullable=True))
        batch_op.drop_constraint("uq_reply_rules_appid_kind_word", type_="unique")
        batch_op.alter_column("word", existing_type=Code(64), type_=Code(200), nullable=False)
    rules = _table()
    connection = op.get_bind()
    for row in connection.execute(sa.select(rules.c.id, rules.c.text)).all():
        made = {"parts": [{"type": "text", "text": row.text}]}
        values = made | {name: value for name, _, value in _NEW}
        connection.execute(sa.update(rules).where(rules.c.id == row.id).values(**values))
    with op.batch_alter_table("reply_rules") as batch_op:
        for name, kind, _ in _NEW:
            batch_op.alter_column(name, existing_type=kind, nullable=False)
        batch_op.alter_column("parts", existing_type=sa.JSON(), nullable=False)
        batch_op.drop_column("text")
        batch_op.create_index("ix_reply_rules_appid_kind_word", ["appid", "kind", "word"])
    with op.batch_alter_table("chat_messages") as batch_op:
        batch_op.add_column(sa.Column("data", sa.JSON(), nullable=True))


def downgrade() -> None:
    """What is no plain rule of one text has no place in the old table and goes."""
    with op.batch_alter_table("chat_messages") as batch_op:
        batch_op.drop_column("data")
    with op.batch_alter_table("reply_rules") as batch_op:
        batch_op.add_column(sa.Column("text", sa.String(length=1000), nullable=True))
        batch_op.drop_index("ix_reply_rules_appid_kind_word")
    rules = _table()
    connection = op.get_bind()
    seen: set[tuple[str, str, str]] = set()
    wanted = sa.select(rules.c.id, rules.c.appid, rules.c.kind, rules.c.word, rules.c.parts)
    for row in connection.execute(wanted.order_by(rules.c.id)).all():
        key = (row.appid, row.kind, row.word)
        text = row.parts[0].get("text") if row.parts else None
        mine = rules.c.id == row.id
        if text is None or key in seen or len(row.word) > 64:
            connection.execute(sa.delete(rules).where(mine))
            continue
        seen.add(key)
        connection.execute(sa.update(rules).where(mine).values(text=text))
    with op.batch_alter_table("reply_rules") as batch_op:
        for name, _, _ in _NEW:
            batch_op.drop_column(name)
        batch_op.drop_column("parts")
        batch_op.alter_column(
            "text", existing_type=sa.String(length=1000), type_=sa.String(1000), nullable=False
        )
        batch_op.alter_column("word", existing_type=Code(200), type_=Code(64), nullable=False)
        batch_op.create_unique_constraint(
            "uq_reply_rules_appid_kind_word", ["appid", "kind", "word"]
        )


def _table() -> sa.TableClause:
    return sa.table(
        "reply_rules",
        sa.column("id", sa.BigInteger()),
        sa.column("appid", Code(64)),
        sa.column("kind", Code(16)),
        sa.column("word", Code(200)),
        sa.column("text", sa.String(1000)),
        sa.column("parts", sa.JSON()),
        *(sa.column(name, kind) for name, kind, _ in _NEW),
    )
