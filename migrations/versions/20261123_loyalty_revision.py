"""The rules of a membership have a revision: a process reads each of them once.

Revision: 20261123_loyalty_revision
Follows: 20261123_gifts
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "20261123_loyalty_revision"
down_revision = "20261123_gifts"
branch_labels = None
depends_on = None

CODE = sa.String(16).with_variant(mysql.VARCHAR(16, collation="utf8mb4_bin"), "mysql", "mariadb")
LOYALTY = sa.table("loyalty", sa.column("id", sa.BigInteger), sa.column("revision", sa.String))


def upgrade() -> None:
    with op.batch_alter_table("loyalty") as batch:
        batch.add_column(sa.Column("revision", CODE, nullable=False, server_default=""))
    op.execute(LOYALTY.update().values(revision=sa.cast(LOYALTY.c.id, sa.CHAR(16))))
    with op.batch_alter_table("loyalty") as batch:
        batch.alter_column("revision", existing_type=CODE, nullable=False, server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("loyalty") as batch:
        batch.drop_column("revision")
