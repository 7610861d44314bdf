"""Members who come over from another system; stored value that no order of ours paid for.

Revision: 20261123_imports
Follows: 20261123_option_costs
"""

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_imports"
down_revision = "20261123_option_costs"
branch_labels = None
depends_on = None

REFUSES = {
    "points and stored value that were imported": "SELECT 1 FROM balance_entries"
    " WHERE kind = 'imported' UNION SELECT 1 FROM balance_lots WHERE order_id IS NULL"
    " UNION SELECT 1 FROM point_entries WHERE kind = 'imported'",
}

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "member_imports",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("merchant_id", _ID, nullable=False),
        sa.Column("file_hash", Code(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("state", Code(24), nullable=False),
        sa.Column("total", _ID, nullable=False),
        sa.Column("faulty", _ID, nullable=False),
        sa.Column("imported", _ID, nullable=False),
        sa.Column("cursor", _ID, nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("created_by", Code(64), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("started_by", Code(64), nullable=False),
        sa.Column("started_at", UTCDateTime(), nullable=True),
        sa.Column("finished_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["merchant_id"],
            ["merchants.id"],
            name=op.f("fk_member_imports_merchant_id_merchants"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_imports")),
        sa.UniqueConstraint(
            "merchant_id", "file_hash", name=op.f("uq_member_imports_merchant_id_file_hash")
        ),
    )
    for columns in (["merchant_id", "id"], ["state", "id"]):
        op.create_index(op.f(f"ix_member_imports_{'_'.join(columns)}"), "member_imports", columns)
    op.create_table(
        "member_import_rows",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("import_id", _ID, nullable=False),
        sa.Column("number", _ID, nullable=False),
        sa.Column("shown", sa.String(32), nullable=False),
        sa.Column("data", sa.Text(), nullable=True),
        sa.Column("problem", sa.String(64), nullable=False),
        sa.Column("taken", Code(96), nullable=True),
        sa.Column("member_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["import_id"],
            ["member_imports.id"],
            name=op.f("fk_member_import_rows_import_id_member_imports"),
        ),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.id"], name=op.f("fk_member_import_rows_member_id_members")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_import_rows")),
        sa.UniqueConstraint(
            "import_id", "number", name=op.f("uq_member_import_rows_import_id_number")
        ),
        sa.UniqueConstraint("taken", name=op.f("uq_member_import_rows_taken")),
    )
    op.create_index(
        op.f("ix_member_import_rows_import_id_problem_number"),
        "member_import_rows",
        ["import_id", "problem", "number"],
    )
    op.create_index(op.f("ix_member_import_rows_member_id"), "member_import_rows", ["member_id"])
    with op.batch_alter_table("balance_lots") as batch_op:
        batch_op.alter_column("order_id", existing_type=_ID, nullable=True)


def downgrade() -> None:
    with op.batch_alter_table("balance_lots") as batch_op:
        batch_op.alter_column("order_id", existing_type=_ID, nullable=False)
    op.drop_table("member_import_rows")
    op.drop_table("member_imports")
