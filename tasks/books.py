"""Do the snapshots say what the ledgers say? Asked once a day; a difference is a bug's trace."""

from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import clock
from core.database import reading
from core.logs import log
from coupons import ledger as coupon_ledger
from coupons.models import Coupon
from crm import balance, points
from crm.models import Member
from merchants.models import Merchant
from orders.models import Order
from payments import ledger, proof, proof_parts, stored
from payments.models import Payout, SettlementDay, Sharing, StorePurse
from payments.models.statements import Discrepancy, StatementDay, StatementLine
from payments.recon import unlisted
from tasks.registry import Run, job

Check = Callable[[Session, range], list[int]]
SLICE = 2_000
# A day may have as many entries as thousands of orders, and a merchant as many as all their days.
SLICES = {"statement": 20, "merchant": 1, "bill": 5}
NAMED = 20


class BooksWrong(RuntimeError):
    """Some snapshots differ from their ledgers."""


@job("core.check_books", queue="bulk", attempts=1, timeout=1_800)
def check_books(run: Run) -> None:
    """Members against their points, orders and payments against the money, coupons against their
    entries, what members have stored against what is owed, statements and stores' purses against
    what they were added up from, fees against the channels' bills, losses against what was
    accepted.

    Changes nothing but the record of what it found, which the console shows. A difference is logged
    by id, and the row is dead at once: the figure of dead jobs and the doctor show it until it was
    looked at.
    """
    checks: dict[str, tuple[Any, list[Check]]] = {
        "member": (Member.id, [points.list_unbalanced, balance.list_unbalanced]),
        "order": (
            Order.id,
            [
                ledger.list_unbalanced,
                proof.wrong_payments,
                proof_parts.wrong_coupon_costs,
                proof_parts.wrong_coupon_returns,
            ],
        ),
        "coupon": (Coupon.id, [coupon_ledger.list_unbalanced]),
        "merchant": (Merchant.id, [stored.list_different]),
        "statement": (SettlementDay.id, [proof.wrong_days, proof_parts.wrong_columns]),
        "store": (StorePurse.store_id, [proof.wrong_purses]),
        "payout": (Payout.id, [proof.wrong_payouts]),
        "sharing": (Sharing.id, [proof.wrong_sharings]),
        "fee": (StatementLine.id, [proof_parts.wrong_fees]),
        "bill": (StatementDay.id, [unlisted.wrong_days]),
        "loss": (Discrepancy.id, [proof_parts.wrong_losses]),
    }
    wrong: dict[str, list[int]] = {}
    counts: dict[str, int] = {}
    for name, (column, several) in checks.items():
        with reading() as session:
            counts[name] = session.scalar(select(func.count(column))) or 0
        wrong[name] = sorted(
            {id_ for check in several for id_ in _walk(column, check, SLICES.get(name, SLICE))}
        )
    some = {name: ids[:NAMED] for name, ids in wrong.items()}
    with run.transaction() as session:
        proof.keep(session, counts, some, now=clock.now())
    if any(wrong.values()):
        numbers = {name: len(ids) for name, ids in wrong.items()}
        log.error("books_wrong", counts=numbers, some=some)
        raise BooksWrong(f"{numbers}, among them {some}")


def _walk(column: Any, check: Check, size: int) -> list[int]:
    found: list[int] = []
    for ids in _slices(column, size):
        with reading() as session:
            found += check(session, ids)
    return found


def _slices(column: Any, size: int) -> Iterator[range]:
    """All ids there are at the beginning, a few at a time: a statement of each is a short one."""
    with reading() as session:
        first, last = session.execute(select(func.min(column), func.max(column))).one()
    if first is not None:
        for start in range(first, last + 1, size):
            yield range(start, min(start + size, last + 1))
