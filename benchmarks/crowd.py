"""A merchant's members with purchases and tags, by the million: made in the database itself."""

import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.database import Base
from merchants.models import Merchant

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
MEMBERS = int(os.environ.get("SIZE", "100000"))
ORDERS_EACH = 5
FREE_TAG = 31  # nobody has it

# Three independent numbers below one out of a row's number. RAND with a seed for each row is not:
# neighbouring seeds follow one another, and all of a member's orders would fall on one day.
_CHANCE = "CONV(SUBSTR(MD5(seq), {start}, 8), 16, 10) / 4294967296"
_WHO, _WHEN, _HOW_MUCH = (_CHANCE.format(start=start) for start in (1, 9, 17))

_STEPS = (
    "SET SESSION foreign_key_checks = 0, unique_checks = 0",
    f"""INSERT INTO purchases (member_id, order_id, store_id, paid_at, amount_fen, refunded_fen,
              counted)
       SELECT 1 + FLOOR(:members * POW({_WHO}, 1.5)), seq, 1 + seq % 20,
              :now - INTERVAL FLOOR({_WHEN} * 31536000) SECOND,
              500 + FLOOR({_HOW_MUCH} * 9000), 0, 1
       FROM seq_1_to_{{orders}}""",
    """INSERT INTO persons (id, nickname, avatar, created_at)
       SELECT seq, CONCAT('会员', seq), '', :now FROM seq_1_to_{members}""",
    """INSERT INTO members (id, no, merchant_id, person_id, name, source_store_id, source_scene,
              joined_at, marketing_consent, personal_recommendation, orders_count, spent_fen,
              refunded_fen, first_paid_at, last_paid_at, last_visit_at, tier, points,
              points_pending)
       SELECT seq, LPAD(seq, 12, '0'), 1, seq, CONCAT('会员', seq), 1 + seq % 20, '',
              :now - INTERVAL (seq % 700) DAY, 1, 1, COALESCE(p.orders, 0), COALESCE(p.spent, 0), 0,
              p.first_at, p.last_at, p.last_at, 'green_leaf', 0, 0
       FROM seq_1_to_{members}
       LEFT JOIN (SELECT member_id, COUNT(*) AS orders, SUM(amount_fen) AS spent,
                         MIN(paid_at) AS first_at, MAX(paid_at) AS last_at
                  FROM purchases GROUP BY member_id) AS p ON p.member_id = seq""",
    """INSERT INTO tags (id, merchant_id, name, mirrored, created_at)
       SELECT seq, 1, CONCAT('标签', seq), 0, :now FROM seq_1_to_31""",
    """INSERT INTO member_tags (member_id, tag_id, tagged_at, tagged_by)
       SELECT member.seq, tag.seq, :now, 'system'
       FROM seq_1_to_{members} AS member JOIN seq_1_to_30 AS tag
       ON (member.seq * 7919 + tag.seq * 104729) % 10 = 0""",
    "ANALYZE TABLE persons, members, purchases, member_tags, tags",
    "SET SESSION foreign_key_checks = 1, unique_checks = 1",
)


def fill(session: Session, *, orders_each: int = ORDERS_EACH) -> None:
    """Merchant 1 with members 1…n, five orders and three tags each on average."""
    members = MEMBERS
    session.add(Merchant(id=1, code="qinghe", name="青禾", created_at=NOW))
    session.flush()
    values = {"now": NOW.replace(tzinfo=None), "members": members}
    for step in _STEPS:
        statement, defaults = whole(step)
        sized = statement.format(members=members, orders=members * orders_each)
        session.execute(text(sized), values | defaults)
    session.commit()


def whole(step: str) -> tuple[str, dict[str, Any]]:
    """An INSERT … SELECT with the columns that it leaves to the model's defaults, and these."""
    found = re.match(r"INSERT INTO (\w+) \(([^)]*)\)\s+SELECT ", step)
    if found is None:
        return step, {}
    written = {name.strip() for name in found[2].split(",")}
    left = {
        column.name: column.default.arg
        for column in Base.metadata.tables[found[1]].columns
        if not column.nullable and column.default is not None and column.name not in written
    }
    names = "".join(f"{name}, " for name in left)
    values = "".join(f":{name}, " for name in left)
    head = f"INSERT INTO {found[1]} ({names}{found[2]}) SELECT {values}"
    return head + step[found.end() :], left


def ago(days: int) -> datetime:
    return (NOW - timedelta(days=days)).replace(tzinfo=None)
