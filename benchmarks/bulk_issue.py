"""Coupons for everybody in slices of ten thousand, beside the plainest insert on that server.

Both sides write the same rows, two a coupon: the coupon and its entry of the ledger, in one durable
transaction a slice, and each is counted in those rows. The yardstick is two INSERT … SELECT with
guessable codes that the server makes up itself. Ours also draws codes nobody can guess, takes the
template's row, skips whoever has a coupon already, moves the counter, and answers with each
member's coupon. Memory is that of this process at its peak, both sides together.
"""

import resource
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial

from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks import crowd
from benchmarks.harness import Result, mariadb_app
from core import database
from coupons import issuing
from coupons.models import CouponTemplate

SLICE = 10_000

COUPONS = """
    INSERT INTO coupons (code, template_id, merchant_id, member_id, state, valid_from, expires_at,
                         source, issue_key, issued_at, uses_left)
    SELECT CONCAT('P', LPAD(id, 15, '0')), :template, 1, id, 'issued', :now, :until, 'plain',
           CONCAT('plain:', :template, ':', id), :now, 1
    FROM members WHERE id > :after AND id <= :upto"""
ENTRIES = """
    INSERT INTO coupon_entries (coupon_id, kind, cause, actor, device, reason, at)
    SELECT id, 'issued', CONCAT('issued:', id, ':'), 'system', '', '', :now
    FROM coupons WHERE template_id = :template AND member_id > :after AND member_id <= :upto"""


def run() -> Iterator[Result]:
    with mariadb_app():
        with database.Session(database.db.engine) as session:
            crowd.fill(session, orders_each=1)
            ours, plain = (_make_template(session) for _ in range(2))
        taken = by_hand = 0.0
        for bounds in _slices():  # in turns, so that the machine's moods hit both
            taken += _seconds(partial(_issue, ours, *bounds))
            by_hand += _seconds(partial(_insert, plain, *bounds))
    what = f"{crowd.MEMBERS:,} members in slices of {SLICE:,}"
    rates = 2 * crowd.MEMBERS / taken, 2 * crowd.MEMBERS / by_hand
    yield Result("bulk_issue", what, *rates, "rows/s", 0.5, note="beside INSERT … SELECT")
    yield Result("bulk_issue", "memory at its peak", _memory(), 300, "MiB", 1.0, False)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _make_template(session: Session) -> int:
    template = CouponTemplate(
        merchant_id=1, name="老客回店券", face_fen=1_200, valid_days=8, created_at=crowd.NOW
    )
    session.add(template)
    session.commit()
    return template.id


def _slices() -> Iterator[tuple[int, int]]:
    for after in range(0, crowd.MEMBERS, SLICE):
        yield after, min(after + SLICE, crowd.MEMBERS)


def _issue(template_id: int, after: int, upto: int) -> None:
    with database.transaction() as session:
        template = issuing.get_template(session, template_id)
        people = range(after + 1, upto + 1)
        issued = issuing.issue_many(session, template, people, source="bench", now=crowd.NOW)
        assert len(issued) == upto - after


def _insert(template_id: int, after: int, upto: int) -> None:
    with database.transaction() as session:
        values = {"template": template_id, "after": after, "upto": upto, "now": crowd.ago(0)}
        session.execute(text(COUPONS), values | {"until": crowd.ago(0) + timedelta(days=8)})
        session.execute(text(ENTRIES), values)


def _memory() -> float:
    """The most this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
