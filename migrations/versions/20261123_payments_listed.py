"""Payments of a merchant are listed by their day, and notices are found by what they are about.

Revision: 20261123_payments_listed
Follows: 20261123_sharing
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code

revision = "20261123_payments_listed"
down_revision = "20261123_sharing"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_OF_ORDER = "SELECT o.{} FROM bills b JOIN orders o ON o.id = b.order_id WHERE b.id = payment_attempts.bill_id"


def upgrade() -> None:
    with op.batch_alter_table("payment_attempts") as batch:
        for one, table in (("merchant", "merchants"), ("store", "stores")):
            batch.add_column(sa.Column(f"{one}_id", _ID, nullable=True))
            batch.create_foreign_key(
                op.f(f"fk_payment_attempts_{one}_id"), table, [f"{one}_id"], ["id"]
            )
    merchant, store = _OF_ORDER.format("merchant_id"), _OF_ORDER.format("store_id")
    op.execute(f"UPDATE payment_attempts SET merchant_id = ({merchant}), store_id = ({store})")  # noqa: S608
    with op.batch_alter_table("payment_attempts") as batch:
        batch.create_index(
            op.f("ix_payment_attempts_merchant_id_created_at_id"),
            ["merchant_id", "created_at", "id"],
        )
    with op.batch_alter_table("inbound_events") as batch:
        batch.add_column(sa.Column("about", Code(64), nullable=True))
        batch.create_index(op.f("ix_inbound_events_about"), ["about"])


def downgrade() -> None:
    with op.batch_alter_table("inbound_events") as batch:
        batch.drop_index(op.f("ix_inbound_events_about"))
        batch.drop_column("about")
    with op.batch_alter_table("payment_attempts") as batch:
        for one in ("store", "merchant"):
            batch.drop_constraint(op.f(f"fk_payment_attempts_{one}_id"), type_="foreignkey")
        batch.drop_index(op.f("ix_payment_attempts_merchant_id_created_at_id"))
        for one in ("store", "merchant"):
            batch.drop_column(f"{one}_id")
