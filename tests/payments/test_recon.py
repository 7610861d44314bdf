"""Reconciliation through the doors: the sandbox's bill files against what we keep, to the fen."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core import database
from core.clock import business_day, day_bounds
from gateways.pay.bills import BadBill, BillNotReady
from orders.models import Order, PaymentState
from payments import refunding
from payments.models import AttemptState, LedgerEntry, PaymentAttempt, Refund, RefundState
from payments.models.statements import (
    About,
    Difference,
    Discrepancy,
    DiscrepancyState,
    StatementDay,
    StatementKind,
    StatementLine,
    StatementState,
    StatementTotal,
)
from payments.recon import days, fixing, remote, slices
from payments.recon.fixing import Act, Cause
from tests.factories.merchants import make_merchant
from tests.payments.conftest import MCHID, Till

NOW = datetime.now(UTC)
DAY = business_day(NOW) - timedelta(days=3)  # at any hour the bill of the next day is there too
NOON = day_bounds(DAY)[0] + timedelta(hours=12)
MORNING = day_bounds(DAY)[1] + timedelta(hours=10, minutes=5)
SECOND = timedelta(seconds=1)


@pytest.fixture(params=["sqlite", "mariadb"])
def both(request: pytest.FixtureRequest) -> Till:
    till: Till = request.getfixturevalue("till" if request.param == "sqlite" else "mariadb_till")
    return till


def paid(till: Till, fen: int, at: datetime = NOON, *, theirs: datetime | None = None) -> Order:
    """An order that was paid then, as we and (perhaps at another moment) the channel know it."""
    order = till.order(fen)
    till.channel.pay(till.open(order))
    assert till.deliver(till.channel.next_notice()) == 204
    (attempt,) = till.attempts(order)
    place(till, order, at, theirs=theirs or at)
    assert attempt.state is AttemptState.succeeded
    return order


def place(till: Till, order: Order, at: datetime, *, theirs: datetime) -> None:
    """As if it had been then."""
    (attempt,) = till.attempts(order)
    known = till.channel.world.ledger.find_order(MCHID, attempt.out_trade_no)
    assert known is not None
    known.success_at = theirs.timestamp()
    with database.transaction() as session:
        session.execute(
            update(PaymentAttempt).where(PaymentAttempt.id == attempt.id).values(settled_at=at)
        )
        session.execute(
            update(Order).where(Order.id == order.id, Order.paid_at.is_not(None)).values(paid_at=at)
        )


def refunded(till: Till, order: Order, fen: int, at: datetime = NOON) -> Refund:
    """Asked for, accepted and arrived then."""
    with database.transaction() as session:
        found = session.get_one(Order, order.id)
        refunding.request(
            session, found, fen, reason="少做了一杯", actor="staff:1", now=datetime.now(UTC)
        )
    assert till.run_jobs("payments.refund") == ["done"]
    (refund,) = till.refunds(order)
    till.channel.decide_refund(refund.out_refund_no, "SUCCESS")
    assert till.deliver(till.channel.next_notice()) == 204
    till.channel.world.ledger.refunds[f"{MCHID}|{refund.out_refund_no}"].create_at = at.timestamp()
    with database.transaction() as session:
        session.execute(update(Refund).where(Refund.id == refund.id).values(settled_at=at))
    (refund,) = till.refunds(order)
    assert refund.state is RefundState.succeeded
    return refund


def spoil(till: Till, **wrongs: Any) -> None:
    assert till.channel.client.post("/sandbox/api/bills", json=wrongs).status_code == 200


def want(till: Till, now: datetime = MORNING) -> None:
    with database.transaction() as session:
        days.want(session, remote.accounts(till.cashier), now=now)


def run(
    till: Till, kind: StatementKind = StatementKind.trade, day: Any = DAY, now: datetime = MORNING
) -> StatementDay:
    """The day, reconciled."""
    if find(kind, day) is None:
        want(till, day_bounds(day)[1] + timedelta(hours=10, minutes=5))
    known = find(kind, day)
    assert known is not None
    remote.reconcile(till.cashier, known.id, now)
    found = find(kind, day)
    assert found is not None
    return found


def find(kind: StatementKind, day: Any = DAY) -> StatementDay | None:
    inner = kind in days.INNER
    with database.reading() as session:
        account = "1" if inner else MCHID
        return days.find(session, "none" if inner else "wechat", account, day, kind)


def others_come() -> None:
    """As if every other bill were matched by now: nobody's statement waits for one."""
    with database.transaction() as session:
        session.execute(update(StatementDay).values(state=StatementState.matched))


def differences() -> list[tuple[str, str, str, str, int | None, int | None]]:
    with database.reading() as session:
        return [
            (d.kind, d.about, d.ref, d.state, d.ours_fen, d.theirs_fen)
            for d in session.scalars(select(Discrepancy).order_by(Discrepancy.id))
        ]


def the_only() -> Discrepancy:
    with database.reading() as session:
        return session.scalars(select(Discrepancy)).one()


def number(till: Till, order: Order) -> str:
    return till.attempts(order)[0].out_trade_no


def booked(*kinds: str) -> list[tuple[str, int]]:
    with database.reading() as session:
        rows = session.scalars(select(LedgerEntry).order_by(LedgerEntry.cause, LedgerEntry.account))
        return [
            (row.account.partition(":")[0], row.amount_fen)
            for row in rows
            if row.cause.partition(":")[0] in kinds
        ]


def test_a_day_on_which_all_agree_adds_up_and_its_fees_are_booked_once(both: Till) -> None:
    first = paid(both, 2600)
    paid(both, 1000, NOON + SECOND)
    refunded(both, first, 600)
    want(both)
    trade = run(both)
    assert (trade.state, trade.rows, trade.error) == (StatementState.matched, 3, "")
    assert (trade.paid_fen, trade.refunded_fen, trade.fee_fen) == (3600, 600, 14 + 5 - 3)
    fund = run(both, StatementKind.fund)
    assert (fund.state, fund.settled_fen) == (StatementState.matched, trade.settled_fen)
    assert trade.settled_fen == 3600 - 600 - 16
    for kind in days.INNER:
        assert run(both, kind).state is StatementState.matched
    with database.reading() as session:
        total = session.scalars(select(StatementTotal)).one()
    assert (total.bill_payments, total.bill_paid_fen) == (2, 3600)
    assert (total.bill_refunds, total.bill_refunded_fen, total.fee_fen) == (1, 600, 16)
    assert (total.payments, total.paid_fen, total.refunds, total.refunded_fen) == (2, 3600, 1, 600)
    assert (total.orders, total.ordered_fen) == (2, 3600)
    fees = [("channel", -14), ("fee", 14), ("channel", -5), ("fee", 5)]
    assert booked("fee", "fee_back") == [*fees, ("channel", 3), ("fee", -3)]
    with database.reading() as session:
        before = session.scalars(select(LedgerEntry.id)).all()
    run(both)
    with database.reading() as session:
        assert session.scalars(select(LedgerEntry.id)).all() == before
    assert differences() == []


def test_each_kind_of_difference_is_found_with_both_figures(both: Till) -> None:
    missing, other, dear, fine = (paid(both, fen) for fen in (2600, 1000, 3000, 700))
    back = refunded(both, fine, 300)
    spoil(
        both,
        missing=[number(both, missing)],
        extra={"STRANGER1": 900},
        amounts_fen={number(both, other): 999},
        fees_fen={number(both, dear): 30},
        states={back.out_refund_no: "FAIL"},
    )
    day = run(both)
    assert day.state is StatementState.differs
    assert sorted(differences()) == sorted(
        [
            ("long", "payment", "STRANGER1", "open", None, 900),
            ("amount", "payment", number(both, other), "open", 1000, 999),
            ("fee", "payment", number(both, dear), "open", 16, 30),
            ("state", "refund", back.out_refund_no, "open", 300, 300),
            ("short", "payment", number(both, missing), "open", 2600, None),
        ]
    )
    spoil(both)
    with database.transaction() as session:
        days.move(session, days.lock(session, day.id), StatementState.wanted)
    assert run(both).state is StatementState.matched
    assert {row[3] for row in differences()} == {"fixed"}


def test_a_day_in_many_parts_says_what_it_says_in_one(
    both: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "STEP", 1)
    kept, lost, _ = (paid(both, fen, NOON + n * SECOND) for n, fen in enumerate((2600, 1200, 700)))
    same = paid(both, 300, NOON)  # in the second of the first
    refunded(both, kept, 600, NOON + SECOND)
    spoil(both, missing=[number(both, lost)], amounts_fen={number(both, same): 200})
    day = run(both)
    assert (day.state, day.rows) == (StatementState.differs, 4)
    assert [(kind, ref, *fen) for kind, _, ref, _, *fen in differences()] == [
        ("amount", number(both, same), 300, 200),
        ("short", number(both, lost), 1200, None),
    ]
    with database.reading() as session:
        total = session.scalars(select(StatementTotal)).one()
    assert (total.bill_payments, total.bill_paid_fen) == (3, 2600 + 700 + 200)
    assert (total.bill_refunds, total.bill_refunded_fen) == (1, 600)
    assert (total.payments, total.paid_fen, total.orders) == (4, 4800, 4)
    assert (total.refunds, total.refunded_fen, total.ordered_fen) == (1, 600, 4800)
    fees = [fen for account, fen in booked("fee") if account == "fee"]
    assert (sorted(fees), total.fee_fen) == ([2, 4, 14], 2 + 4 + 14 - 3)
    assert booked("fee_back") == [("channel", 3), ("fee", -3)]


def test_a_payment_before_midnight_waits_for_tomorrows_bill(both: Till) -> None:
    midnight = day_bounds(DAY)[1]
    order = paid(both, 2600, midnight - SECOND, theirs=midnight + 3 * SECOND)
    paid(both, 500)
    day = run(both)
    assert day.state is StatementState.matched
    assert differences() == [("short", "payment", number(both, order), "waiting", 2600, None)]
    assert fixing.advise(the_only()).cause is Cause.midnight
    tomorrow = run(both, day=DAY + timedelta(days=1), now=NOW)
    assert (tomorrow.state, tomorrow.rows) == (StatementState.matched, 1)
    assert differences() == [("short", "payment", number(both, order), "fixed", 2600, None)]
    assert (the_only().act, the_only().actor) == ("match", "system")


def test_what_tomorrows_bill_has_not_either_is_missing(till: Till) -> None:
    midnight = day_bounds(DAY)[1]
    order = paid(till, 2600, midnight - SECOND)
    spoil(till, missing=[number(till, order)])
    paid(till, 100)
    run(till)
    paid(till, 100, midnight + timedelta(hours=5))
    run(till, day=DAY + timedelta(days=1), now=NOW)
    assert differences() == [("short", "payment", number(till, order), "open", 2600, None)]
    found = find(StatementKind.trade)
    assert found is not None
    assert found.state is StatementState.differs


def test_a_lost_notice_is_found_by_the_bill_and_healed_by_asking(both: Till) -> None:
    order = both.order(2600)
    both.channel.pay(both.open(order))
    both.channel.next_notice()  # lost
    place(both, order, NOON, theirs=NOON)
    with database.transaction() as session:
        session.execute(update(PaymentAttempt).values(settled_at=None))
    assert run(both).state is StatementState.differs
    found = the_only()
    assert (found.kind, found.about) == (Difference.long, About.payment)
    assert fixing.advise(found).acts[0] is Act.ask
    solved = remote.ask(both.cashier, 1, found.id, actor="staff:1", now=datetime.now(UTC))
    assert solved
    assert both.read(order).payment_state is PaymentState.paid
    assert the_only().state is DiscrepancyState.fixed
    with pytest.raises(fixing.AlreadySolved):
        remote.ask(both.cashier, 1, found.id, actor="staff:1", now=datetime.now(UTC))


def test_what_is_given_up_is_booked_as_lost_and_taken_back_when_it_turns_up(both: Till) -> None:
    order = paid(both, 2600)
    spoil(both, missing=[number(both, order)], extra={"STRANGER1": 100})
    day = run(both)
    short = next(d for d in differences() if d[0] == "short")
    with database.reading() as session:
        ids = dict(session.execute(select(Discrepancy.kind, Discrepancy.id)).all())
    accept: Callable[..., int] = fixing.accept
    with database.transaction() as session:
        options = {"note": "渠道查无此单", "actor": "staff:1", "now": datetime.now(UTC)}
        assert accept(session, 1, ids[Difference.short], **options) == 2600
        assert accept(session, 1, ids[Difference.long], **options) == 0
    assert booked("loss") == [("channel", -2600), ("loss", 2600)]
    assert short[4] == 2600
    found = find(StatementKind.trade)
    assert found is not None
    assert found.state is StatementState.matched
    with pytest.raises(fixing.AlreadySolved), database.transaction() as session:
        accept(session, 1, ids[Difference.short], **options)
    spoil(both)
    with database.transaction() as session:
        days.move(session, days.lock(session, day.id), StatementState.wanted)
    assert run(both).state is StatementState.matched
    assert booked("loss", "found") == [
        *(("channel", 2600), ("loss", -2600)),
        *(("channel", -2600), ("loss", 2600)),
    ]
    assert {row[3] for row in differences()} == {"fixed"}


def test_what_a_killed_run_left_is_thrown_away(both: Till) -> None:
    order = paid(both, 2600)
    want(both)
    day = find(StatementKind.trade)
    assert day is not None
    with database.transaction() as session:
        for no in ("STALE1", number(both, order)):
            session.add(
                StatementLine(
                    day_id=day.id,
                    kind="payment",
                    channel_no=no,
                    our_no=no,
                    payment_no=no,
                    amount_fen=1,
                    settled_fen=1,
                    fee_fen=0,
                    state="SUCCESS",
                    at=NOON,
                )
            )
    assert run(both).state is StatementState.matched
    with database.reading() as session:
        lines = session.scalars(select(StatementLine)).all()
    assert [(line.our_no, line.amount_fen) for line in lines] == [(number(both, order), 2600)]


def test_a_broken_file_leaves_the_day_wanted_and_nothing_behind(till: Till) -> None:
    paid(till, 2600)
    want(till)
    day = find(StatementKind.trade)
    assert day is not None
    for wrong in ("wrong_hash", "wrong_totals"):
        spoil(till, **{wrong: True})
        with pytest.raises(BadBill):
            remote.reconcile(till.cashier, day.id, MORNING)
        still = find(StatementKind.trade)
        assert still is not None
        assert (still.state, still.rows) == (StatementState.wanted, 0)
    till.channel.fault(
        api="pay.tradebill", kind="error", status=400, code="STATEMENT_CREATING", times=1
    )
    with pytest.raises(BillNotReady):
        remote.reconcile(till.cashier, day.id, MORNING)
    assert booked("fee") == []
    spoil(till)
    assert run(till).state is StatementState.matched


def test_a_day_without_a_bill_is_a_day_on_which_nothing_may_have_been_paid(till: Till) -> None:
    day = run(till)
    assert (day.state, day.rows, day.hash) == (StatementState.matched, 0, "")
    order = paid(till, 2600)
    spoil(till, missing=[number(till, order)])
    run(till)
    assert [row[:3] for row in differences()] == [("short", "payment", number(till, order))]


def test_days_are_wanted_from_ten_in_the_morning_and_none_is_left_out(till: Till) -> None:
    early = day_bounds(DAY)[1] + timedelta(hours=9, minutes=59)
    want(till, early)
    assert find(StatementKind.trade) is None
    assert find(StatementKind.trade, DAY - timedelta(days=1)) is not None
    want(till, MORNING + timedelta(days=3))
    with database.reading() as session:
        wanted = session.scalars(
            select(StatementDay.day)
            .where(StatementDay.kind == StatementKind.trade, StatementDay.channel == "wechat")
            .order_by(StatementDay.day)
        ).all()
    assert wanted == [DAY + timedelta(days=n) for n in range(-1, 4)]
    want(till, MORNING + timedelta(days=3))
    with database.reading() as session:
        rows = session.scalars(select(StatementDay.id)).all()
    # WeChat has two files, Alipay and UnionPay one each.
    assert len(rows) == 5 * (4 + len(days.INNER))


def test_another_merchant_sees_and_does_nothing(till: Till) -> None:
    order = paid(till, 2600)
    spoil(till, missing=[number(till, order)], extra={"STRANGER1": 100})
    run(till)
    with database.transaction() as session:
        other = make_merchant(session, code="other")
    with database.reading() as session:
        ids = session.scalars(select(Discrepancy.id)).all()
    for id_ in ids:
        with pytest.raises(fixing.DiscrepancyNotFound), database.transaction() as session:
            fixing.accept(session, other.id, id_, note="x", actor="staff:9", now=NOW)
        with pytest.raises(fixing.DiscrepancyNotFound):
            remote.ask(till.cashier, other.id, id_, actor="staff:9", now=NOW)
    assert {row[3] for row in differences()} == {"open"}
    assert booked("loss") == []


def test_an_order_that_does_not_know_its_payment_is_told_from_both_sides(both: Till) -> None:
    order, less = paid(both, 2600), paid(both, 1000)
    with database.transaction() as session:
        unpaid = {"payment_state": PaymentState.unpaid}
        session.execute(update(Order).where(Order.id == order.id).values(**unpaid))
        session.execute(update(Order).where(Order.id == less.id).values(paid_fen=900))
    run(both)
    run(both, StatementKind.orders)
    assert differences() == [
        ("state", "order", order.no, "open", 0, 2600),
        ("amount", "order", less.no, "open", 900, 1000),
    ]
