"""The nightly proof names what the pages of money say otherwise than the ledger."""

from datetime import timedelta

from sqlalchemy import delete, func, select, update

from core import clock, database
from core.clock import business_day
from core.outbox import enqueue
from crm.models import Member
from merchants.models import Merchant
from orders.models import DiscountKind, Order, OrderDiscount
from payments import proof_parts
from payments.models import BookProof, LedgerEntry, SettlementDay
from payments.models.statements import Discrepancy, StatementDay, StatementLine, StatementState
from payments.recon import fixing, unlisted
from payments.settlement import days as settlement_days
from tests.factories.coupons import make_coupon, make_template
from tests.payments.conftest import Till
from tests.payments.test_recon import (
    DAY,
    booked,
    both,
    differences,
    number,
    others_come,
    paid,
    refunded,
    run,
    spoil,
    the_only,
)

__all__ = ["both"]
EVERY = range(1, 10**6)


def proven(till: Till) -> dict[str, list[int]]:
    with database.transaction() as session:
        enqueue(session, "core.check_books")
    till.run_jobs("core.check_books")
    with database.reading() as session:
        newest = session.scalars(select(BookProof).order_by(BookProof.id.desc()).limit(1)).one()
        return {name: ids for name, ids in newest.wrong.items() if ids}


def spoil_ledger(cause: str, account: str, more: int = 1) -> None:
    with database.transaction() as session:
        changed = session.execute(
            update(LedgerEntry)
            .where(LedgerEntry.cause.startswith(cause), LedgerEntry.account.startswith(account))
            .values(amount_fen=LedgerEntry.amount_fen + more)
        )
        assert changed.rowcount == 1  # type: ignore[attr-defined]


def test_a_fee_that_is_not_the_bills_is_named(both: Till) -> None:
    order = paid(both, 2_600)
    refunded(both, order, 600)
    run(both, now=clock.now())
    assert proven(both) == {}

    spoil_ledger("fee:", "fee:")
    with database.reading() as session:
        line = session.scalars(select(StatementLine.id).where(StatementLine.fee_fen > 0)).one()
        assert proof_parts.wrong_fees(session, EVERY) == [line]
        assert proof_parts.wrong_fees(session, range(line + 1, line + 10**5)) == []
    spoil_ledger("fee:", "fee:", -1)
    spoil_ledger("fee_back:", "fee:")
    with database.reading() as session:
        back = session.scalars(select(StatementLine.id).where(StatementLine.fee_fen < 0)).one()
        assert proof_parts.wrong_fees(session, EVERY) == [back]
    assert proven(both)["fee"] == [back]


def test_a_corrected_fee_is_proven_and_one_that_stays_wrong_is_not(both: Till) -> None:
    order = paid(both, 3_000)
    spoil(both, fees_fen={number(both, order): 30})
    day = run(both)
    spoil(both)
    with database.transaction() as session:
        session.execute(update(StatementDay).values(state=StatementState.wanted))
    assert run(both).id == day.id
    assert proven(both) == {}
    spoil_ledger(f"fee:{both.attempts(order)[0].id}:2", "fee:", 14)
    assert set(proven(both)) >= {"fee"}


def test_a_loss_that_nobody_accepted_so_is_named(both: Till) -> None:
    order = paid(both, 2_600)
    spoil(both, missing=[number(both, order)])
    run(both)
    found = the_only()
    with database.transaction() as session:
        lost = fixing.accept(session, 1, found.id, note="没有", actor="staff:1", now=clock.now())
    assert lost == 2_600
    assert proven(both) == {}

    with database.transaction() as session:
        session.execute(update(Discrepancy).values(lost_fen=2_599))
    assert proven(both) == {"loss": [found.id]}


def with_coupon(till: Till, order: Order, fen: int) -> None:
    """As if a coupon had taken so much off; all of it happened on the day."""
    with database.transaction() as session:
        mine = session.get_one(Order, order.id)
        template = make_template(session, session.get_one(Merchant, mine.merchant_id))
        coupon = make_coupon(session, session.get_one(Member, mine.member_id), template)
        session.flush()
        session.add(
            OrderDiscount(
                order_id=order.id,
                position=0,
                kind=DiscountKind.coupon,
                ref_id=coupon.id,
                name="券",
                amount_fen=fen,
                per_line=[fen],
            )
        )
        session.execute(update(LedgerEntry).values(day=DAY))


def close_the_day(order: Order) -> None:
    others_come()
    with database.transaction() as session:
        settlement_days.open_due(session, order.merchant_id, now=clock.now())
        (day,) = settlement_days.list_closable(session, order.merchant_id, now=clock.now())
        assert settlement_days.close(session, day.id, now=clock.now())


def test_what_a_coupon_cost_is_what_it_took_off(both: Till) -> None:
    order = paid(both, 2_600)
    with_coupon(both, order, 300)
    with database.reading() as session:
        assert proof_parts.wrong_coupon_costs(session, EVERY) == []  # its day is open
    close_the_day(order)
    assert proven(both) == {}

    spoil_ledger("coupon:", "given:")
    with database.reading() as session:
        assert proof_parts.wrong_coupon_costs(session, EVERY) == [order.id]
    with database.transaction() as session:
        session.execute(delete(LedgerEntry).where(LedgerEntry.cause.startswith("coupon:")))
    with database.reading() as session:
        assert proof_parts.wrong_coupon_costs(session, EVERY) == [order.id]


def test_what_a_refund_gave_back_of_a_coupons_cost_is_its_part(both: Till) -> None:
    order = paid(both, 2_600)
    refunded(both, order, 1_000)
    with_coupon(both, order, 333)
    with database.reading() as session:
        assert proof_parts.wrong_coupon_returns(session, EVERY) == []  # its day is open
    close_the_day(order)
    assert booked("coupon_back") == [("coupon_cost", -128), ("given", 128)]
    assert proven(both) == {}

    spoil_ledger("coupon_back:", "coupon_cost:")
    with database.reading() as session:
        assert proof_parts.wrong_coupon_returns(session, EVERY) == [order.id]
        assert proof_parts.wrong_coupon_returns(session, range(order.id + 1, 10**6)) == []
    with database.transaction() as session:
        session.execute(delete(LedgerEntry).where(LedgerEntry.cause.startswith("coupon_back:")))
    assert proven(both)["order"] == [order.id]


def test_every_column_of_a_closed_statement_is_proven(both: Till) -> None:
    order = paid(both, 2_600)
    refunded(both, order, 600)
    with database.transaction() as session:
        session.execute(update(LedgerEntry).values(day=DAY))
    run(both)
    others_come()
    with database.transaction() as session:
        settlement_days.open_due(session, order.merchant_id, now=clock.now())
        for day in settlement_days.list_closable(session, order.merchant_id, now=clock.now()):
            assert settlement_days.close(session, day.id, now=clock.now())
    assert proven(both) == {}
    names = ("taken", "refunded", "fee", "commission", "shared", "coupon_cost", "subsidy", "other")
    with database.reading() as session:
        (statement,) = session.scalars(select(SettlementDay.id)).all()
    for name in (*names, "net"):
        column = getattr(SettlementDay, f"{name}_fen")
        with database.transaction() as session:
            session.execute(update(SettlementDay).values({column: column + 1}))
        with database.transaction() as session:
            assert proof_parts.wrong_columns(session, EVERY) == [statement], name
            session.execute(update(SettlementDay).values({column: column - 1}))
    with database.reading() as session:
        assert proof_parts.wrong_columns(session, EVERY) == []


def test_the_rows_of_a_bill_are_forgotten_and_the_day_stays_as_it_was(both: Till) -> None:
    paid(both, 2_600)
    day = run(both)
    with database.transaction() as session:
        enqueue(session, "core.tidy", key="a")
    assert both.run_jobs("core.tidy") == ["done"]
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(StatementLine)) == 1
        old = business_day(clock.now()) - timedelta(days=91)
        session.execute(update(StatementDay).where(StatementDay.id == day.id).values(day=old))
        enqueue(session, "core.tidy", key="b")
    assert both.run_jobs("core.tidy")[-1] == "done"
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(StatementLine)) == 0
    again = run(both, day=old)
    assert (again.state, again.rows, again.fee_fen) == (StatementState.matched, 1, day.fee_fen)
    assert differences() == []
    assert proven(both) == {}


def test_a_fee_whose_row_the_bill_has_lost_is_taken_out_and_booked_again_when_it_is_back(
    both: Till,
) -> None:
    order = paid(both, 3_000)
    back = refunded(both, order, 1_000)
    mine = number(both, order)
    run(both)
    whole = booked("fee", "fee_back")
    spoil(both, missing=[mine, back.out_refund_no])
    with database.transaction() as session:
        session.execute(update(StatementDay).values(state=StatementState.wanted))
    day = run(both)
    assert day.state is StatementState.differs
    assert booked("fee", "fee_back") == whole  # tomorrow's bill may have them
    assert "bill" not in proven(both)

    run(both, day=DAY + timedelta(days=1))

    assert sum(fen for kind, fen in booked("fee", "fee_back") if kind == "fee") == 0
    assert len(booked("fee", "fee_back")) == 2 * len(whole)
    assert "bill" not in proven(both)
    run(both)
    assert len(booked("fee", "fee_back")) == 2 * len(whole)
    spoil(both)
    with database.transaction() as session:
        session.execute(update(StatementDay).values(state=StatementState.wanted))
    assert run(both).state is StatementState.matched
    assert sorted(booked("fee", "fee_back")) == sorted(whole + _turned(whole) + whole)
    assert {"bill", "fee"}.isdisjoint(proven(both))


def _turned(entries: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return [(kind, -fen) for kind, fen in entries]


def test_a_fee_that_no_bill_names_is_named_by_the_proof(both: Till) -> None:
    order = paid(both, 3_000)
    day = run(both)
    run(both, day=DAY + timedelta(days=1))
    with database.reading() as session:
        assert unlisted.wrong_days(session, EVERY) == []
    with database.transaction() as session:
        session.execute(update(StatementLine).values(our_no="P-other"))
    with database.reading() as session:
        assert unlisted.wrong_days(session, EVERY) == [day.id]
        assert unlisted.wrong_days(session, range(day.id + 1, day.id + 99)) == []
    assert proven(both)["bill"] == [day.id]
    assert number(both, order) != "P-other"
