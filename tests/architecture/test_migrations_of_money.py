"""Going down loses no money's rows: a way down that would is refused before its first step."""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app import create_app
from catalogue import stock
from catalogue.models import EntryKind, StockEntry
from core import config
from core.clock import business_day
from core.database import Base, db, transaction
from crm import balance
from crm.models import BalanceHold, BalanceLot, Member
from merchants.models import Merchant, Store
from orders.models import LineKind, Order, OrderLine
from payments.asked_models import AskedRefund, RefundRules
from payments.models import (
    Bill,
    CouponTerms,
    Discrepancy,
    LedgerEntry,
    PaymentAttempt,
    Payout,
    Refund,
    RefundedLine,
    RefundLine,
    SettlementDay,
    SettlementTerms,
    Sharing,
    SharingPart,
    SharingReceiver,
    SharingReturn,
    Shift,
    SplitLink,
    StatementDay,
    StatementLine,
    StatementTotal,
    StorePurse,
)
from payments.shipping.models import PaymentShipping, ShippingSetting
from tests.conftest import NOW, raw_config
from tests.factories.campaigns import make_campaign
from tests.factories.catalogue import make_sku
from tests.factories.coupons import make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.factories.orders import make_order
from tests.servers import MariaDB

VERSIONS = Path(__file__).resolve().parents[2] / "migrations" / "versions"
BEFORE = "20261122_subscribe_answers"  # what this week's work stands upon
LATER = NOW + timedelta(hours=1)
DAY = business_day(NOW)


@dataclass(frozen=True)
class Shop:
    """What rows of money point at, by id."""

    merchant: int
    store: int
    member: int
    template: int
    sku: int
    order: int
    line: int
    attempt: int
    refund: int


Case = Callable[[Session, Shop], None]
CASES: dict[str, list[Case]] = {}


def case(revision: str) -> Callable[[Case], Case]:
    """Rows that `revision` would lose, one thing of its REFUSES for each case, in their order."""

    def keep(fill: Case) -> Case:
        CASES.setdefault(f"20261123_{revision}", []).append(fill)
        return fill

    return keep


def make_shop(session: Session) -> Shop:
    """Orders as the older code knows them: paid by one payment each, refunded, one a top-up."""
    merchant = make_merchant(session)
    store, member = make_store(session, merchant), make_member(session, merchant=merchant)
    template, sku = make_template(session, merchant), make_sku(session, store)
    order = make_order(session, member, store, paid_fen=2200, paid_at=NOW, refunded_fen=700)
    line = OrderLine(
        order_id=order.id, position=1, name="茶", quantity=2, unit_fen=1100, amount_fen=2200
    )
    line.payable_fen = 2200
    session.add(line)
    stock.hold(session, order.id, store.id, {sku.id: 1}, NOW)
    bill = Bill(order_id=order.id, amount_fen=2200, state="paid", created_at=NOW, paid_at=NOW)
    session.add(bill)
    session.flush()
    tries = [
        make_attempt(order, bill, state="closed"),
        make_attempt(order, bill, state="succeeded", live=True, refunded_fen=700, settled_at=NOW),
    ]
    session.add_all(tries)
    session.flush()
    dead = make_refund(tries[1], order, 700, state="failed", error="CLOSED")
    session.add(dead)
    session.flush()
    again = make_refund(tries[1], order, 700, state="succeeded", settled_at=LATER)
    again.batch, again.replaces_id = dead.batch, dead.id
    session.add(again)
    session.flush()
    top_up = make_order(session, member, store, payable_fen=1000, kind=LineKind.top_up)
    top_up.paid_fen, top_up.paid_at = 1000, NOW
    lot = {"paid_fen": 1000, "given_fen": 100, "principal_fen": 1000, "bonus_fen": 100}
    session.add(BalanceLot(member_id=member.id, order_id=top_up.id, at=NOW, **lot))
    for cause, whose, amounts in (
        (f"payment:{tries[1].id}", order, {"channel:wechat:1900000001": 2200, "sales": -2200}),
        (f"refund:{again.id}", order, {"channel:wechat:1900000001": -700, "sales": 700}),
        ("payment:0", top_up, {"channel:wechat:1900000001": 1000, "sales": -1000}),
        (f"stored:{top_up.id}", top_up, {"sales": 1000, "balance": -1100, "bonus": 100}),
    ):
        for name, fen in amounts.items():
            account = name if ":" in name else f"{name}:{merchant.id}"
            session.add(entry(merchant.id, cause, account, fen, order_id=whose.id))
    session.flush()
    ids = (merchant.id, store.id, member.id, template.id, sku.id, order.id, line.id)
    return Shop(*ids, tries[1].id, again.id)


def make_attempt(order: Order, bill: Bill, **values: Any) -> PaymentAttempt:
    number = f"P{bill.id}-{values.get('state')}-{values.get('channel', 'wechat')}"
    given: dict[str, Any] = {"channel": "wechat", "way": "mini", "account": "1900000001"}
    given |= {"amount_fen": bill.amount_fen, "channel_fen": bill.amount_fen}
    given |= {"merchant_id": order.merchant_id, "store_id": order.store_id, "bill_id": bill.id}
    given |= {"created_at": NOW, "expires_at": LATER, "out_trade_no": number}
    given |= {"opening": {"prepay_id": "wx1"}, "transaction_id": f"4200{number}"}
    return PaymentAttempt(**(given | values))


def make_refund(attempt: PaymentAttempt, order: Order, fen: int, **values: Any) -> Refund:
    number = f"R{attempt.id}-{values.get('state')}-{fen}"
    given: dict[str, Any] = {"out_refund_no": number, "batch": number, "attempt_id": attempt.id}
    given |= {"order_id": order.id, "merchant_id": order.merchant_id, "store_id": order.store_id}
    given |= {"amount_fen": fen, "channel_fen": fen, "actor": "user:1", "requested_at": NOW}
    given |= {"channel": attempt.channel}
    return Refund(**(given | values))


def entry(merchant_id: int, cause: str, account: str, fen: int, **values: Any) -> LedgerEntry:
    given: dict[str, Any] = {"day": DAY, "at": NOW, "merchant_id": merchant_id}
    return LedgerEntry(cause=cause, account=account, amount_fen=fen, **(given | values))


def more_refund(session: Session, shop: Shop, fen: int, **values: Any) -> Refund:
    attempt = session.get_one(PaymentAttempt, shop.attempt)
    refund = make_refund(attempt, session.get_one(Order, shop.order), fen, **values)
    session.add(refund)
    session.flush()
    return refund


def more_attempt(session: Session, shop: Shop, **values: Any) -> PaymentAttempt:
    attempt = session.get_one(PaymentAttempt, shop.attempt)
    bill, order = session.get_one(Bill, attempt.bill_id), session.get_one(Order, shop.order)
    made = make_attempt(order, bill, **values)
    session.add(made)
    session.flush()
    return made


def closed_day(session: Session, shop: Shop, **values: Any) -> SettlementDay:
    day = SettlementDay(merchant_id=shop.merchant, day=DAY, opened_at=NOW, **values)
    session.add(day)
    session.flush()
    return day


def asked(shop: Shop, free_fen: int) -> AskedRefund:
    wanted = {"pieces": [], "delivery_fen": 0, "free_fen": free_fen, "restock": []}
    asked = {"code": "A1", "merchant_id": shop.merchant, "store_id": shop.store}
    asked |= {"order_id": shop.order, "amount_fen": 500, "wanted": wanted, "state": "pending"}
    return AskedRefund(**asked, reason="洒了", asked_by="user:1", asked_at=NOW)


def rules(shop: Shop, clerk_fen: int) -> RefundRules:
    given = {"clerk_minutes": 30, "manager_fen": 100000, "coupon_back": "always"}
    return RefundRules(merchant_id=shop.merchant, clerk_fen=clerk_fen, chat_day_fen=5000, **given)


def receiver(session: Session, shop: Shop) -> SharingReceiver:
    made = {"merchant_id": shop.merchant, "purpose": "share", "kind": "merchant"}
    made |= {"account": "1900000009", "appid": "wx1", "name": "供货商", "relation": "SUPPLIER"}
    row = SharingReceiver(**made, state="active", created_at=NOW)
    session.add(row)
    session.flush()
    return row


@case("asked_refunds")
def somebody_asked(session: Session, shop: Shop) -> None:
    session.add(asked(shop, 500))


@case("asked_refunds")
def rules_of_the_chat(session: Session, shop: Shop) -> None:
    session.add(rules(shop, 0))


@case("parts_back")
def a_part_of_stored_value_went_back(session: Session, shop: Shop) -> None:
    hold = {"cause": "attempt:9", "amount_fen": 100, "returned_fen": 40, "parts": [[1, 100, 0]]}
    session.add(BalanceHold(member_id=shop.member, back=[[1, 40, 0]], at=NOW, **hold))


@case("parts_back")
def pieces_went_back(session: Session, shop: Shop) -> None:
    for place in (0, 1):
        what = {"store_id": shop.store, "sku_id": shop.sku, "order_id": shop.order, "place": place}
        session.add(StockEntry(kind=EntryKind.returned, change=1, actor="user:1", at=NOW, **what))


@case("channels")
def several_bills(session: Session, shop: Shop) -> None:
    for seq, kind in ((2, "deposit"), (3, "rest")):
        bill = {"order_id": shop.order, "seq": seq, "kind": kind, "amount_fen": 1100}
        session.add(Bill(created_at=NOW, state="void", **bill))


@case("channels")
def other_channels_and_ways(session: Session, shop: Shop) -> None:
    more_attempt(session, shop, state="failed", channel="alipay", way="page")
    more_attempt(session, shop, state="failed", channel="unionpay", way="page")
    more_attempt(session, shop, state="failed", way="native")


@case("channels")
def stored_value_paid_a_part(session: Session, shop: Shop) -> None:
    more_attempt(session, shop, state="failed", channel_fen=1200, balance_fen=1000)


@case("collected")
def nobody_known(session: Session, shop: Shop) -> None:
    member, store = session.get_one(Member, shop.member), session.get_one(Store, shop.store)
    make_order(session, member, store, kind=LineKind.amount).member_id = None


@case("settlement")
def a_payout_in_the_ledger(session: Session, shop: Shop) -> None:
    session.add(entry(shop.merchant, "payout:1", f"payout:{shop.merchant}", 100))
    session.add(entry(shop.merchant, "payout:1", f"sales:{shop.merchant}", -100))


@case("settlement")
def a_days_statement(session: Session, shop: Shop) -> None:
    closed_day(session, shop)


@case("settlement")
def a_stores_purse(session: Session, shop: Shop) -> None:
    purse = {"merchant_id": shop.merchant, "store_id": shop.store}
    session.add(StorePurse(earned_fen=1500, **purse))
    session.add(Payout(amount_fen=100, voucher="V1", note="", by="user:1", at=NOW, **purse))


@case("settlement")
def terms(session: Session, shop: Shop) -> None:
    given = {"merchant_id": shop.merchant, "since": DAY, "commission_bp": 60}
    session.add(SettlementTerms(set_by="op:1", set_at=NOW, **given))
    session.add(CouponTerms(template_id=shop.template, platform_bp=5000))


@case("shippings")
def a_shipping(session: Session, shop: Shop) -> None:
    row: dict[str, Any] = {"merchant_id": shop.merchant, "store_id": shop.store}
    row |= {"order_id": shop.order, "attempt_id": shop.attempt, "account": "1900000001"}
    row |= {"appid": "wx1", "openid": "o1", "out_trade_no": "P1", "transaction_id": "4200"}
    row |= {"amount_fen": 2200, "logistics": "pickup", "state": "uploaded", "wanted": {}}
    session.add(PaymentShipping(paid_at=NOW, created_at=NOW, changed_at=NOW, **row))


@case("shippings")
def when_it_is_told(session: Session, shop: Shop) -> None:
    session.add(ShippingSetting(merchant_id=shop.merchant, tell_at="payment", changed_at=NOW))


@case("refund_lines")
def a_refund_by_hand(session: Session, shop: Shop) -> None:
    more_refund(session, shop, 300, state="succeeded", finished_by="user:1", note="现金")


@case("refund_lines")
def a_refund_of_a_line(session: Session, shop: Shop) -> None:
    refund = more_refund(session, shop, 300, state="succeeded")
    taken: dict[str, Any] = {"order_line_id": shop.line, "pieces": 1, "amount_fen": 300}
    session.add(RefundLine(refund_id=refund.id, **taken))
    session.add(RefundedLine(order_id=shop.order, quantity=2, payable_fen=2200, **taken))


@case("refund_lines")
def a_batch_of_refunds(session: Session, shop: Shop) -> None:
    first = more_refund(session, shop, 300, state="succeeded")
    more_refund(session, shop, 200, state="succeeded", batch=first.batch)


@case("refund_lines")
def somebody_asked_for_pieces(session: Session, shop: Shop) -> None:
    session.add(asked(shop, 0))


@case("refund_lines")
def rules_for_the_till(session: Session, shop: Shop) -> None:
    session.add(rules(shop, 2000))


@case("stored_value")
def stored_value_was_spent(session: Session, shop: Shop) -> None:
    for account, fen in (("balance", 300), ("sales", -300)):
        name = f"{account}:{shop.merchant}"
        session.add(entry(shop.merchant, "payment:9", name, fen, order_id=shop.order))


@case("stored_value")
def a_day_that_has_stored_value(session: Session, shop: Shop) -> None:
    closed_day(session, shop, state="closed", closed_at=LATER)


@case("statements")
def a_bill_and_what_differs(session: Session, shop: Shop) -> None:
    which = {"channel": "wechat", "account": "1900000001", "kind": "trade"}
    day = StatementDay(day=DAY, merchant_id=shop.merchant, state="differs", **which)
    session.add(day)
    session.flush()
    row: dict[str, Any] = {"kind": "payment", "channel_no": "42", "our_no": "P1"}
    row |= {"payment_no": "P1", "amount_fen": 2200, "settled_fen": 2200, "fee_fen": 13}
    session.add(StatementLine(day_id=day.id, state="SUCCESS", at=NOW, **row))
    session.add(StatementTotal(day_id=day.id, merchant_id=shop.merchant, paid_fen=2200))
    found = {"day_id": day.id, "merchant_id": shop.merchant, "attempt_id": shop.attempt}
    found |= {"kind": "long", "about": "payment", "ref": "P1", "state": "accepted"}
    session.add(Discrepancy(actor="user:1", act="accept", at=NOW, found_at=NOW, **found))


@case("sharing")
def a_share(session: Session, shop: Shop) -> None:
    its = {"attempt_id": shop.attempt, "merchant_id": shop.merchant, "order_id": shop.order}
    sharing = Sharing(no="S1", state="released", paid_at=NOW, **its)
    session.add(sharing)
    session.flush()
    part = {"sharing_id": sharing.id, "receiver_id": receiver(session, shop).id}
    session.add(SharingPart(no="S1", amount_fen=100, state="succeeded", **part))


@case("other_money")
def other_money_of_a_day(session: Session, shop: Shop) -> None:
    closed_day(session, shop, other_fen=-500)


@case("bills_due")
def a_bill_with_a_day(session: Session, shop: Shop) -> None:
    bill = {"order_id": shop.order, "seq": 2, "amount_fen": 1100, "state": "void"}
    session.add(Bill(kind="rest", created_at=NOW, due_at=LATER, **bill))


def imported(session: Session, shop: Shop, at: datetime) -> None:
    balance.bring(session, shop.member, "i:1", principal_fen=100, bonus_fen=20, now=NOW)
    for account, fen in (("balance", -120), ("bonus", 20), ("imported", 100)):
        posted = entry(shop.merchant, "i:1", f"{account}:{shop.merchant}", fen, at=at)
        session.add(posted)


@case("imported_balances")
def imported_by_the_newer_code(session: Session, shop: Shop) -> None:
    imported(session, shop, NOW)


@case("imported_balances")
def imported_and_closed(session: Session, shop: Shop) -> None:
    imported(session, shop, LATER)
    closed_day(session, shop, state="closed", closed_at=LATER)


@case("split_links")
def a_friend_paid(session: Session, shop: Shop) -> None:
    more_attempt(session, shop, state="failed", member_id=shop.member)


@case("split_links")
def a_link(session: Session, shop: Shop) -> None:
    session.add(SplitLink(order_id=shop.order, token="t", created_at=NOW))


@case("shifts")
def a_shift(session: Session, shop: Shop) -> None:
    staff = make_staff(session, session.get_one(Merchant, shop.merchant))
    session.flush()
    whose = {"merchant_id": shop.merchant, "store_id": shop.store, "staff_id": staff.id}
    span = {"started_at": NOW, "ended_at": LATER}
    nothing = {"payments": 0, "amount_fen": 0, "refunds": 0, "refund_fen": 0, "ways": {}}
    session.add(Shift(seq=1, **whose, **span, **nothing))


@case("by_hand")
def a_shift_with_what_went_back_by_hand(session: Session, shop: Shop) -> None:
    a_shift(session, shop)
    session.flush()
    session.scalars(select(Shift)).one().ways = {"hand": [0, 500]}


@case("returns_closed")
def a_return_that_was_closed(session: Session, shop: Shop) -> None:
    a_share(session, shop)
    session.flush()
    part = session.scalars(select(SharingPart)).one()
    its = {"part_id": part.id, "refund_id": shop.refund, "amount_fen": 10}
    session.add(SharingReturn(no="B1", state="closed", asked_at=NOW, **its))


@case("imports")
def something_imported(session: Session, shop: Shop) -> None:
    balance.bring(session, shop.member, "i:1", principal_fen=100, bonus_fen=0, now=NOW)


@case("gifts")
def words_without_a_coupon(session: Session, shop: Shop) -> None:
    words = make_campaign(session, template_id=None, message="新茶到了", now=NOW)
    words.merchant_id = make_merchant(session).id


@contextmanager
def at_head(url: str, directory: Path) -> Iterator[tuple[Flask, Shop]]:
    raw = raw_config(directory, database={"url": url})
    app = create_app(config.parse(raw))
    with app.app_context():
        upgrade()
        with transaction() as session:
            shop = make_shop(session)
        yield app, shop
        db.engine.dispose()


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("mariadb", marks=pytest.mark.mariadb)]
)
def shop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Flask, Shop]]:
    directory = tmp_path_factory.mktemp("money")
    if request.param == "sqlite":
        with at_head(f"sqlite:///{directory}/money.db", directory) as made:
            yield made
        return
    server: MariaDB = request.getfixturevalue("mariadb")
    with server.database() as url, at_head(url, directory) as made:
        yield made


def rows() -> dict[str, list[dict[str, Any]]]:
    with db.engine.connect() as connection:
        return {
            name: [
                dict(row)
                for row in connection.execute(table.select().order_by(*table.c)).mappings()
            ]
            for name, table in Base.metadata.tables.items()
        }


def kept() -> dict[str, list[dict[str, Any]]]:
    """Every row but what a way down leaves out on purpose: how a payment was shown is asked for
    again, what a step posted it posts anew and today."""
    found = rows()
    for attempt in found["payment_attempts"]:
        del attempt["fresh_until"]
    for posted in found["ledger_entries"]:
        if posted["cause"].startswith(("stored:", "i:")):
            for name in ("id", "day", "at"):
                del posted[name]
    found["ledger_entries"].sort(key=lambda one: (one["cause"], one["account"]))
    return found


def refusals() -> dict[str, tuple[str, list[str]]]:
    """What each revision of this week refuses to lose, and what it stands upon."""
    found = {}
    for file in sorted(VERSIONS.glob("20261123_*.py")):
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        if words := list(getattr(module, "REFUSES", {})):
            found[file.stem] = (module.down_revision, words)
    return found


def at() -> str:
    with db.engine.connect() as connection:
        return str(connection.scalar(text("SELECT version_num FROM alembic_version")))


@contextmanager
def filled(shop: Shop, fill: Case) -> Iterator[None]:
    """With the rows of one case, which are gone again after it."""
    before = rows()
    with transaction() as session:
        fill(session, shop)
    try:
        yield
    finally:
        put_back(before)


def put_back(before: dict[str, list[dict[str, Any]]]) -> None:
    sqlite = db.engine.dialect.name == "sqlite"
    off, on = ("PRAGMA foreign_keys=OFF", "PRAGMA foreign_keys=ON")
    if not sqlite:
        off, on = "SET foreign_key_checks=0", "SET foreign_key_checks=1"
    with db.engine.connect() as connection:
        raw: Any = connection.connection
        raw.cursor().execute(off)
        for name, table in Base.metadata.tables.items():
            now = [
                dict(row)
                for row in connection.execute(table.select().order_by(*table.c)).mappings()
            ]
            if now != before[name]:
                connection.execute(table.delete())
                if before[name]:
                    connection.execute(table.insert(), before[name])
        connection.commit()
        raw.cursor().execute(on)


def test_every_refusal_has_its_case() -> None:
    assert {revision: len(words) for revision, (_, words) in refusals().items()} == {
        revision: len(cases) for revision, cases in CASES.items()
    }


@pytest.mark.parametrize(
    ("revision", "place"),
    [(revision, place) for revision, cases in CASES.items() for place in range(len(cases))],
    ids=[fill.__name__ for cases in CASES.values() for fill in cases],
)
def test_what_would_be_lost_is_refused_before_anything_changed(
    shop: tuple[Flask, Shop], revision: str, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    _, made = shop
    below, words = refusals()[revision]
    with filled(made, CASES[revision][place]):
        before, head = rows(), at()
        with pytest.raises(SystemExit):
            downgrade(revision=below)
        assert f"{words[place]} ({revision})" in caplog.text
        assert "nothing was changed" in caplog.text
        assert at() == head
        assert rows() == before


def test_what_loses_nothing_goes_down_and_comes_up_again(shop: tuple[Flask, Shop]) -> None:
    before, head = kept(), at()
    downgrade(revision=BEFORE)
    assert at() == BEFORE
    with db.engine.connect() as connection:
        told = text("SELECT out_trade_no, mchid, prepay_id FROM payment_attempts ORDER BY id")
        assert [tuple(row)[1:] for row in connection.execute(told)] == [("1900000001", "wx1")] * 2
        booked = text("SELECT SUM(amount_fen), COUNT(*) FROM ledger_entries")
        assert tuple(connection.execute(booked).one()) == (0, 6)
    upgrade()
    assert at() == head
    assert kept() == before


def test_what_a_step_posted_itself_goes_with_it(shop: tuple[Flask, Shop]) -> None:
    _, made = shop
    with filled(made, lambda session, of: imported(session, of, datetime.now(UTC))):
        before = kept()
        downgrade(revision="20261123_bills_due")
        with db.engine.connect() as connection:
            posted = text("SELECT COUNT(*) FROM ledger_entries WHERE cause = 'i:1'")
            assert connection.scalar(posted) == 0
        upgrade()
        assert kept() == before
