"""What was taken at a counter is handed over by whoever took it: shifts, and what was in them.

Revision: 20261123_shifts
Follows: 20261123_refund_filters
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import UTCDateTime

revision = "20261123_shifts"
down_revision = "20261123_refund_filters"
branch_labels = None
depends_on = None

# Who asked for a sum is in the orders' history as well; what was handed over is nowhere else.
REFUSES = {"shifts that were handed over": "SELECT 1 FROM shifts"}

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ACTOR = "ix_refunds_actor_settled_at"


def _key(table: str, column: str, to: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [to], name=op.f(f"fk_{table}_{column}"))


def upgrade() -> None:
    op.create_table(
        "counter_sales",
        sa.Column("bill_id", _ID, autoincrement=False, nullable=False),
        sa.Column("store_id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        _key("counter_sales", "bill_id", "bills.id"),
        _key("counter_sales", "store_id", "stores.id"),
        _key("counter_sales", "staff_id", "staff.id"),
        sa.PrimaryKeyConstraint("bill_id", name=op.f("pk_counter_sales")),
    )
    for whose in ("staff_id", "store_id"):
        op.create_index(op.f(f"ix_counter_sales_{whose}_at"), "counter_sales", [whose, "at"])
    op.create_table(
        "shifts",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("store_id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("seq", _ID, nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=False),
        sa.Column("ended_at", UTCDateTime(), nullable=False),
        sa.Column("payments", _ID, nullable=False),
        sa.Column("amount_fen", _ID, nullable=False),
        sa.Column("refunds", _ID, nullable=False),
        sa.Column("refund_fen", _ID, nullable=False),
        sa.Column("ways", sa.JSON(), nullable=False),
        sa.CheckConstraint("amount_fen >= 0 AND refund_fen >= 0", name=op.f("ck_shifts_sums")),
        _key("shifts", "merchant_id", "merchants.id"),
        _key("shifts", "store_id", "stores.id"),
        _key("shifts", "staff_id", "staff.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shifts")),
        sa.UniqueConstraint(
            "staff_id", "store_id", "seq", name=op.f("uq_shifts_staff_id_store_id_seq")
        ),
    )
    for whose in ("merchant_id", "staff_id"):
        name = op.f(f"ix_shifts_{whose}_ended_at_id")
        op.create_index(name, "shifts", [whose, "ended_at", "id"])
    op.create_table(
        "shift_lines",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("shift_id", _ID, nullable=False),
        sa.Column("attempt_id", _ID, nullable=True),
        sa.Column("refund_id", _ID, nullable=True),
        sa.CheckConstraint(
            "(attempt_id IS NULL) <> (refund_id IS NULL)", name=op.f("ck_shift_lines_one")
        ),
        _key("shift_lines", "shift_id", "shifts.id"),
        _key("shift_lines", "attempt_id", "payment_attempts.id"),
        _key("shift_lines", "refund_id", "refunds.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift_lines")),
        sa.UniqueConstraint("attempt_id", name=op.f("uq_shift_lines_attempt_id")),
        sa.UniqueConstraint("refund_id", name=op.f("uq_shift_lines_refund_id")),
    )
    op.create_index(op.f("ix_shift_lines_shift_id"), "shift_lines", ["shift_id"])
    op.create_index(op.f(_ACTOR), "refunds", ["actor", "settled_at"])
    _keep_who_asked()


def downgrade() -> None:
    op.drop_index(op.f(_ACTOR), "refunds")
    for table in ("shift_lines", "shifts", "counter_sales"):
        op.drop_table(table)


def _keep_who_asked() -> None:
    """Of the sums so far the orders' own history says who asked for them."""
    orders = sa.table("orders", sa.column("id"), sa.column("store_id"), sa.column("kind"))
    bills = sa.table("bills", sa.column("id"), sa.column("order_id"))
    history = sa.table(
        "order_history",
        sa.column("order_id"),
        sa.column("kind"),
        sa.column("before"),
        sa.column("actor"),
        sa.column("at"),
    )
    staff = sa.table("staff", sa.column("id", sa.BigInteger()))
    sales = sa.table(
        "counter_sales",
        *(sa.column(name) for name in ("bill_id", "store_id", "staff_id", "at")),
    )
    name = sa.literal("staff:", sa.String()) + sa.cast(staff.c.id, sa.String(20))
    found = (
        sa.select(bills.c.id, orders.c.store_id, staff.c.id, history.c.at)
        .join(orders, orders.c.id == bills.c.order_id)
        .join(history, history.c.order_id == orders.c.id)
        .join(staff, history.c.actor == name)
        .where(orders.c.kind == "amount", history.c.kind == "state", history.c.before == "")
    )
    op.execute(sales.insert().from_select(["bill_id", "store_id", "staff_id", "at"], found))
