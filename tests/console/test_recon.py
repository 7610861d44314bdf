"""资金 → 对账: three books side by side, one act each, a password for what is given up."""

import csv
import re
from datetime import date, timedelta
from html import unescape
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import select, update

from core.audit import AuditEntry
from core.clock import business_day, day_bounds
from core.database import reading
from payments.models import (
    Bill,
    Discrepancy,
    DiscrepancyState,
    PaymentAttempt,
    Refund,
    RefundState,
    StatementDay,
    StatementState,
)
from payments.models.statements import About, Difference, StatementKind, StatementTotal
from tests.console.conftest import PASSWORD, Chain

REF = "P20261122STRANGER"


def differ(chain: Chain) -> int:
    """A day of the shop `here` on which the bill has a payment that nobody knows; its id."""
    day = business_day(chain.now) - timedelta(days=1)
    with chain.writing() as session:
        statement = StatementDay(
            channel="wechat",
            account="1900000001",
            day=day,
            kind=StatementKind.trade,
            merchant_id=chain.merchant_id,
            state=StatementState.differs,
            rows=3,
            matched_at=chain.now,
        )
        session.add(statement)
        session.flush()
        session.add(
            StatementTotal(
                day_id=statement.id,
                merchant_id=chain.merchant_id,
                bill_payments=3,
                bill_paid_fen=12_345,
                fee_fen=67,
                payments=2,
                paid_fen=11_345,
                orders=2,
                ordered_fen=11_345,
            )
        )
        found = Discrepancy(
            day_id=statement.id,
            merchant_id=chain.merchant_id,
            kind=Difference.long,
            about=About.payment,
            ref=REF,
            theirs_fen=1_000,
            at=day_bounds(day)[0],
            found_at=chain.now,
        )
        session.add(found)
        session.flush()
        return found.id


def test_a_day_shows_three_books_and_its_difference(chain: Chain) -> None:
    owner = chain.browser("owner")
    assert "还没有对过账" in owner.get("/recon/").text
    found = differ(chain)

    shown = owner.get("/recon/").text

    assert "对账有 1 条要处理" in owner.get("/home").text
    for words in ("113.45", "123.45", "多 ¥10.00", "0.67", REF, "账单里多了一笔收款", "建议"):
        assert words in shown
    assert owner.get("/recon/?day=never&tab=never").status_code == 200
    assert "还没有解决过的" in owner.get("/recon/?tab=solved").text
    rival = chain.browser("rival")
    assert rival.get(f"/recon/{found}").status_code == 404
    assert REF not in rival.get("/recon/").text
    assert rival.post(f"/recon/{found}", act="accept", note="x", password=PASSWORD).status_code == (
        404
    )


def test_what_was_matched_stands_channel_by_channel_with_what_it_held(chain: Chain) -> None:
    day = business_day(chain.now) - timedelta(days=1)
    for channel, kind, rows in (
        ("none", StatementKind.balance, 0),
        ("unionpay", StatementKind.trade, 0),
        ("wechat", StatementKind.fund, 3),
        ("none", StatementKind.orders, 0),
        ("alipay", StatementKind.trade, 7),
        ("wechat", StatementKind.trade, 3),
    ):
        with chain.writing() as session:
            session.add(
                StatementDay(
                    channel=channel,
                    account=f"acc-{channel}",
                    day=day,
                    kind=kind,
                    merchant_id=chain.merchant_id,
                    state=StatementState.matched,
                    rows=rows,
                    matched_at=chain.now,
                )
            )

    shown = chain.browser("owner").get("/recon/").text.split("核了什么")[1]

    told = (
        "微信支付 · 交易账单",
        "3 行",
        "微信支付 · 资金账单",
        "3 行",
        "支付宝 · 交易账单",
        "7 行",
        "银联 · 交易账单",
        "这天没有交易",
        "店里的账 · 订单和付款",
        "逐单核对",
        "店里的账 · 储值",
        "逐单核对",
    )
    at = 0
    for words in told:
        at = shown.index(words, at) + 1


def test_to_accept_needs_a_reason_and_the_password_and_is_on_record(chain: Chain) -> None:
    found, owner = differ(chain), chain.browser("owner")
    path = f"/recon/{found}"
    for fields in (
        {"act": "accept", "note": "另一套系统收的"},
        {"act": "accept", "password": PASSWORD},
        {"act": "accept", "note": "另一套系统收的", "password": "wrong"},
        {"act": "never"},
        {"act": "wait"},
    ):
        assert owner.post(path, **fields).status_code == 422
    assert state(found) is DiscrepancyState.open

    fields = {"act": "accept", "note": "另一套系统收的", "password": PASSWORD}
    assert owner.post(path, **fields).status_code == 303

    assert state(found) is DiscrepancyState.accepted
    with reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "recon.accept")).one()
        day = session.scalars(select(StatementDay)).one()
    assert (entry.subject, entry.reason) == (f"discrepancy:{found}", "另一套系统收的")
    assert day.state is StatementState.matched
    assert "另一套系统收的" in owner.get("/recon/?tab=solved").text + owner.get(path).text
    assert owner.post(path, **fields).status_code == 422


def state(found: int) -> DiscrepancyState:
    with reading() as session:
        return session.get_one(Discrepancy, found).state


def test_what_differs_stands_on_the_first_page_of_whoever_may_look_into_it(chain: Chain) -> None:
    owner = chain.browser("owner")
    assert "条要处理" not in owner.get("/home").text
    found = differ(chain)
    assert "对账有 1 条要处理" in owner.get("/home").text
    assert "对账有" not in chain.browser("rival").get("/home").text

    owner.post(f"/recon/{found}", act="accept", note="另一套系统收的", password=PASSWORD)
    assert "对账有" not in owner.get("/home").text


def differences(chain: Chain) -> date:
    """Three of two days, two channels and three kinds; the older day."""
    newer = business_day(chain.now) - timedelta(days=1)
    older = newer - timedelta(days=40)
    for day, channel, kind, ref, theirs in (
        (newer, "wechat", Difference.long, "LONGWECHAT", 1_000),
        (newer, "alipay", Difference.amount, "AMOUNTALIPAY", 250),
        (older, "wechat", Difference.fee, "FEEWECHAT", 3),
    ):
        with chain.writing() as session:
            statement = StatementDay(
                channel=channel,
                account="1900000001",
                day=day,
                kind=StatementKind.trade if kind is not Difference.fee else StatementKind.fund,
                merchant_id=chain.merchant_id,
                state=StatementState.differs,
                rows=1,
                matched_at=chain.now,
            )
            session.add(statement)
            session.flush()
            session.add(
                Discrepancy(
                    day_id=statement.id,
                    merchant_id=chain.merchant_id,
                    kind=kind,
                    about=About.payment,
                    ref=ref,
                    ours_fen=None if kind is Difference.long else 100,
                    theirs_fen=theirs,
                    at=day_bounds(day)[0],
                    state=DiscrepancyState.waiting
                    if kind is Difference.amount
                    else DiscrepancyState.open,
                    found_at=chain.now,
                )
            )
    return older


@pytest.mark.parametrize(
    ("query", "refs"),
    [
        ("", {"LONGWECHAT", "AMOUNTALIPAY", "FEEWECHAT"}),
        ("kind=long", {"LONGWECHAT"}),
        ("channel=wechat", {"LONGWECHAT", "FEEWECHAT"}),
        ("state=waiting", {"AMOUNTALIPAY"}),
        ("least=1.5", {"LONGWECHAT", "AMOUNTALIPAY"}),
        ("least=1.51", {"LONGWECHAT"}),
        ("channel=wechat&kind=fee&from={older}&to={older}", {"FEEWECHAT"}),
        ("to={older}", {"FEEWECHAT"}),
        ("from={newer}&to={older}", {"LONGWECHAT", "AMOUNTALIPAY", "FEEWECHAT"}),
        ("channel=unionpay", set()),
        ("kind=never&channel=x&least=abc&from=0001-01-01&state=fixed", None),
        ("tab=solved", set()),
    ],
)
def test_differences_are_filtered_and_the_file_holds_the_same(
    chain: Chain, query: str, refs: set[str] | None
) -> None:
    older = differences(chain)
    newer = older + timedelta(days=40)
    query = query.format(older=older.isoformat(), newer=newer.isoformat())
    every = {"LONGWECHAT", "AMOUNTALIPAY", "FEEWECHAT"}
    wanted = every if refs is None else refs
    owner = chain.browser("owner")

    shown = owner.get(f"/recon/?{query}").text.split('class="cases"')
    listed = shown[1].split('id="case"')[0] if len(shown) > 1 else ""
    file = owner.post("/recon/export", password=PASSWORD, **dict(parse_qsl(query)))

    assert {ref for ref in every if ref in listed} == wanted
    rows = list(csv.DictReader(file.get_data(as_text=True).lstrip("\ufeff").splitlines()))
    assert {row["单号"] for row in rows} == wanted
    assert REF not in chain.browser("rival").get(f"/recon/?{query}").text
    if refs == {"LONGWECHAT"}:
        assert (rows[0]["我们记的"], rows[0]["对方记的"], rows[0]["差多少"]) == (
            "",
            "10.00",
            "10.00",
        )


def test_the_file_of_differences_needs_the_password_and_is_on_record(chain: Chain) -> None:
    differences(chain)
    owner = chain.browser("owner")

    asked = owner.post("/recon/export", kind="long")
    rival = chain.browser("rival").post("/recon/export", password=PASSWORD)
    owner.post("/recon/export", kind="long", password=PASSWORD)

    assert asked.status_code == 422
    assert "LONGWECHAT" not in asked.text
    assert "账单里多了" in asked.text
    assert len(rival.get_data(as_text=True).splitlines()) == 1
    with reading() as session:
        entries = session.scalars(
            select(AuditEntry.after).where(
                AuditEntry.action == "recon.export", AuditEntry.merchant_id == chain.merchant_id
            )
        ).all()
    assert entries == [{"number": 1, "proved_again": True}]


def test_filtered_differences_go_on_page_by_page(chain: Chain) -> None:
    found = differ(chain)
    with chain.writing() as session:
        first = session.get_one(Discrepancy, found)
        for n in range(25):
            session.add(
                Discrepancy(
                    day_id=first.day_id,
                    merchant_id=chain.merchant_id,
                    kind=Difference.long if n % 25 else Difference.short,
                    about=About.payment,
                    ref=f"MORE{n:02}",
                    theirs_fen=5,
                    at=first.at,
                    found_at=chain.now,
                )
            )
    owner = chain.browser("owner")

    page = owner.get("/recon/?kind=long").text
    more = re.search(r'href="([^"]*cursor=[^"]*)"', page)
    assert more is not None
    rest = owner.get(unescape(more[1]).removeprefix("/console")).text

    listed = re.findall(r"MORE\d\d|" + REF, page.split('class="cases"')[1].split('id="case"')[0])
    then = re.findall(r"MORE\d\d|" + REF, rest.split('class="cases"')[1].split('id="case"')[0])
    assert listed == [f"MORE{n:02}" for n in range(24, 4, -1)]
    assert then == ["MORE04", "MORE03", "MORE02", "MORE01", REF]


def test_one_difference_tells_who_dealt_with_it_and_leads_to_its_money(chain: Chain) -> None:
    found, owner = differ(chain), chain.browser("owner")
    owner.post(f"/recon/{found}", act="accept", note="另一套系统收的", password=PASSWORD)

    shown = owner.get(f"/recon/{found}").text.split("谁处理过")[1]

    assert "记下原因，认了" in shown
    assert "另一套系统收的" in shown


def test_a_day_of_long_ago_stands_among_those_around_it(chain: Chain) -> None:
    older = differences(chain)
    owner = chain.browser("owner")

    shown = owner.get(f"/recon/?day={older}").text.split('class="days"')[1].split("</nav>")[0]
    never = owner.get("/recon/?day=2001-02-03")

    assert f"day={older}" in shown
    assert (never.status_code, "回到最近" in never.text) == (200, True)


def head_and_case(page: str) -> tuple[str, list[str]]:
    """What the page says above everything, and which differences it lists and opens."""
    head = page.split("：订单、付款、渠道账单三方核对")[0].rsplit(">", 1)[1]
    return head, [ref for ref in ("LONGWECHAT", "AMOUNTALIPAY", "FEEWECHAT") if ref in page]


def test_head_list_and_case_speak_of_one_day(chain: Chain) -> None:
    older = differences(chain)
    newer = older + timedelta(days=40)
    owner = chain.browser("owner")
    with reading() as session:
        case = session.scalars(select(Discrepancy).where(Discrepancy.ref == "FEEWECHAT")).one()

    of_older = f"{older.month} 月 {older.day} 日"
    assert head_and_case(owner.get(f"/recon/?day={older}").text) == (of_older, ["FEEWECHAT"])
    head, listed = head_and_case(owner.get(f"/recon/?day={newer}").text)
    assert (head, listed) == (
        f"{newer.month} 月 {newer.day} 日",
        ["LONGWECHAT", "AMOUNTALIPAY"],
    )
    # Without a day the newest difference is opened, and the head is its day's.
    everything = owner.get("/recon/").text
    assert head_and_case(everything)[0] == of_older
    assert 'aria-current="true"' in everything.split("FEEWECHAT")[0].rsplit("<a ", 1)[1]
    # A case that is asked for is stronger than a day.
    assert head_and_case(owner.get(f"/recon/{case.id}?day={newer}").text) == (
        of_older,
        ["FEEWECHAT"],
    )
    day_between = owner.get(f"/recon/?day={older + timedelta(days=1)}").text
    assert "这天没有要处理的" in day_between
    assert 'id="case"' not in day_between


def test_a_head_that_differs_says_what_of_its_day_is_different(chain: Chain) -> None:
    found, owner = differ(chain), chain.browser("owner")
    day = business_day(chain.now) - timedelta(days=1)
    assert "多 ¥10.00：要处理 1 笔" in owner.get("/recon/").text

    owner.post(f"/recon/{found}", act="accept", note="另一套系统收的", password=PASSWORD)

    shown = owner.get(f"/recon/?day={day}").text
    assert "多 ¥10.00：认下了 1 笔" in shown
    assert f"tab=solved&amp;day={day}" in shown
    assert REF in owner.get(f"/recon/?tab=solved&day={day}").text


def test_a_mixed_payment_says_what_of_its_order_was_stored_value(chain: Chain) -> None:
    order = chain.order(paid_at=chain.now, paid_fen=5_200)
    found = differ(chain)
    with chain.writing() as session:
        mine = PaymentAttempt.bill_id == Bill.id
        (attempt,) = session.scalars(
            select(PaymentAttempt).join(Bill, mine).where(Bill.order_id == order.id)
        ).all()
        attempt.amount_fen, attempt.balance_fen, attempt.channel_fen = 5_200, 2_000, 3_200
        session.flush()
        mixed = {
            "kind": Difference.short,
            "order_id": order.id,
            "attempt_id": attempt.id,
            "ours_fen": 3_200,
            "theirs_fen": None,
        }
        session.execute(update(Discrepancy).where(Discrepancy.id == found).values(**mixed))
    owner = chain.browser("owner")

    shown = owner.get(f"/recon/{found}").text
    assert "¥52.00，其中储值 ¥20.00" in shown
    assert "渠道也说没有，再认下损失" in shown
    assert "已退回" not in shown

    with chain.writing() as session:
        session.add(
            Refund(
                out_refund_no="RMIXED",
                batch="RMIXED",
                merchant_id=chain.merchant_id,
                store_id=order.store_id,
                channel=attempt.channel,
                order_id=order.id,
                attempt_id=attempt.id,
                amount_fen=3_200,
                channel_fen=3_200,
                reason="不要了",
                state=RefundState.succeeded,
                actor="staff:1",
                requested_at=chain.now,
                settled_at=chain.now,
            )
        )

    shown = owner.get(f"/recon/{found}").text
    assert "已退回 ¥32.00" in shown
    assert "这笔钱渠道已经退给顾客 ¥32.00" in shown
    assert "再认下损失" not in shown
    advised = shown.split("建议")[0].rsplit('value="', 1)[1]
    assert advised.startswith("again")
