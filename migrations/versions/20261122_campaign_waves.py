"""Variants and waves of campaigns, and the caps that stop them.

Revision: 20261122_campaign_waves
Follows: 20261122_measures
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

from migrations.types import UTCDateTime

revision = "20261122_campaign_waves"
down_revision = "20261122_measures"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
_NEW = (
    ("send_hour", _ID, None),
    ("best_hour", sa.Boolean(), "0"),
    ("pilot_bp", _ID, "0"),
    ("winner_hours", _ID, None),
    ("budget_fen", _ID, None),
    ("liability_fen", _ID, None),
    ("daily_people", _ID, None),
    ("expected_use_bp", _ID, "10000"),
    ("expected_fen", _ID, "0"),
    ("face_fen", _ID, "0"),
    ("today_on", sa.Date(), None),
    ("today_people", _ID, "0"),
    ("winner", _ID, None),
    ("judged_at", UTCDateTime(), None),
)


def upgrade() -> None:
    with op.batch_alter_table("campaigns") as table:
        for name, kind, default in _NEW:
            table.add_column(
                sa.Column(
                    name,
                    kind,
                    nullable=default is None,
                    server_default=None if default is None else sa.text(default),
                )
            )
    op.create_table(
        "campaign_variants",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("no", _ID, nullable=False),
        sa.Column("template_id", _ID, nullable=False),
        sa.Column("message", _TEXT, nullable=False),
        sa.Column("send_hour", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name="fk_campaign_variants_campaign_id"
        ),
        sa.ForeignKeyConstraint(
            ["template_id"], ["coupon_templates.id"], name="fk_campaign_variants_template_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_campaign_variants"),
        sa.UniqueConstraint("campaign_id", "no", name="uq_campaign_variants_campaign_id_no"),
    )
    op.create_table(
        "campaign_waves",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=False),
        sa.Column("is_rest", sa.Boolean(), nullable=False),
        sa.Column("cursor", _ID, nullable=False),
        sa.Column("issued_all", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name="fk_campaign_waves_campaign_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_campaign_waves"),
    )
    op.create_index(
        "ix_campaign_waves_open", "campaign_waves", ["campaign_id", "issued_all", "due_at"]
    )
    with op.batch_alter_table("campaign_recipients") as table:
        table.add_column(sa.Column("variant", _ID, nullable=False, server_default=sa.text("0")))
        table.add_column(sa.Column("wave_id", _ID, nullable=True))
        table.create_foreign_key(
            "fk_campaign_recipients_wave_id", "campaign_waves", ["wave_id"], ["id"]
        )
        table.create_index("ix_campaign_recipients_wave", ["wave_id", "id"])
    # Each launched campaign goes on as its one wave.
    op.execute(
        "INSERT INTO campaign_waves (campaign_id, due_at, is_rest, `cursor`, issued_all)"
        " SELECT id, launched_at, 0, `cursor`, issued_all FROM campaigns"
        " WHERE launched_at IS NOT NULL"
    )
    op.execute(
        "UPDATE campaign_recipients SET wave_id = (SELECT id FROM campaign_waves"
        " WHERE campaign_waves.campaign_id = campaign_recipients.campaign_id)"
        " WHERE arm = 'reach'"
    )
    with op.batch_alter_table("campaigns") as table:
        table.drop_column("cursor")
        table.drop_column("issued_all")


def downgrade() -> None:
    with op.batch_alter_table("campaigns") as table:
        table.add_column(sa.Column("cursor", _ID, nullable=False, server_default=sa.text("0")))
        table.add_column(
            sa.Column("issued_all", sa.Boolean(), nullable=False, server_default=sa.text("0"))
        )
    op.execute(
        "UPDATE campaigns SET issued_all = (SELECT MIN(issued_all) FROM campaign_waves"
        " WHERE campaign_waves.campaign_id = campaigns.id)"
        " WHERE id IN (SELECT campaign_id FROM campaign_waves)"
    )
    with op.batch_alter_table("campaign_recipients") as table:
        table.drop_constraint("fk_campaign_recipients_wave_id", type_="foreignkey")
        table.drop_index("ix_campaign_recipients_wave")
        table.drop_column("wave_id")
        table.drop_column("variant")
    op.drop_table("campaign_waves")
    op.drop_table("campaign_variants")
    with op.batch_alter_table("campaigns") as table:
        for name, _, _ in reversed(_NEW):
            table.drop_column(name)
