"""Codes have names, tags and coupons, and are counted by the day.

Revision: 20261122_scene_names
Follows: 20261122_play
"""

import sqlalchemy as sa
from alembic import op

revision = "20261122_scene_names"
down_revision = "20261122_play"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_POINTS_AT = (("staff_id", "staff"), ("tag_id", "tags"), ("template_id", "coupon_templates"))


def upgrade() -> None:
    with op.batch_alter_table("scenes") as batch_op:
        batch_op.add_column(sa.Column("name", sa.String(32), nullable=False, server_default=""))
        for column, table in _POINTS_AT:
            batch_op.add_column(sa.Column(column, _ID, nullable=True))
            batch_op.create_foreign_key(f"fk_scenes_{column}_{table}", table, [column], ["id"])
    with op.batch_alter_table("scenes") as batch_op:
        batch_op.alter_column("name", existing_type=sa.String(32), server_default=None)
    op.create_table(
        "scene_days",
        sa.Column("scene_id", _ID, nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("scans", sa.Integer(), nullable=False),
        sa.Column("follows", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["scene_id"], ["scenes.id"], name="fk_scene_days_scene_id_scenes"),
        sa.PrimaryKeyConstraint("scene_id", "day", name="pk_scene_days"),
    )
    op.create_index("ix_members_source_scene", "members", ["merchant_id", "source_scene"])


def downgrade() -> None:
    """The keys go before the index that the server uses for them."""
    op.drop_index("ix_members_source_scene", "members")
    op.drop_table("scene_days")
    with op.batch_alter_table("scenes") as batch_op:
        for column, table in _POINTS_AT:
            batch_op.drop_constraint(f"fk_scenes_{column}_{table}", type_="foreignkey")
    with op.batch_alter_table("scenes") as batch_op:
        for column, _ in _POINTS_AT:
            batch_op.drop_column(column)
        batch_op.drop_column("name")
