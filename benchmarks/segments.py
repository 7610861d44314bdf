"""Segment count, preview and snapshot over members × orders, beside SQL written by hand.

Members, orders and tags are drawn independently of one another. The preview is what the editor
shows: the total, each condition's own number and how the conditions narrow one another. Above
`preview.EXACT_UP_TO` members all but the totals are estimates from a sample, in the benchmark as
on the page.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import insert, literal, select, text
from sqlalchemy.orm import Session

from benchmarks import crowd
from benchmarks.harness import Result, alternate, mariadb_app
from core import database
from crm import segments
from crm.models import MemberTag

RULE: dict[str, Any] = {
    "op": "and",
    "rules": [
        {"field": "spent", "op": ">=", "value": 15_000, "days": 90},
        {"field": "tag", "op": "has", "value": 3},
        {"field": "last_visit", "op": "before", "days": 30},
        {"field": "orders", "op": ">=", "value": 4},
    ],
}

# Three ways to write it by hand; the quickest is the yardstick.
_MEMBER = """
    FROM members m
    WHERE m.merchant_id = 1 AND m.merged_into_id IS NULL
      AND m.orders_count >= 4 AND m.last_visit_at < :unseen
      AND EXISTS (SELECT 1 FROM member_tags t WHERE t.member_id = m.id AND t.tag_id = 3)"""
_SPENT = """
      AND (SELECT SUM(p.amount_fen - p.refunded_fen) FROM purchases p
           WHERE p.member_id = m.id AND p.paid_at >= :since) >= 15000"""
_TOTALS = """
      AND m.spent_fen >= 15000 AND m.last_paid_at >= :since"""
_GROUPED = """
    FROM members m
    JOIN member_tags t ON t.member_id = m.id AND t.tag_id = 3
    JOIN (SELECT member_id, SUM(amount_fen - refunded_fen) AS spent FROM purchases
          WHERE paid_at >= :since GROUP BY member_id) p ON p.member_id = m.id
    WHERE m.merchant_id = 1 AND m.merged_into_id IS NULL
      AND m.orders_count >= 4 AND m.last_visit_at < :unseen AND p.spent >= 15000"""
BY_HAND = (_MEMBER + _SPENT, _MEMBER + _TOTALS + _SPENT, _GROUPED)
VALUES = {"since": crowd.ago(90), "unseen": crowd.ago(30), "now": crowd.ago(0)}
ROUNDS = 5


def run() -> Iterator[Result]:
    with mariadb_app(), database.Session(database.db.engine) as session:
        crowd.fill(session)
        size = f"{crowd.MEMBERS:,} members, {crowd.MEMBERS * crowd.ORDERS_EACH:,} orders"
        counting = min(BY_HAND, key=lambda sql: _best(lambda: _count_by_hand(session, sql)))
        matched = _count_by_hand(session, counting)
        assert matched == segments.count(session, RULE, 1, crowd.NOW), "not the same people"
        ours, hand = alternate(
            ROUNDS,
            lambda: _ms(lambda: segments.count(session, RULE, 1, crowd.NOW)),
            lambda: _ms(lambda: _count_by_hand(session, counting)),
        )
        note = f"{matched:,} match"
        yield Result("segments", f"count: {size}", ours, hand, "ms", 1.3, False, note)
        writing = min(BY_HAND, key=lambda sql: _best(lambda: _snapshot_by_hand(session, sql)))
        ours, hand = alternate(
            ROUNDS,
            lambda: _ms(lambda: _snapshot(session)),
            lambda: _ms(lambda: _snapshot_by_hand(session, writing)),
        )
        yield Result("segments", f"snapshot: {size}", ours, hand, "ms", 1.3, False)
        shown = _best(lambda: _show(session))
        yield Result(
            "segments",
            f"preview with every row's count and a sample: {size}",
            shown,
            1_000,
            "ms",
            1.0,
            False,
            "beside one second",
        )


def _show(session: Session) -> None:
    """What the editor asks after a change."""
    segments.preview(session, RULE, 1, crowd.NOW)
    segments.sample(session, RULE, 1, crowd.NOW)


def _ms(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1_000


def _best(call: Callable[[], object]) -> float:
    return min(_ms(call) for _ in range(3))


def _count_by_hand(session: Session, sql: str) -> int:
    return int(session.scalar(text(f"SELECT COUNT(*) {sql}"), VALUES))


def _snapshot(session: Session) -> None:
    """The people of the segment into a table, and out of it again."""
    people = segments.compile(RULE, 1, crowd.NOW).subquery()
    rows = select(people.c.id, literal(crowd.FREE_TAG), literal(crowd.NOW), literal("bench"))
    columns = ["member_id", "tag_id", "tagged_at", "tagged_by"]
    session.execute(insert(MemberTag).from_select(columns, rows))
    session.rollback()


def _snapshot_by_hand(session: Session, sql: str) -> None:
    columns = "member_id, tag_id, tagged_at, tagged_by"
    people = f"SELECT m.id, {crowd.FREE_TAG}, :now, 'bench' {sql}"
    session.execute(text(f"INSERT INTO member_tags ({columns}) {people}"), VALUES)
    session.rollback()
