"""A merchant's marketing rules, and every contact that counts against its cap.

Revision: 20261122_marketing_contacts
Follows: 20261122_first
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_marketing_contacts"
down_revision = "20261122_first"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "marketing_rules",
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("contacts_most", _ID, nullable=False),
        sa.Column("contacts_days", _ID, nullable=False),
        sa.Column("quiet_from_hour", _ID, nullable=True),
        sa.Column("quiet_until_hour", _ID, nullable=True),
        sa.Column("approval_people", _ID, nullable=True),
        sa.Column("approval_fen", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name="fk_marketing_rules_merchant_id"
        ),
        sa.PrimaryKeyConstraint("merchant_id", name="pk_marketing_rules"),
    )
    op.create_table(
        "marketing_contacts",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("member_id", _ID, nullable=False),
        sa.Column("kind", Code(16), nullable=False),
        sa.Column("ref", Code(64), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name="fk_marketing_contacts_member_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_marketing_contacts"),
        sa.UniqueConstraint(
            "member_id", "kind", "ref", name="uq_marketing_contacts_member_id_kind_ref"
        ),
    )
    op.create_index("ix_marketing_contacts_lately", "marketing_contacts", ["member_id", "at"])
    op.create_index("ix_marketing_contacts_at", "marketing_contacts", ["at"])
    # Who wanted to write at night goes on doing so.
    op.execute(
        "INSERT INTO marketing_rules (merchant_id, contacts_most, contacts_days)"
        " SELECT id, 4, 7 FROM merchants WHERE quiet_nights = 0"
    )
    op.drop_column("merchants", "quiet_nights")
    op.drop_column("campaigns", "frequency_days")


def downgrade() -> None:
    op.add_column(
        "campaigns",
        sa.Column("frequency_days", _ID, nullable=False, server_default=sa.text("0")),
    )
    op.add_column(
        "merchants",
        sa.Column("quiet_nights", sa.Boolean(), nullable=False, server_default=sa.text("1")),
    )
    op.execute(
        "UPDATE merchants SET quiet_nights = 0 WHERE id IN"
        " (SELECT merchant_id FROM marketing_rules WHERE quiet_from_hour IS NULL)"
    )
    op.drop_table("marketing_contacts")
    op.drop_table("marketing_rules")
