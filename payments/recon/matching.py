"""A day is matched: what is wrong is written down, what no longer is, is closed, and it adds up."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import rows
from core.clock import day_bounds
from core.database import insert_ignore
from core.logs import log
from payments.models import PaymentAttempt, Refund
from payments.models.statements import (
    UNSOLVED,
    About,
    Difference,
    Discrepancy,
    DiscrepancyState,
    StatementDay,
    StatementKind,
    StatementState,
)
from payments.recon import booking, checks, days, inner, loading, totals
from payments.recon.checks import Found

# More than anybody works off one by one: then the bill is another shop's, or half of it is missing.
MOST = 2_000
SYSTEM = "system"
ONE_DAY = timedelta(days=1)
_MATCHED = (StatementState.matched, StatementState.differs)


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
    if not _waits_for_trades(session, day):
        found, final = _ask(session, day)
        known = session.scalars(select(Discrepancy).where(Discrepancy.day_id == day.id)).all()
        _keep(session, day, known, found, final=final, now=now)
    if day.kind is StatementKind.trade:
        totals.add_up(session, day, *_beside(session, day))
        booking.post_fees(session, day, now=now)
    outcome = _outcome(session, day.id)
    days.move(session, day, outcome.state, matched_at=now, error="")
    log.info("day_matched", day_id=day.id, state=outcome.state, open=outcome.open)
    return outcome


def look_again(session: Session, day_id: int, *, now: datetime) -> Outcome:
    """Tomorrow's bill is there: what this day's had not is looked for in it. Nothing else of the
    day can be another for it."""
    day = days.lock(session, day_id)
    if day.kind is not StatementKind.trade or day.state not in _MATCHED:
        return match(session, day_id, now=now)
    of_day = select(Discrepancy).where(Discrepancy.day_id == day.id)
    short = of_day.where(
        Discrepancy.kind == Difference.short, Discrepancy.state != DiscrepancyState.fixed
    )
    missing = list(session.scalars(short.limit(MOST)))
    if len(missing) == MOST:  # there may be more that nobody has written down
        return match(session, day_id, now=now)
    near, wide = _beside(session, day)
    payments = {each.attempt_id or 0 for each in missing if each.about is About.payment}
    refunds = {each.refund_id or 0 for each in missing if each.about is About.refund}
    found = [
        *checks.not_in_bill(session, day, near, MOST, PaymentAttempt, payments),
        *checks.not_in_bill(session, day, wide, MOST, Refund, refunds),
    ]
    _keep(session, day, missing, found, final=True, now=now)
    if len(found) < len(missing):  # tomorrow's bill has it, so it counts there
        totals.add_up(session, day, near, wide)
    booking.take_out_fees(session, day, now=now, payments=payments, refunds=refunds)
    outcome = _outcome(session, day.id)
    days.move(session, day, outcome.state, matched_at=now, error="")
    return outcome


def _ask(session: Session, day: StatementDay) -> tuple[list[Found], bool]:
    """What is wrong, and whether tomorrow's bill is there, so that nothing is waited for."""
    if day.kind is StatementKind.fund:
        return list(_fund(session, day)), True
    if day.kind is not StatementKind.trade:
        return list(islice(inner.ask(session, day), MOST)), True
    near, wide = _beside(session, day)
    tomorrow = days.find(session, day.channel, day.account, day.day + ONE_DAY, day.kind)
    asked = chain(
        checks.payments_in_bill(session, day, MOST),
        checks.refunds_in_bill(session, day, MOST),
        checks.not_in_bill(session, day, near, MOST, PaymentAttempt),
        checks.not_in_bill(session, day, wide, MOST, Refund),
        checks.orders_that_do_not_know(session, day, MOST),
    )
    final = tomorrow is not None and tomorrow.state is not StatementState.wanted
    return list(islice(asked, MOST)), final


def _beside(session: Session, day: StatementDay) -> tuple[list[int], list[int]]:
    """The bills that may have a payment of the day, and those that may have a refund."""
    first = day.day - timedelta(days=checks.REFUND_DAYS)
    near = checks.beside(session, day, day.day - ONE_DAY, day.day + ONE_DAY)
    return near, checks.beside(session, day, first, day.day + ONE_DAY)


def _waits_for_trades(session: Session, day: StatementDay) -> bool:
    """Without the trade bill nothing can be said of the account: what is known stays as it is, and
    the trade bill looks again once it is there."""
    if day.kind is not StatementKind.fund:
        return False
    trade = days.find(session, day.channel, day.account, day.day, StatementKind.trade)
    return trade is not None and trade.state is StatementState.wanted


def _fund(session: Session, day: StatementDay) -> Iterable[Found]:
    """What came and went on the account for trades must be what the trade bill adds up to."""
    trade = days.find(session, day.channel, day.account, day.day, StatementKind.trade)
    if trade is None:
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
    session: Session,
    day: StatementDay,
    before: Iterable[Discrepancy],
    found: list[Found],
    *,
    final: bool,
    now: datetime,
) -> None:
    """What is wrong and new is written; what is known stays as people left it, unless it is wrong
    again or tomorrow has come; what is wrong no longer is closed."""
    known = {(each.kind, each.about, each.ref): each for each in before}
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
    if day.state in _MATCHED:
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
