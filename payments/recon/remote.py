"""Bills are asked for, written to disk, kept row by row and matched; safe to begin again anywhere.

Opens transactions, each short and never across a call: whoever dies in the middle left rows that
the next run throws away, under a day that still waits.
"""

import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import IO

from core.database import reading, transaction
from core.outbox import enqueue
from gateways.cashier import Cashier
from gateways.pay.bills import BadBill, BillKind, BillRow, BillSource, FundKind, RowKind
from payments import remote as pay_remote
from payments.models import PaymentAttempt
from payments.models.statements import (
    UNSOLVED,
    Discrepancy,
    StatementDay,
    StatementKind,
    StatementState,
)
from payments.recon import days, fixing, loading, matching
from payments.recon.days import Account
from payments.recon.fixing import Act
from payments.recon.matching import Outcome
from payments.settlement import awaiting
from payments.settlement.awaiting import closes_at

_FILES = {StatementKind.trade: BillKind.trade, StatementKind.fund: BillKind.fund}
_IN_MEMORY = 1024 * 1024  # a small shop's bill never sees the disk


def reconcile(cashier: Cashier, day_id: int, now: datetime) -> Outcome:
    """Fetch a day that is wanted, and match it.

    Raises BillNotReady, ChannelUnavailable or a transient ChannelRefused (ask again later), BadBill
    or ChannelRefused (somebody has to look); the day goes on waiting.
    """
    with reading() as session:
        day = session.get_one(StatementDay, day_id)
    if day.state is StatementState.wanted:
        _fetch(cashier, day, now)
    with transaction() as session:
        outcome = matching.match(session, day_id, now=now)
    for other_id in _waiting_for(day):
        with transaction() as session:
            matching.look_again(session, other_id, now=now)
    if day.kind in _FILES and day.state in awaiting.UNMATCHED and now >= closes_at(day.day):
        _close_late(day, now)
    return outcome


def _close_late(day: StatementDay, now: datetime) -> None:
    """Statements that had only waited for this account's bills need not wait for the next hour."""
    with transaction() as session:
        if not awaiting.is_complete(session, day):
            return
        if day.merchant_id is None:
            enqueue(session, "payments.settle")
        else:
            enqueue(session, "payments.settle_days", merchant_id=day.merchant_id)


def _waiting_for(day: StatementDay) -> list[int]:
    """What can be told only now that this bill is there: the end of the day before, and whether
    the account moved as its payments say."""
    if day.kind is not StatementKind.trade:
        return []
    with reading() as session:
        before = days.find(
            session, day.channel, day.account, day.day - matching.ONE_DAY, StatementKind.trade
        )
        fund = days.find(session, day.channel, day.account, day.day, StatementKind.fund)
        return [
            each.id
            for each in (before, fund)
            if each is not None
            and each.state is not StatementState.wanted
            and (each is fund or matching.has_unsolved(session, each.id))
        ]


def accounts(cashier: Cashier) -> list[Account]:
    """Every account of ours that gives out bills."""
    return [
        Account(
            pay.channel,
            pay.account,
            tuple(kind for kind, file in _FILES.items() if file in pay.bills.kinds),
            merchant,
        )
        for pay, merchant in cashier.list_billed()
    ]


def ask(
    cashier: Cashier, merchant_id: int, discrepancy_id: int, *, actor: str, now: datetime
) -> bool:
    """Ask the channel about the one payment or refund, act on what it says, match the day again.

    Whether that solved it. Raises what `fixing.check` does, ChannelUnavailable or ChannelRefused.
    """
    with reading() as session:
        found = fixing.check(session, merchant_id, discrepancy_id, Act.ask)
        attempt = session.get(PaymentAttempt, found.attempt_id) if found.attempt_id else None
    if found.refund_id is not None:
        pay_remote.check_refund(cashier, found.refund_id, now)
    elif attempt is not None:
        pay_remote.check(cashier, attempt, now)
    with transaction() as session:
        fixing.record(session, merchant_id, found, Act.ask, actor, now=now)
        matching.match(session, found.day_id, now=now)
        return session.get_one(Discrepancy, found.id, populate_existing=True).state not in UNSOLVED


def again(merchant_id: int, discrepancy_id: int, *, actor: str, now: datetime) -> None:
    """Perhaps the channel wrote its files anew: jobs fetch and match the day once more.

    Both files of it: one that is new beside one that is old would be a difference of its own.
    """
    with transaction() as session:
        found = fixing.check(session, merchant_id, discrepancy_id, Act.again)
        for day_id in days.list_beside(session, found.day_id):
            day = days.lock(session, day_id)
            if day.kind in _FILES:
                days.move(session, day, StatementState.wanted)
            enqueue(session, "payments.reconcile", day_id=day.id)
        fixing.record(session, merchant_id, found, Act.again, actor, now=now)


def _fetch(cashier: Cashier, day: StatementDay, now: datetime) -> None:
    if day.kind not in _FILES:
        with transaction() as session:
            locked = days.lock(session, day.id)
            days.move(session, locked, StatementState.fetched, fetched_at=now, error="")
        return
    source = cashier.bills_of(day.channel, day.account)
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as file:
        told = source.fetch(day.day, _FILES[day.kind], file)
        file.seek(0)
        _drop(day.id)
        sums = _Sums()
        if told is not None:
            read = _keep_lines if day.kind is StatementKind.trade else _add_funds
            read(source, day.id, file, sums)
    with transaction() as session:
        kept = loading.count(session, day.id) if day.kind is StatementKind.trade else sums.rows
        if kept != sums.rows:
            raise BadBill(f"names a number twice: {sums.rows} rows, {kept} numbers")
        file_hash = told.hash if told else ""
        fetched = {"fetched_at": now, "hash": file_hash, "error": "" if told else "empty"}
        locked = days.lock(session, day.id)
        days.move(session, locked, StatementState.fetched, **fetched, **sums.columns())


def _drop(day_id: int) -> None:
    """What a run that did not come to its end has left."""
    dropped = 1
    while dropped:
        with transaction() as session:
            dropped = loading.drop_some(session, day_id)


class _Sums:
    """What a file adds up to, while it goes by."""

    def __init__(self) -> None:
        self.rows = self.paid = self.refunded = self.fees = self.settled = self.other = 0

    def add(self, row: BillRow) -> None:
        self.rows += 1
        self.fees += row.fee_fen
        if row.kind is RowKind.payment:
            self.paid += row.amount_fen
            self.settled += row.settled_fen - row.fee_fen
        else:
            self.refunded += row.amount_fen
            self.settled -= row.settled_fen + row.fee_fen

    def columns(self) -> dict[str, int]:
        return {
            "rows": self.rows,
            "paid_fen": self.paid,
            "refunded_fen": self.refunded,
            "fee_fen": self.fees,
            "settled_fen": self.settled,
            "other_fen": self.other,
        }


def _keep_lines(source: BillSource, day_id: int, file: IO[bytes], sums: _Sums) -> None:
    for some in _slices(source.rows(file)):
        for row in some:
            sums.add(row)
        with transaction() as session:
            loading.put(session, day_id, some)


def _add_funds(source: BillSource, day_id: int, file: IO[bytes], sums: _Sums) -> None:
    """Of the movements only their sums are kept: row by row they say what the trade bill says."""
    for row in source.funds(file):
        sums.rows += 1
        if row.kind is FundKind.other:
            sums.other += row.amount_fen
            continue
        sums.settled += row.amount_fen
        if row.kind is FundKind.payment:
            sums.paid += row.amount_fen
        elif row.kind is FundKind.refund:
            sums.refunded -= row.amount_fen
        else:
            sums.fees -= row.amount_fen


def _slices(rows: Iterable[BillRow]) -> Iterator[list[BillRow]]:
    iterator = iter(rows)
    while some := list(islice(iterator, loading.SLICE)):
        yield some
