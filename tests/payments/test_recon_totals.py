"""The head of 对账: its two sides differ by what is listed as different, and by nothing else."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from core import database
from core.clock import day_bounds
from gateways.pay.bills import RowKind
from payments.models import Refund, RefundState
from payments.models.statements import (
    About,
    Difference,
    Discrepancy,
    DiscrepancyState,
    StatementLine,
    StatementTotal,
)
from payments.recon import fixing, matching, queries
from payments.recon.fixing import Act, Cause
from tests.payments.conftest import Till
from tests.payments.test_recon import (
    DAY,
    NOON,
    NOW,
    SECOND,
    number,
    paid,
    refunded,
    run,
    spoil,
    the_only,
)
from tests.payments.test_recon import both as both

MIDNIGHT = day_bounds(DAY)[1]


def gaps(day: object = DAY) -> tuple[tuple[int, int], tuple[int, int]]:
    """(payments, refunds) by which the head's two sides differ, and by which the list says so."""
    with database.reading() as session:
        sums = queries.sums_of(session, 1, day)  # type: ignore[arg-type]
        listed = {About.payment: 0, About.refund: 0}
        for each in session.scalars(
            select(Discrepancy).where(
                Discrepancy.state != DiscrepancyState.fixed, Discrepancy.kind != Difference.fee
            )
        ):
            listed[each.about] += (each.theirs_fen or 0) - (each.ours_fen or 0)
    head = (sums.bill_paid_fen - sums.paid_fen, sums.bill_refunded_fen - sums.refunded_fen)
    return head, (listed[About.payment], listed[About.refund])


def test_what_the_bill_has_otherwise_is_the_heads_difference(both: Till) -> None:
    missing, other, fine = (paid(both, fen) for fen in (2600, 1000, 700))
    lost, less = refunded(both, fine, 300), refunded(both, other, 200)
    spoil(
        both,
        missing=[number(both, missing), lost.out_refund_no],
        extra={"STRANGER1": 900},
        amounts_fen={number(both, other): 999, less.out_refund_no: 150},
    )

    run(both)

    assert gaps() == ((900 - 2600 - 1, -300 - 50),) * 2


def not_arrived(refund: Refund) -> None:
    failed = {"state": RefundState.failed, "error": "ABNORMAL"}
    with database.transaction() as session:
        session.execute(update(Refund).where(Refund.id == refund.id).values(**failed))


def arrived_later(refund: Refund) -> None:
    with database.transaction() as session:
        later = {"settled_at": MIDNIGHT + timedelta(hours=20)}
        session.execute(update(Refund).where(Refund.id == refund.id).values(**later))


@pytest.mark.parametrize("became", [not_arrived, arrived_later])
def test_a_refund_that_is_on_its_way_counts_on_both_sides(
    till: Till, became: Callable[[Refund], None]
) -> None:
    order = paid(till, 2600)
    refund = refunded(till, order, 1900)
    became(refund)
    state = "CHANGE" if became is not_arrived else "PROCESSING"
    spoil(till, states={refund.out_refund_no: state})

    run(till)

    with database.reading() as session:
        total = session.scalars(select(StatementTotal)).one()
    assert (total.bill_refunded_fen, total.refunded_fen, total.refunds) == (1900, 1900, 1)
    assert gaps() == ((0, 0), (0, 0))


def test_a_payment_counts_under_the_day_whose_bill_has_it(both: Till) -> None:
    paid(both, 2600, MIDNIGHT - SECOND, theirs=MIDNIGHT + 3 * SECOND)
    paid(both, 500)
    run(both)
    assert gaps() == ((-2600, 0),) * 2  # it waits for tomorrow's bill

    run(both, day=DAY + timedelta(days=1), now=NOW)

    assert gaps() == ((0, 0),) * 2
    assert gaps(DAY + timedelta(days=1))[0] == (0, 0)
    with database.reading() as session:
        totals = session.scalars(select(StatementTotal).order_by(StatementTotal.day_id)).all()
    assert sorted((t.payments, t.paid_fen, t.ordered_fen) for t in totals) == [
        (1, 500, 500),
        (1, 2600, 2600),
    ]


def test_a_payment_that_was_revoked_is_on_no_side(till: Till) -> None:
    paid(till, 500)
    spoil(till, extra={"REVOKED1": 900})
    day = run(till)
    assert gaps()[0] == (900, 0)
    with database.transaction() as session:
        (line,) = session.scalars(
            select(StatementLine).where(StatementLine.our_no == "REVOKED1")
        ).all()
        told = {c.name: getattr(line, c.name) for c in StatementLine.__table__.columns}
        del told["id"]
        session.add(StatementLine(**told | {"kind": RowKind.revoked}))
        session.flush()
        matching.match(session, day.id, now=NOW)

    assert gaps() == ((0, 0),) * 2


def test_what_was_given_back_already_is_no_loss_to_accept(till: Till) -> None:
    order = paid(till, 2600)
    spoil(till, missing=[number(till, order)])
    run(till)
    found = the_only()
    assert fixing.advise(found).cause is Cause.not_there

    refunded(till, order, 2600, NOON + SECOND)

    with database.reading() as session:
        case = queries.case_of(session, found)
    advice = fixing.advise(found, back_fen=case.back_fen)
    assert (case.back_fen, advice.cause) == (2600, Cause.given_back)
    assert advice.acts[0] is Act.again
    assert set(advice.acts) == set(fixing.advise(found).acts)
