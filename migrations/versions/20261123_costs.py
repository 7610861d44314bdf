"""What a SKU costs the merchant; kept sums know goods with a cost; journeys are measured.

Revision: 20261123_costs
Follows: 20261123_profiles
"""

import json

import sqlalchemy as sa
from alembic import op

from migrations.types import Code, UTCDateTime

revision = "20261123_costs"
down_revision = "20261123_profiles"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("skus") as batch_op:
        batch_op.add_column(sa.Column("cost_fen", _BIG, nullable=True))
        batch_op.create_check_constraint(batch_op.f("ck_skus_cost"), "cost_fen >= 0")
    op.create_table(
        "journey_measures",
        sa.Column("journey_id", _BIG, nullable=False),
        sa.Column("part", Code(32), nullable=False),
        sa.Column("people", _BIG, nullable=False),
        sa.Column("buyers", _BIG, nullable=False),
        sa.Column("sums", sa.JSON(), nullable=False),
        sa.Column("measured_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["journey_id"], ["journeys.id"], name=op.f("fk_journey_measures_journey_id")
        ),
        sa.PrimaryKeyConstraint("journey_id", "part", name=op.f("pk_journey_measures")),
    )
    _rewrite(9, _with_costs)


def downgrade() -> None:
    _rewrite(13, _without_costs)
    op.drop_table("journey_measures")
    with op.batch_alter_table("skus") as batch_op:
        batch_op.drop_constraint(batch_op.f("ck_skus_cost"), type_="check")
        batch_op.drop_column("cost_fen")


def _rewrite(length, change) -> None:
    kept = sa.table(
        "campaign_measures", sa.column("campaign_id"), sa.column("part"), sa.column("sums", sa.JSON)
    )
    connection = op.get_bind()
    for campaign_id, part, sums in connection.execute(sa.select(kept)).all():
        sums = json.loads(sums) if isinstance(sums, str) else sums
        if len(sums) == length:
            mine = (kept.c.campaign_id == campaign_id, kept.c.part == part)
            connection.execute(sa.update(kept).where(*mine).values(sums=change(sums)))


def _with_costs(sums):
    """s revenue, d discount: no cost was known, so a = s and u = g = s + d."""
    s, d, ss, sd, dd, sss, ssd, sdd, ddd = sums
    pairs = [ss, ss + sd, ss + 2 * sd + dd]
    triples = [sss, sss + ssd, sss + 2 * ssd + sdd, sss + 3 * ssd + 3 * sdd + ddd]
    return [s, ss, sss, s + d, s, s + d, *pairs, *triples]


def _without_costs(sums):
    """The other way round; known costs are lost, as there is no place for them."""
    s, ss, sss, _g, _a, u, _aa, au, uu, _aaa, aau, auu, uuu = sums
    pairs = [ss, au - ss, uu - 2 * au + ss]
    triples = [sss, aau - sss, auu - 2 * aau + sss, uuu - 3 * auu + 3 * aau - sss]
    return [s, u - s, *pairs, *triples]
