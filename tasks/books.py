"""Do the snapshots say what the ledgers say? Asked once a day; a difference is a bug's trace."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import func, select

from core.database import reading
from core.logs import log
from coupons import ledger as coupon_ledger
from coupons.models import Coupon
from crm import balance, points
from crm.models import Member
from orders.models import Order
from payments import ledger
from tasks.registry import Run, job

SLICE = 2_000
NAMED = 20


class BooksWrong(RuntimeError):
    """Some snapshots differ from their ledgers."""


@job("core.check_books", queue="bulk", attempts=1, timeout=1_800)
def check_books(_run: Run) -> None:
    """Members against their points, orders against the money, coupons against their entries.

    Changes nothing. A difference is logged by id, and the row is dead at once: the figure of dead
    jobs and the doctor show it until somebody has looked.
    """
    wrong = {
        "member": sorted(
            {*_walk(Member, points.list_unbalanced), *_walk(Member, balance.list_unbalanced)}
        ),
        "order": _walk(Order, ledger.list_unbalanced),
        "coupon": _walk(Coupon, coupon_ledger.list_unbalanced),
    }
    if any(wrong.values()):
        counts = {name: len(ids) for name, ids in wrong.items()}
        some = {name: ids[:NAMED] for name, ids in wrong.items()}
        log.error("books_wrong", counts=counts, some=some)
        raise BooksWrong(f"{counts}, among them {some}")


def _walk(model: Any, check: Any) -> list[int]:
    found: list[int] = []
    for ids in _slices(model):
        with reading() as session:
            found += check(session, ids)
    return found


def _slices(model: Any) -> Iterator[range]:
    """All ids there are at the beginning, a few at a time: a statement of each is a short one."""
    with reading() as session:
        first, last = session.execute(select(func.min(model.id), func.max(model.id))).one()
    if first is not None:
        for start in range(first, last + 1, SLICE):
            yield range(start, min(start + SLICE, last + 1))
