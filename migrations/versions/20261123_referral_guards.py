"""Devices of invitations; lists of invitations and of stored value have indexes of their own.

Revision: 20261123_referral_guards
Follows: 20261123_offer_rules
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code

revision = "20261123_referral_guards"
down_revision = "20261123_offer_rules"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("invite_codes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("device", Code(64), nullable=False, server_default=""))
    with op.batch_alter_table("referrals", schema=None) as batch_op:
        batch_op.add_column(sa.Column("device", Code(64), nullable=False, server_default=""))
        batch_op.create_index(batch_op.f("ix_referrals_merchant_id_id"), ["merchant_id", "id"])
        batch_op.create_index(
            batch_op.f("ix_referrals_merchant_id_device"), ["merchant_id", "device"]
        )
    with op.batch_alter_table("balance_entries", schema=None) as batch_op:
        batch_op.add_column(sa.Column("merchant_id", _ID, nullable=True))
    op.execute(
        "UPDATE balance_entries SET merchant_id = (SELECT members.merchant_id FROM members"
        " WHERE members.id = balance_entries.member_id)"
    )
    with op.batch_alter_table("balance_entries", schema=None) as batch_op:
        batch_op.alter_column("merchant_id", existing_type=_ID, nullable=False)
        batch_op.create_foreign_key(
            batch_op.f("fk_balance_entries_merchant_id"), "merchants", ["merchant_id"], ["id"]
        )
        batch_op.create_index(
            batch_op.f("ix_balance_entries_merchant_id_id"), ["merchant_id", "id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("balance_entries", schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f("fk_balance_entries_merchant_id"), type_="foreignkey")
        batch_op.drop_index(batch_op.f("ix_balance_entries_merchant_id_id"))
        batch_op.drop_column("merchant_id")
    with op.batch_alter_table("referrals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_referrals_merchant_id_device"))
        batch_op.drop_index(batch_op.f("ix_referrals_merchant_id_id"))
        batch_op.drop_column("device")
    with op.batch_alter_table("invite_codes", schema=None) as batch_op:
        batch_op.drop_column("device")
