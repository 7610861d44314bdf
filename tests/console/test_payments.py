"""支付: every try of the shop's own, one with all that happened to it, and who may see how much."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core import database, inbox
from core.audit import AuditEntry
from core.clock import business_day, day_bounds
from core.database import reading, transaction
from core.inbox import EventState
from core.outbox import OutboxJob
from gateways.pay.records import RefundResult, Way
from orders.models import LineKind, Order, OrderState, PaymentState
from payments import ledger, refunding, summing
from payments.models import (
    AttemptState,
    Bill,
    Channel,
    LedgerEntry,
    PaymentAttempt,
    Refund,
    RefundState,
)
from tests.console.conftest import PASSWORD, Chain
from tests.counting import statements

NOTICE = {
    "out_trade_no": "P20261123ABCDEFGHJKMNPQRS",
    "payer": {"openid": "o9AgO5Kd5ggOC-bXrbNODIiE3bGY"},
    "amount": {"total": 2600, "currency": "CNY"},
}


def pay(chain: Chain, **values: Any) -> PaymentAttempt:
    """A paid order; its attempt with `values`."""
    order = chain.order(values.pop("store", None))
    with transaction() as session:
        attempt = session.scalars(
            select(PaymentAttempt)
            .join(Bill, Bill.id == PaymentAttempt.bill_id)
            .where(Bill.order_id == order.id)
        ).one()
        attempt.merchant_id, attempt.store_id = order.merchant_id, order.store_id
        for name, value in ({"way": Way.mini, "created_at": chain.now} | values).items():
            setattr(attempt, name, value)
    with reading() as session:
        return session.get_one(PaymentAttempt, attempt.id)


def hear(chain: Chain, attempt: PaymentAttempt, **values: Any) -> int:
    with transaction() as session:
        event, _ = inbox.record(
            session,
            source="wechat.pay:1900006789",
            external_id=f"EV-{attempt.id}",
            kind="TRANSACTION.SUCCESS",
            body=NOTICE,
            now=chain.now,
            about=attempt.out_trade_no,
        )
        inbox.mark_done(session, event.id, outcome=values.get("outcome", "paid"), now=chain.now)
        return event.id


def acts() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_the_list_shows_every_try_of_the_shops_own_latest_first(chain: Chain) -> None:
    old = pay(chain, created_at=chain.now - timedelta(days=3))
    new = pay(chain, state=AttemptState.pending, settled_at=None)
    foreign = pay(chain, store=chain.rival_store)
    page = chain.browser("manager").get("/payments/").text

    assert page.index(new.out_trade_no) < page.index(old.out_trade_no)
    assert foreign.out_trade_no not in page
    assert "等付款" in page
    assert "微信支付 · 小程序" in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=pending", {"pending"}),
        ("channel=alipay", {"alipay"}),
        ("way=code", {"code"}),
        ("state=nonsense", {"plain", "pending", "alipay", "code"}),
    ],
)
def test_filters_find_what_they_say(chain: Chain, query: str, found: set[str]) -> None:
    made = {
        "plain": pay(chain),
        "pending": pay(chain, state=AttemptState.pending),
        "alipay": pay(chain, channel=Channel.alipay, way=Way.wap),
        "code": pay(chain, way=Way.code),
    }
    page = chain.browser("manager").get(f"/payments/?{query}").text

    assert {name for name, each in made.items() if each.out_trade_no in page} == found


def test_days_are_a_month_unless_said_and_a_quarter_at_most(chain: Chain) -> None:
    old = pay(chain, created_at=chain.now - timedelta(days=45))
    browser = chain.browser("manager")
    begin = f"{chain.now - timedelta(days=60):%Y-%m-%d}"

    assert old.out_trade_no not in browser.get("/payments/").text
    assert old.out_trade_no in browser.get(f"/payments/?from={begin}").text
    long_ago = browser.get("/payments/?from=2001-01-01").text
    assert 'value="2001-01-01"' not in long_ago
    assert browser.get("/payments/?from=yesterday&to=9999-99-99").status_code == 200


@pytest.mark.parametrize("by", ["out_trade_no", "transaction_id", "order"])
def test_a_number_is_found_however_long_ago(chain: Chain, by: str) -> None:
    number = "4200002043202311087295582095"
    when = chain.now - timedelta(days=300)
    made = pay(
        chain, created_at=when, transaction_id=number, out_trade_no="P20260101ABCDEFGHJKMNPQRS"
    )
    other = pay(chain)
    with reading() as session:
        no = session.scalar(
            select(Order.no).join(Bill, Bill.order_id == Order.id).where(Bill.id == made.bill_id)
        )
    wanted = {"out_trade_no": made.out_trade_no, "transaction_id": number, "order": no}[by]
    page = chain.browser("manager").get(f"/payments/?q={wanted}").text

    assert made.out_trade_no in page
    assert other.out_trade_no not in page


def test_one_payment_tells_all_that_happened_to_it(chain: Chain) -> None:
    attempt = pay(chain, payer="o9AgO5Kd5ggOC-bXrbNODIiE3bGY")
    event_id = hear(chain, attempt)
    with transaction() as session:
        order_id = session.get_one(Bill, attempt.bill_id).order_id
        posting = {"cause": f"payment:{attempt.id}", "merchant_id": chain.merchant_id}
        for account, amount in (("channel:wechat:1900006789", 2600), (f"sales:{1}", -2600)):
            session.add(
                LedgerEntry(
                    account=account,
                    amount_fen=amount,
                    order_id=order_id,
                    day=chain.now.date(),
                    at=chain.now,
                    **posting,
                )
            )
        session.add(
            OutboxJob(
                name="payments.query_pending",
                args={},
                key=f"payments.query_pending:{attempt.id}",
                run_at=chain.now,
                created_at=chain.now,
            )
        )
    page = chain.browser("manager").get(f"/payments/{attempt.id}").text
    assert "整单 ¥" in page

    assert "付款成功" in page
    assert "入账" in page
    assert "去问渠道付了没有" in page
    assert "渠道应收（微信支付）" in page
    assert "−26.00" in page
    assert "o9Ag****" in page
    assert "o9AgO5Kd5ggOC" not in page
    assert f"/notices/{event_id}" not in page


def test_the_owner_sees_the_notice_as_it_came_and_is_on_record(chain: Chain) -> None:
    attempt, other = pay(chain), pay(chain)
    event_id = hear(chain, attempt)
    owner = chain.browser("owner")

    assert f"/notices/{event_id}" in owner.get(f"/payments/{attempt.id}").text
    assert "o9AgO5Kd5ggOC" in owner.get(f"/payments/{attempt.id}/notices/{event_id}").text
    assert acts() == ["payment.raw"]
    assert owner.get(f"/payments/{other.id}/notices/{event_id}").status_code == 404
    assert (
        chain.browser("manager").get(f"/payments/{attempt.id}/notices/{event_id}").status_code
        == 403
    )


def test_another_shops_payment_is_not_found(chain: Chain) -> None:
    foreign = pay(chain, store=chain.rival_store)
    event_id = hear(chain, foreign)
    owner = chain.browser("owner")

    assert owner.get(f"/payments/{foreign.id}").status_code == 404
    assert owner.post(f"/payments/{foreign.id}/ask").status_code == 404
    assert owner.get(f"/payments/{foreign.id}/notices/{event_id}").status_code == 404
    assert "没有这样的付款" in owner.get(f"/payments/?q={foreign.out_trade_no}").text
    assert acts() == []


def test_a_channel_that_is_not_there_changes_nothing(chain: Chain) -> None:
    """What it does when it is there: tests/payments."""
    attempt = pay(chain, state=AttemptState.succeeded)
    answer = chain.browser("manager").post(f"/payments/{attempt.id}/ask")

    assert answer.status_code == 303
    assert acts() == []


def test_an_export_takes_a_proof_and_leaves_a_trace(chain: Chain) -> None:
    attempt = pay(chain, out_trade_no="P20261123ABCDEFGHJKMNPQRS")
    foreign = pay(chain, store=chain.rival_store)
    owner = chain.browser("owner")

    refused = owner.post("/payments/export")
    assert (refused.status_code, acts()) == (422, [])
    given = owner.post("/payments/export", password=PASSWORD)
    assert given.status_code == 200
    text = given.get_data(as_text=True)
    assert attempt.out_trade_no in text
    assert foreign.out_trade_no not in text
    assert "26.00" in text
    assert acts() == ["payment.export"]
    assert chain.browser("manager").get("/payments/export").status_code == 403


def test_many_rows_cost_as_many_questions_as_one(chain: Chain) -> None:
    attempt = pay(chain)
    hear(chain, attempt)
    browser = chain.browser("owner")
    for path in ("/payments/", f"/payments/{attempt.id}"):
        browser.get(path)
        with statements(database.db.engine) as one:
            browser.get(path)
        for _ in range(4):
            more = pay(chain, bill_id=attempt.bill_id, live=None)
            hear(chain, more, outcome="repeated")
        with statements(database.db.engine) as many:
            browser.get(path)
        assert len(many) == len(one), path


def test_a_notice_is_found_by_the_number_of_its_payment(chain: Chain) -> None:
    attempt = pay(chain)
    event_id = hear(chain, attempt)
    with reading() as session:
        event = session.get_one(inbox.InboundEvent, event_id)
        assert (event.about, event.state) == (attempt.out_trade_no, EventState.done)


def test_of_a_mixed_payment_the_list_says_what_the_channel_took(chain: Chain) -> None:
    attempt = pay(chain)
    whole = attempt.amount_fen
    with transaction() as session:
        mixed = session.get_one(PaymentAttempt, attempt.id)
        mixed.balance_fen, mixed.channel_fen = whole - 700, 700

    shown = chain.browser("owner").get("/payments/").text

    assert '<td class="num yuan c-r">7.00<div' in shown
    assert f"共 {whole / 100:.2f}，储值 {(whole - 700) / 100:.2f}" in shown


def book(chain: Chain, at: datetime, stored: int = 0, **values: Any) -> PaymentAttempt:
    """A paid order that the ledger knows, from `at` on; `stored` fen of it are stored value."""
    attempt = pay(chain, **values)
    with transaction() as session:
        mine = session.get_one(PaymentAttempt, attempt.id)
        mine.channel_fen, mine.balance_fen = mine.amount_fen - stored, stored
        mine.account, mine.settled_at = "1900006789", at
        order = session.get_one(Order, session.get_one(Bill, mine.bill_id).order_id)
        ledger.post_payment(session, mine, order, late=False, now=at)
    return attempt


def sums(page: str) -> list[str]:
    found = re.search(r'<p class="sums">(.*?)</p>', page)
    return re.findall(r"<span[^>]*>([^<]*)</span>", found[1]) if found else []


def test_a_day_and_a_channel_come_to_what_its_statement_says(chain: Chain) -> None:
    day = business_day(chain.now) - timedelta(days=1)
    begin, end = day_bounds(day)
    noon = begin + timedelta(hours=12)
    book(chain, noon, created_at=noon, stored=700)
    book(chain, begin, created_at=begin - timedelta(minutes=5), store=chain.there)
    book(chain, end, created_at=end - timedelta(minutes=5))
    book(chain, noon, created_at=noon, channel=Channel.alipay)
    book(chain, noon, created_at=noon, store=chain.rival_store)
    owner, asked = chain.browser("owner"), f"from={day}&to={day}"

    listed = sums(owner.get(f"/payments/?{asked}&channel=wechat").text)
    whole = sums(owner.get(f"/payments/?{asked}").text)

    assert listed[:4] == ["入账 2 笔", "渠道 ¥45.00", "储值 ¥7.00", "已退 ¥0.00"]
    assert whole[:3] == ["入账 3 笔", "渠道 ¥71.00", "储值 ¥7.00"]
    statement = owner.get(f"/settlement/{day}").text
    taken = re.findall(r">收款</td><td[^>]*></td><td[^>]*>([^<]*)<", statement)
    assert taken[:2] == ["45.00", "26.00"]


def test_what_went_back_is_the_same_sum_wherever_it_is_told(chain: Chain) -> None:
    """Of three refunds one arrived, one is on its way, one the payer's account did not take."""
    found = []
    for fen in (500, 600, 700):
        attempt = book(chain, chain.now)
        with transaction() as session:
            order = session.get_one(Order, session.get_one(Bill, attempt.bill_id).order_id)
            refund = refunding.request(session, order, fen, "洒了", "system", chain.now)
            found.append((attempt, refund))
    (arrived, refund), (going, _), (stuck, abnormal) = found
    with transaction() as session:
        no, account = refund.out_refund_no, "1900006789"
        result = RefundResult(no, "5000", "SUCCESS", 500, None, chain.now, account)
        assert refunding.record_result(session, result, chain.now) == "refunded"
        left = session.get_one(Refund, abnormal.id)
        left.state, left.error, left.settled_at = RefundState.failed, "ABNORMAL", chain.now
    owner, today = chain.browser("owner"), business_day(chain.now)
    days = f"from={today}&to={today}"

    listed = owner.get(f"/payments/?{days}").text
    assert sums(listed)[3:5] == ["已退 ¥5.00", "在退 ¥6.00"]
    assert sums(owner.get(f"/refunds/?{days}").text)[3:5] == ["已退 ¥5.00", "在退 ¥6.00"]
    rows = {row.split("</small>")[0] for row in listed.split("<tr>")}
    assert [sum(word in row for row in rows) for word in ("已退 5.00", "在退 6.00")] == [1, 1]
    assert ("6.00</div>" in listed, "7.00</div>" in listed) == (True, False)
    statement = owner.get(f"/settlement/{today}").text
    back = re.findall(r">退款</td><td[^>]*></td><td[^>]*>([^<]*)<", statement)
    assert back == ["−5.00"]

    def of_one(attempt: PaymentAttempt) -> list[tuple[str, str]]:
        page = owner.get(f"/payments/{attempt.id}").text
        return re.findall(r"<dt>(已退|在退)</dt><dd[^>]*>([^<]*)<", page)

    assert (of_one(arrived), of_one(going), of_one(stuck)) == (
        [("已退", "¥5.00")],
        [("在退", "¥6.00")],
        [],
    )


def test_sums_follow_every_filter_and_the_stores_one_sees(chain: Chain) -> None:
    book(chain, chain.now, way=Way.code)
    book(chain, chain.now, state=AttemptState.succeeded_late)
    book(chain, chain.now, store=chain.there)
    pay(chain, state=AttemptState.pending)
    manager, clerk = chain.browser("manager"), chain.browser("clerk")

    assert sums(manager.get("/payments/").text)[0] == "入账 3 笔"
    assert sums(manager.get("/payments/?way=code").text)[:2] == ["入账 1 笔", "渠道 ¥26.00"]
    assert sums(manager.get("/payments/?state=succeeded_late").text)[0] == "入账 1 笔"
    assert sums(manager.get("/payments/?state=pending").text) == []
    manager.post("/store", store=chain.there.id, next="/console/")
    assert sums(manager.get("/payments/").text)[0] == "入账 1 笔"
    assert clerk.get("/payments/").status_code == 403


def test_more_than_is_added_up_at_once_is_said_and_one_day_is_still_added_up(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        book(chain, chain.now)
    monkeypatch.setattr(summing, "MOST", 2)
    owner, today = chain.browser("owner"), business_day(chain.now)

    assert sums(owner.get("/payments/").text) == ["这几天超过 2 笔，选一天才合计"]
    one = sums(owner.get(f"/payments/?from={today}&to={today}").text)
    assert one[:2] == ["入账 3 笔", "渠道 ¥78.00"]


@pytest.mark.parametrize("path", ["payments", "refunds"])
def test_an_order_is_found_by_what_the_list_calls_it(chain: Chain, path: str) -> None:
    """By the number that was called, of the last seven days; by six characters without one."""
    today, week = business_day(chain.now), timedelta(days=7)
    called, older, sold, other = pay(chain), pay(chain), pay(chain), pay(chain)
    numbers: dict[str, Any] = {}
    with transaction() as session:
        for name, attempt in (("called", called), ("older", older), ("sold", sold), ("x", other)):
            order = session.get_one(Order, session.get_one(Bill, attempt.bill_id).order_id)
            order.business_day = today - (week if name == "older" else timedelta())
            order.pickup_number = {"called": "R012", "older": "R012", "sold": None}.get(name, "R9")
            refund = refunding.request(session, order, 100, "洒了", "system", chain.now)
            of_list = attempt.out_trade_no if path == "payments" else refund.out_refund_no
            numbers |= {name: of_list, f"{name}_no": order.no}
    owner = chain.browser("owner")

    def found(q: str) -> set[str]:
        page = owner.get(f"/{path}/?q={q}").text
        return {name for name in ("called", "older", "sold", "x") if numbers[name] in page}

    assert found("r012") == {"called"}
    assert found(numbers["sold_no"][-6:].lower()) == {"sold"}
    assert found(numbers["called_no"][-6:]) == set()
    assert found(numbers["older_no"]) == {"older"}
    assert found(numbers["x"]) == {"x"}
    assert chain.browser("rival").get(f"/{path}/?q=R012").text.count(numbers["called"]) == 0


def test_a_payment_leads_to_its_order_only_where_there_is_a_page(chain: Chain) -> None:
    owner = chain.browser("owner")
    unpaid = {"paid_at": None, "paid_fen": 0, "payment_state": PaymentState.unpaid}

    def leads(**values: Any) -> tuple[str, int]:
        attempt = pay(chain, state=AttemptState.closed)
        with transaction() as session:
            order = session.get_one(Order, session.get_one(Bill, attempt.bill_id).order_id)
            for name, value in values.items():
                setattr(order, name, value)
        page = owner.get(f"/payments/{attempt.id}").text
        found = re.search(r'href="/console/([^"]*)">看订单', page)
        to = found[1].replace(order.no, "") if found else ""
        answer = owner.get(f"/{found[1]}").status_code if found else 0
        return to, answer

    assert leads() == ("orders/", 200)
    assert leads(kind=LineKind.amount, **unpaid) == ("collect/", 200)
    cancelled = unpaid | {"state": OrderState.cancelled}
    assert leads(kind=LineKind.amount, **cancelled) == ("collect/", 200)
    assert leads(**unpaid) == ("orders/", 303)  # to the page of those that wait
    assert leads(**cancelled) == ("", 0)
