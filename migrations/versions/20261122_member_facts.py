"""Facts about members that segments ask: lines bought, visits, places, scores.

Revision: 20261122_member_facts
Follows: 20261122_coupon_states
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import UTCDateTime

revision = "20261122_member_facts"
down_revision = "20261122_coupon_states"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "purchase_lines",
        sa.Column("order_id", _BIG, nullable=False),
        sa.Column("position", _BIG, nullable=False),
        sa.Column("member_id", _BIG, nullable=False),
        sa.Column("product_id", _BIG, nullable=False),
        sa.Column("category_id", _BIG, nullable=False),
        sa.Column("paid_at", UTCDateTime(), nullable=False),
        sa.Column("quantity", _BIG, nullable=False),
        sa.Column("amount_fen", _BIG, nullable=False),
        sa.Column("counted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["category_id"], ["categories.id"], name=op.f("fk_purchase_lines_category_id")
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_purchase_lines_member_id")
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("fk_purchase_lines_order_id")
        ),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("fk_purchase_lines_product_id")
        ),
        sa.PrimaryKeyConstraint("order_id", "position", name=op.f("pk_purchase_lines")),
    )
    with op.batch_alter_table("purchase_lines", schema=None) as batch_op:
        for what in ("product", "category"):
            batch_op.create_index(
                f"ix_purchase_lines_{what}",
                [f"{what}_id", "counted", "paid_at", "member_id", "quantity", "amount_fen"],
                unique=False,
            )
        batch_op.create_index(
            batch_op.f("ix_purchase_lines_member_id"), ["member_id"], unique=False
        )
    op.create_table(
        "member_visits",
        sa.Column("member_id", _BIG, nullable=False),
        sa.Column("store_id", _BIG, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("hour", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_member_visits_member_id")
        ),
        sa.ForeignKeyConstraint(
            ["store_id"], ["stores.id"], name=op.f("fk_member_visits_store_id")
        ),
        sa.PrimaryKeyConstraint("member_id", "store_id", "day", name=op.f("pk_member_visits")),
    )
    with op.batch_alter_table("member_visits", schema=None) as batch_op:
        batch_op.create_index(
            "ix_member_visits_store", ["store_id", "at", "member_id"], unique=False
        )
    op.create_table(
        "member_places",
        sa.Column("member_id", _BIG, nullable=False),
        sa.Column("lat", sa.Double(), nullable=False),
        sa.Column("lng", sa.Double(), nullable=False),
        sa.Column("seen_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_member_places_member_id")
        ),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_member_places")),
    )
    op.create_table(
        "member_scores",
        sa.Column("member_id", _BIG, nullable=False),
        sa.Column("merchant_id", _BIG, nullable=False),
        sa.Column("recency", sa.SmallInteger(), nullable=False),
        sa.Column("frequency", sa.SmallInteger(), nullable=False),
        sa.Column("monetary", sa.SmallInteger(), nullable=False),
        sa.Column("scored_at", UTCDateTime(), nullable=False),
        sa.CheckConstraint(
            "recency BETWEEN 1 AND 5 AND frequency BETWEEN 1 AND 5 AND monetary BETWEEN 1 AND 5",
            name=op.f("ck_member_scores_fifths"),
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_member_scores_member_id")
        ),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name=op.f("fk_member_scores_merchant_id")
        ),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_member_scores")),
    )
    with op.batch_alter_table("member_scores", schema=None) as batch_op:
        batch_op.create_index(
            "ix_member_scores_grid",
            ["merchant_id", "recency", "frequency", "monetary"],
            unique=False,
        )
    with op.batch_alter_table("member_events", schema=None) as batch_op:
        batch_op.create_index("ix_member_events_kind", ["kind", "at", "member_id"], unique=False)
    _remember()


def _remember() -> None:
    """What was bought and who was where before these tables were there."""
    op.execute(
        """INSERT INTO purchase_lines (order_id, position, member_id, product_id, category_id,
                  paid_at, quantity, amount_fen, counted)
           SELECT l.order_id, l.position, p.member_id, l.product_id, g.category_id,
                  p.paid_at, l.quantity, l.payable_fen, p.counted
           FROM order_lines l JOIN purchases p ON p.order_id = l.order_id
           JOIN products g ON g.id = l.product_id"""
    )
    if op.get_bind().dialect.name == "sqlite":
        local = "datetime(v.at, '+8 hours')"
        day, hour = f"date({local})", f"CAST(strftime('%H', {local}) AS INTEGER)"
        weekday = f"(CAST(strftime('%w', {local}) AS INTEGER) + 6) % 7 + 1"
    else:
        local = "(v.at + INTERVAL 8 HOUR)"
        day, hour, weekday = f"DATE{local}", f"HOUR{local}", f"WEEKDAY{local} + 1"
    op.execute(
        f"""INSERT INTO member_visits (member_id, store_id, day, at, weekday, hour)
            SELECT v.member_id, v.store_id, {day}, MIN(v.at), MIN({weekday}), MIN({hour})
            FROM member_events v WHERE v.kind = 'visited' AND v.store_id IS NOT NULL
            GROUP BY v.member_id, v.store_id, {day}"""  # noqa: S608  the words are ours
    )


def downgrade() -> None:
    with op.batch_alter_table("member_events", schema=None) as batch_op:
        batch_op.drop_index("ix_member_events_kind")
    for table in ("member_scores", "member_places", "member_visits", "purchase_lines"):
        op.drop_table(table)
