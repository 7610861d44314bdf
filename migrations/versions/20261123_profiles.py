"""Gender and address on a profile; numbers stored before their last digits were get them by a job.

Revision: 20261123_profiles
Follows: 20261123_referral_guards
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_profiles"
down_revision = "20261123_referral_guards"
branch_labels = None
depends_on = None

_JOBS = sa.table(
    "outbox_jobs",
    sa.column("name", sa.String),
    sa.column("args", sa.JSON),
    sa.column("key", sa.String),
    sa.column("state", sa.String),
    sa.column("attempt", sa.Integer),
    sa.column("failures", sa.Integer),
    sa.column("run_at", UTCDateTime()),
    sa.column("created_at", UTCDateTime()),
    sa.column("request_id", sa.String),
)


def upgrade() -> None:
    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.add_column(sa.Column("gender", Code(8), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("address", sa.Text(), nullable=True))
    untold = sa.text(
        "SELECT id FROM persons WHERE phone IS NOT NULL AND phone_tail IS NULL LIMIT 1"
    )
    if op.get_bind().execute(untold).first() is not None:
        now = datetime.now(UTC)
        job = {"name": "people.fill_tails", "args": {}, "key": "people.fill_tails"}
        job |= {"state": "waiting", "attempt": 0, "failures": 0, "request_id": ""}
        op.bulk_insert(_JOBS, [{**job, "run_at": now, "created_at": now}])


def downgrade() -> None:
    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.drop_column("address")
        batch_op.drop_column("gender")
