"""A day is matched: what is wrong is written down, what no longer is, is closed, and it adds up."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from core import rows
from core.clock import day_bounds
from core.database import claim, insert_ignore
from core.logs import log
from payments.models.statements import (
    UNSOLVED,
    About,
    Difference,
    Discrepancy,
    DiscrepancyState,
    StatementDay,
    StatementKind,
    StatementState,
    StatementTotal,
)
from payments.recon import booking, checks, days, inner, loading
from payments.recon.checks import Found

# More than anybody works off one by one: then the bill is another shop's, or half of it is missing.
MOST = 2_000
SYSTEM = "system"
ONE_DAY = timedelta(days=1)
# Columns of a total, in the order of the questions that fill them.
_OF_BILL = ("bill_payments", "bill_paid_fen", "bill_refunds", "bill_refunded_fen", "fee_fen")
_OF_PAYMENTS = ("payments", "paid_fen", "orders", "ordered_fen")
_OF_REFUNDS = ("refunds", "refunded_fen")


@dataclass(frozen=True)
class Outcome:
    state: StatementState
    open: int
    waiting: int


def match(session: Session, day_id: int, *, now: datetime) -> Outcome:
    """Ask every question about a day whose file is there, as often as one likes."""
    day = days.lock(session, day_id)
    if day.state is StatementState.wanted:
        raise ValueError("a day is matched once its bill is there")
    if day.rows and day.kind is StatementKind.trade and not loading.has_some(session, day.id):
        return _outcome(session, day.id)  # its rows are forgotten: it would all seem to be missing
    found, final = _ask(session, day)
    _keep(session, day, found, final=final, now=now)
    if day.kind is StatementKind.trade:
        _add_up(session, day)
        booking.post_fees(session, day, now=now)
    outcome = _outcome(session, day.id)
    days.move(session, day, outcome.state, matched_at=now, error="")
    log.info("day_matched", day_id=day.id, state=outcome.state, open=outcome.open)
    return outcome


def _ask(session: Session, day: StatementDay) -> tuple[list[Found], bool]:
    """What is wrong, and whether tomorrow's bill is there, so that nothing is waited for."""
    if day.kind is StatementKind.fund:
        return list(_fund(session, day)), True
    if day.kind is not StatementKind.trade:
        return list(islice(inner.ask(session, day), MOST)), True
    near = checks.beside(session, day, day.day - ONE_DAY, day.day + ONE_DAY)
    wide = checks.beside(
        session, day, day.day - timedelta(days=checks.REFUND_DAYS), day.day + ONE_DAY
    )
    tomorrow = days.find(session, day.channel, day.account, day.day + ONE_DAY, day.kind)
    asked = chain(
        checks.payments_in_bill(session, day, MOST),
        checks.refunds_in_bill(session, day, MOST),
        checks.payments_not_in_bill(session, day, near, MOST),
        checks.refunds_not_in_bill(session, day, wide, MOST),
        checks.orders_that_do_not_know(session, day, MOST),
    )
    final = tomorrow is not None and tomorrow.state is not StatementState.wanted
    return list(islice(asked, MOST)), final


def _fund(session: Session, day: StatementDay) -> Iterable[Found]:
    """What came and went on the account for trades must be what the trade bill adds up to."""
    trade = days.find(session, day.channel, day.account, day.day, StatementKind.trade)
    if trade is None or trade.state is StatementState.wanted:
        return
    told = trade.settled_fen
    moved = day.settled_fen
    if told != moved:
        same = trade.settled_fen + trade.fee_fen == day.settled_fen + day.fee_fen
        yield Found(
            Difference.fee if same else Difference.amount,
            About.day,
            f"{day.day:%Y%m%d}",
            day_bounds(day.day)[0],
            ours_fen=told,
            theirs_fen=moved,
        )


def _keep(
    session: Session, day: StatementDay, found: list[Found], *, final: bool, now: datetime
) -> None:
    """What is wrong and new is written; what is known stays as people left it, unless it is wrong
    again or tomorrow has come; what is wrong no longer is closed."""
    known = {
        (each.kind, each.about, each.ref): each
        for each in session.scalars(select(Discrepancy).where(Discrepancy.day_id == day.id))
    }
    wrong = {(each.kind, each.about, each.ref): each for each in found}
    fresh = [
        _row(day, each, final=final, now=now) for key, each in wrong.items() if key not in known
    ]
    insert_ignore(session, Discrepancy, fresh)
    for key, each in known.items():
        again = wrong.get(key)
        if again is None:
            if len(found) < MOST and each.state is not DiscrepancyState.fixed:
                close(session, each, DiscrepancyState.fixed, "match", SYSTEM, now=now)
            continue
        figures = (each.ours_fen, each.theirs_fen)
        if each.state is DiscrepancyState.accepted and figures != (
            again.ours_fen,
            again.theirs_fen,
        ):
            _reopen(session, each, now=now)
        _note(session, each, again)
        waits = again.late and not final
        if each.state is DiscrepancyState.fixed:
            _move(session, each, DiscrepancyState.waiting if waits else DiscrepancyState.open)
        elif each.state is DiscrepancyState.waiting and final:
            _move(session, each, DiscrepancyState.open)


def close(
    session: Session,
    discrepancy: Discrepancy,
    to: DiscrepancyState,
    act: str,
    actor: str,
    *,
    now: datetime,
    note: str = "",
) -> bool:
    """It is dealt with; False when somebody was faster. A loss that turns up is taken back."""
    was_lost = discrepancy.state is DiscrepancyState.accepted
    values = {"act": act, "actor": actor, "note": note, "closed_at": now, "lost_fen": 0}
    if not _move(session, discrepancy, to, **values):
        return False
    if was_lost:
        booking.take_back_loss(session, discrepancy, now=now)
    return True


def _reopen(session: Session, discrepancy: Discrepancy, *, now: datetime) -> None:
    """Other figures than those somebody accepted: that loss is none, and somebody decides anew."""
    if _move(session, discrepancy, DiscrepancyState.open, lost_fen=0):
        booking.take_back_loss(session, discrepancy, now=now)


def settle_day(session: Session, day_id: int) -> None:
    """After something of a day was dealt with: does it still differ?"""
    day = days.lock(session, day_id)
    if day.state in (StatementState.matched, StatementState.differs):
        days.move(session, day, _outcome(session, day_id).state)


def has_unsolved(session: Session, day_id: int) -> bool:
    mine = (Discrepancy.day_id == day_id, Discrepancy.state.in_(UNSOLVED))
    return session.scalar(select(Discrepancy.id).where(*mine).limit(1)) is not None


def _move(session: Session, discrepancy: Discrepancy, to: DiscrepancyState, **values: Any) -> bool:
    if to in UNSOLVED:
        values |= {"act": "", "actor": "", "closed_at": None}
    expected = {"id": discrepancy.id, "state": discrepancy.state}
    moved = rows.compare_and_set(session, Discrepancy, expected, {"state": to, **values})
    session.refresh(discrepancy)
    return moved == 1


def _note(session: Session, discrepancy: Discrepancy, again: Found) -> None:
    """The figures as they are now."""
    now = {
        name: getattr(again, name)
        for name in ("line_id", "attempt_id", "refund_id", "order_id", "ours_fen", "theirs_fen")
    }
    if any(getattr(discrepancy, name) != value for name, value in now.items()):
        rows.compare_and_set(session, Discrepancy, {"id": discrepancy.id}, now)
        session.refresh(discrepancy)


def _row(day: StatementDay, found: Found, *, final: bool, now: datetime) -> dict[str, Any]:
    waits = found.late and not final
    values = found._asdict()
    del values["late"]
    values["merchant_id"] = found.merchant_id or day.merchant_id
    return values | {
        "day_id": day.id,
        "state": DiscrepancyState.waiting if waits else DiscrepancyState.open,
        "found_at": now,
        "act": "",
        "actor": "",
        "note": "",
        "lost_fen": 0,
    }


def _outcome(session: Session, day_id: int) -> Outcome:
    counted = (
        select(Discrepancy.state, func.count())
        .where(Discrepancy.day_id == day_id, Discrepancy.state.in_(UNSOLVED))
        .group_by(Discrepancy.state)
    )
    number = dict(session.execute(counted).all())
    open_ = number.get(DiscrepancyState.open, 0)
    state = StatementState.differs if open_ else StatementState.matched
    return Outcome(state, open_, number.get(DiscrepancyState.waiting, 0))


def _add_up(session: Session, day: StatementDay) -> None:
    """Each merchant's part of the day, anew."""
    totals: dict[int, dict[str, int]] = {}
    paid, back = checks.our_totals(day)
    asked: list[tuple[tuple[str, ...], Any]] = [
        (_OF_BILL, checks.bill_totals(day)),
        (_OF_PAYMENTS, paid),
        (_OF_REFUNDS, back),
    ]
    for names, statement in asked:
        for merchant_id, *sums in session.execute(statement):
            part = totals.setdefault(int(merchant_id), {})
            part |= {name: int(value or 0) for name, value in zip(names, sums, strict=True)}
    claim(session, delete(StatementTotal).where(StatementTotal.day_id == day.id))
    rows.add_all(
        session,
        StatementTotal,
        [
            {"day_id": day.id, "merchant_id": merchant_id}
            | {name: part.get(name, 0) for name in (*_OF_BILL, *_OF_PAYMENTS, *_OF_REFUNDS)}
            for merchant_id, part in sorted(totals.items())
        ],
    )
