"""More kinds of coupons and promotions, where they are good, and how they add up.

A promotion that took one amount off becomes one with a single step.
"""

import json

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_coupon_kinds"
down_revision = "20261122_api_keys"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _number(name: str, default: str) -> sa.Column[int]:
    return sa.Column(name, BIG, nullable=False, server_default=default)


def _optional(name: str) -> sa.Column[int]:
    return sa.Column(name, BIG, nullable=True)


def _list(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(none_as_null=True), nullable=True)


def _of_template() -> list[sa.Column[object]]:
    return [
        _number("pay_fen", "0"),
        _number("nth", "0"),
        _number("uses_total", "1"),
        _number("worth_fen", "0"),
        _list("category_ids"),
        _list("weekdays"),
        _optional("from_minute"),
        _optional("until_minute"),
        sa.Column("channel", Code(24), nullable=False, server_default="any"),
        sa.Column("first_order", sa.Boolean(), nullable=False, server_default=sa.false()),
        _list("tiers"),
        sa.Column("stack_group", Code(24), nullable=False, server_default="coupon"),
        sa.Column("exclusive", sa.Boolean(), nullable=False, server_default=sa.false()),
    ]


def upgrade() -> None:
    for column in _of_template():
        op.add_column("coupon_templates", column)
    op.execute(
        "UPDATE coupon_templates SET worth_fen ="
        " CASE WHEN face_fen > 0 THEN face_fen ELSE COALESCE(cap_fen, 0) END"
    )
    op.add_column("coupons", _number("uses_left", "1"))
    op.execute("UPDATE coupons SET uses_left = 0 WHERE state = 'redeemed'")
    op.add_column("coupon_entries", _optional("discount_fen"))
    op.create_index("ix_coupon_entries_order_id_kind", "coupon_entries", ["order_id", "kind"])
    _widen_promotions()


def _widen_promotions() -> None:
    with op.batch_alter_table("promotions") as batch:
        batch.add_column(sa.Column("kind", Code(24), nullable=False, server_default="spend"))
        batch.add_column(sa.Column("steps", sa.JSON(), nullable=True))
        batch.add_column(_number("off_bp", "0"))
        batch.add_column(_optional("price_fen"))
        batch.add_column(_number("nth", "0"))
        for name in ("store_ids", "product_ids", "category_ids", "weekdays"):
            batch.add_column(_list(name))
        batch.add_column(_optional("from_minute"))
        batch.add_column(_optional("until_minute"))
        batch.add_column(
            sa.Column("stack_group", Code(24), nullable=False, server_default="promotion")
        )
        batch.add_column(sa.Column("state", Code(24), nullable=False, server_default="running"))
        batch.add_column(sa.Column("created_at", UTCDateTime(), nullable=True))
    connection = op.get_bind()
    found = connection.execute(
        sa.text("SELECT id, store_id, threshold_fen, off_fen, starts_at FROM promotions")
    )
    for id_, store_id, threshold_fen, off_fen, starts_at in found.fetchall():
        steps = json.dumps([[threshold_fen, off_fen]])
        stores = None if store_id is None else json.dumps([store_id])
        connection.execute(
            sa.text(
                "UPDATE promotions SET steps = :steps, store_ids = :stores, created_at = :at"
                " WHERE id = :id"
            ),
            {"steps": steps, "stores": stores, "at": starts_at, "id": id_},
        )
    with op.batch_alter_table("promotions") as batch:
        batch.create_index(
            "ix_promotions_merchant_id_state_ends_at", ["merchant_id", "state", "ends_at"]
        )
        batch.drop_index("ix_promotions_merchant_id_ends_at")
        batch.drop_constraint("fk_promotions_store_id", type_="foreignkey")
        batch.drop_constraint(
            "uq_promotions_merchant_id_store_id_threshold_fen_starts_at", type_="unique"
        )
        batch.drop_constraint(batch.f("ck_promotions_off"), type_="check")
        batch.alter_column("steps", existing_type=sa.JSON(), nullable=False)
        batch.alter_column("created_at", existing_type=UTCDateTime(), nullable=False)
        for name in ("store_id", "threshold_fen", "off_fen"):
            batch.drop_column(name)
        batch.create_check_constraint(
            batch.f("ck_promotions_off"), "off_bp >= 0 AND off_bp <= 10000"
        )


def downgrade() -> None:
    """What the old tables cannot say is lost: promotions of other kinds, and all but one step."""
    _narrow_promotions()
    if op.get_bind().dialect.name in ("mysql", "mariadb"):
        # The foreign key would otherwise stand on the index that goes.
        op.create_index("fk_coupon_entries_order_id", "coupon_entries", ["order_id"])
    op.drop_index("ix_coupon_entries_order_id_kind", "coupon_entries")
    op.drop_column("coupon_entries", "discount_fen")
    op.drop_column("coupons", "uses_left")
    op.execute(
        "UPDATE coupon_templates SET kind = 'amount', face_fen = worth_fen, state = 'paused'"
        " WHERE kind NOT IN ('amount', 'percent')"
    )
    for column in reversed(_of_template()):
        op.drop_column("coupon_templates", column.name)


def _narrow_promotions() -> None:
    connection = op.get_bind()
    with op.batch_alter_table("promotions") as batch:
        batch.add_column(_optional("store_id"))
        batch.add_column(_optional("threshold_fen"))
        batch.add_column(_optional("off_fen"))
        batch.drop_constraint(batch.f("ck_promotions_off"), type_="check")
    connection.execute(sa.text("DELETE FROM promotions WHERE kind <> 'spend'"))
    found = connection.execute(sa.text("SELECT id, steps, store_ids FROM promotions"))
    for id_, steps, store_ids in found.fetchall():
        (threshold_fen, off_fen), *_ = json.loads(steps)
        store_id = json.loads(store_ids)[0] if store_ids else None
        connection.execute(
            sa.text(
                "UPDATE promotions SET store_id = :store_id, threshold_fen = :threshold_fen,"
                " off_fen = :off_fen WHERE id = :id"
            ),
            {"store_id": store_id, "threshold_fen": threshold_fen, "off_fen": off_fen, "id": id_},
        )
    with op.batch_alter_table("promotions") as batch:
        batch.create_index("ix_promotions_merchant_id_ends_at", ["merchant_id", "ends_at"])
        batch.drop_index("ix_promotions_merchant_id_state_ends_at")
        batch.alter_column("threshold_fen", existing_type=BIG, nullable=False)
        batch.alter_column("off_fen", existing_type=BIG, nullable=False)
        for name in (
            *("kind", "steps", "off_bp", "price_fen", "nth", "store_ids", "product_ids"),
            *("category_ids", "weekdays", "from_minute", "until_minute", "stack_group", "state"),
            "created_at",
        ):
            batch.drop_column(name)
        batch.create_foreign_key("fk_promotions_store_id", "stores", ["store_id"], ["id"])
        batch.create_unique_constraint(
            "uq_promotions_merchant_id_store_id_threshold_fen_starts_at",
            ["merchant_id", "store_id", "threshold_fen", "starts_at"],
        )
        batch.create_check_constraint(
            batch.f("ck_promotions_off"), "off_fen > 0 AND off_fen <= threshold_fen"
        )
