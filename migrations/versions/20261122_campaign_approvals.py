"""A second person's word for large campaigns.

Revision: 20261122_campaign_approvals
Follows: 20261122_conversations
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261122_campaign_approvals"
down_revision = "20261122_conversations"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "campaign_approvals",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("code", Code(16), nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("campaign_id", _ID, nullable=False),
        sa.Column("people", _ID, nullable=False),
        sa.Column("cost_fen", _ID, nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("requested_by", Code(64), nullable=False),
        sa.Column("requested_at", UTCDateTime(), nullable=False),
        sa.Column("decided_by", Code(64), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("reason", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["merchant_id"], ["merchants.id"], name="fk_campaign_approvals_merchant_id"
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name="fk_campaign_approvals_campaign_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_campaign_approvals"),
        sa.UniqueConstraint("code", name="uq_campaign_approvals_code"),
    )
    op.create_index(
        "ix_campaign_approvals_campaign", "campaign_approvals", ["campaign_id", "state"]
    )
    op.create_index("ix_campaign_approvals_open", "campaign_approvals", ["merchant_id", "state"])


def downgrade() -> None:
    op.drop_table("campaign_approvals")
