"""资金 → 结算: sums that add up on the page, payouts with proof, and nothing of another shop."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from console import settlement_view, words
from core.clock import business_day, day_bounds
from core.database import reading
from payments import ledger
from payments.models import BookProof, LedgerEntry, Payout
from payments.models.statements import StatementDay, StatementKind, StatementState
from payments.settlement import awaiting, days, payouts
from payments.settlement.figures import Line, earned_by_store
from tests.console.conftest import PASSWORD, Chain
from tests.console.test_recon import differ


def close_yesterday(chain: Chain, fen: int = 12_345, refunded: int = 2_345) -> str:
    """A closed day of the shop `here`; its date."""
    today = business_day(chain.now)
    day, at = today - timedelta(days=2), day_bounds(today - timedelta(days=2))[0]
    order = chain.order(paid_at=at, paid_fen=fen)
    sales = f"sales:{chain.merchant_id}"
    with chain.writing() as session:
        for cause, amount in ((f"payment:{order.id}", fen), (f"refund:{order.id}", -refunded)):
            amounts = {"channel:wechat:1900000001": amount, sales: -amount}
            now = at + timedelta(hours=12)
            ledger.post(session, cause, amounts, chain.merchant_id, order_id=order.id, now=now)
        days.open_due(session, chain.merchant_id, now=chain.now)
        for one in days.list_closable(session, chain.merchant_id, now=chain.now):
            days.close(session, one.id, now=awaiting.closes_at(day))
    return day.isoformat()


def test_a_month_and_a_day_add_up_on_the_page(chain: Chain) -> None:
    owner = chain.browser("owner")
    assert "这个月还没有收款" in owner.get("/settlement/?month=2026-01").text
    day = close_yesterday(chain)

    month = owner.get(f"/settlement/?month={day[:7]}").text
    shown = owner.get(f"/settlement/{day}")

    for amount in ("123.45", "−23.45", "100.00"):
        assert amount in month
        assert amount in shown.text
    assert "已结" in month
    assert "所有科目加起来是 0.00" in shown.text
    assert chain.here.name in shown.text
    assert owner.get("/settlement/2019-01-01").status_code == 404
    assert owner.get("/settlement/yesterday").status_code == 404
    rival = chain.browser("rival")
    assert rival.get(f"/settlement/{day}").status_code == 404
    assert "123.45" not in rival.get(f"/settlement/?month={day[:7]}").text


def test_a_day_that_is_still_open_says_whose_bill_it_waits_for(chain: Chain) -> None:
    owner, day = chain.browser("owner"), business_day(chain.now) - timedelta(days=2)
    at = day_bounds(day)[0]
    order = chain.order(paid_at=at, paid_fen=500)
    with chain.writing() as session:
        amounts = {"channel:wechat:1900000001": 500, f"sales:{chain.merchant_id}": -500}
        ledger.post(session, "payment:1", amounts, chain.merchant_id, order_id=order.id, now=at)
        days.open_due(session, chain.merchant_id, now=chain.now)
        late = StatementDay(
            channel="wechat",
            account="1900000001",
            day=day,
            kind=StatementKind.trade,
            merchant_id=chain.merchant_id,
        )
        session.add(late)
    last = words.when(awaiting.closes_at_last(day), chain.now)

    shown = owner.get(f"/settlement/{day}").text
    assert f"在等微信支付这天的账单，核完就结；一直不来，{last} 照结" in shown

    with chain.writing() as session:
        session.execute(update(StatementDay).values(state=StatementState.matched))
    shown = owner.get(f"/settlement/{day}").text
    assert "在等" not in shown
    assert "账单到齐了，马上就结" in shown


def test_all_is_well_only_while_no_difference_with_a_channel_is_open(chain: Chain) -> None:
    owner = chain.browser("owner")
    with chain.writing() as session:
        session.add(BookProof(at=chain.now, counts={"order": 7, "loss": 2}, wrong={}))
    calm = owner.get("/settlement/").text
    assert "自己的账核过，一分不差<" in calm
    assert "<summary>核了什么</summary>订单 7<" in calm

    differ(chain)

    told = owner.get("/settlement/").text
    assert "一分不差。跟渠道还有 1 条没处理<" in told
    assert '/recon/">去对账</a>' in told


def test_no_year_is_too_early_or_too_late_for_an_answer(chain: Chain) -> None:
    owner = chain.browser("owner")
    for month in ("0001-01", "9999-12"):
        assert owner.get(f"/settlement/?month={month}").status_code == 200
        assert owner.get(f"/settlement/export?month={month}").status_code == 200
        table = owner.post("/settlement/export", month=month, password=PASSWORD)
        assert table.status_code == 200
    for day in ("0001-01-01", "9999-12-31"):
        assert owner.get(f"/settlement/{day}").status_code == 404
        assert owner.get(f"/refunds/?day={day}").status_code == 200
        assert owner.get(f"/recon/?day={day}").status_code == 200


def test_an_export_needs_the_password_and_is_on_record(chain: Chain) -> None:
    owner, day = chain.browser("owner"), close_yesterday(chain)
    month = day[:7]

    assert owner.post("/settlement/export", month=month).status_code == 422
    table = owner.post("/settlement/export", month=month, password=PASSWORD)

    assert table.content_type == "text/csv; charset=utf-8"
    row = f"{day},123.45,-23.45,0.00,0.00,0.00,0.00,100.00,0.00,0.00,已结"
    assert row in table.text.splitlines()
    assert "导出日结单" in owner.get("/audit/").text


def test_a_payout_is_proved_bounded_and_taken_back(chain: Chain) -> None:
    owner = chain.browser("owner")
    close_yesterday(chain)
    wanted = {"store": str(chain.here.id), "amount": "80", "voucher": "ICBC1"}

    unproved = owner.post("/settlement/payouts/", **wanted)
    too_much = owner.post(
        "/settlement/payouts/", **(wanted | {"amount": "100.01"}), password=PASSWORD
    )
    foreign = owner.post(
        "/settlement/payouts/", **(wanted | {"store": str(chain.rival_store.id)}), password=PASSWORD
    )
    assert [page.status_code for page in (unproved, too_much, foreign)] == [422, 422, 422]
    assert "超过了这家店还没划的钱" in too_much.text
    with reading() as session:
        assert session.scalars(select(Payout)).all() == []
        causes = session.scalars(select(LedgerEntry.cause).distinct()).all()
        assert [cause for cause in causes if cause.startswith("payout:")] == []

    assert owner.post("/settlement/payouts/", **wanted, password=PASSWORD).status_code == 303
    again = owner.post("/settlement/payouts/", **wanted, password=PASSWORD)
    assert "这个凭证号已经记过一笔" in again.text
    with reading() as session:
        (made,) = session.scalars(select(Payout)).all()
        assert (made.amount_fen, made.by) == (8_000, f"staff:{chain.owner.id}")
        assert payouts.left_fen(session, chain.here.id) == 2_000

    path = f"/settlement/payouts/{made.id}/take-back"
    assert chain.browser("rival").get(path).status_code == 404
    assert "银行里的钱不会动" in owner.get(path).text
    assert owner.post(path, password=PASSWORD).status_code == 303
    with reading() as session:
        assert payouts.left_fen(session, chain.here.id) == 10_000
    records = owner.get("/audit/").text
    assert "记一笔划款" in records
    assert "冲回划款" in records


def test_what_is_at_each_channel_stands_with_its_share_the_biggest_first() -> None:
    lines = [
        Line(1, "channel:alipay:2021", "payment", 2_000, 1),
        Line(1, "channel:wechat:1900", "payment", 7_000, 3),
        Line(1, "channel:wechat:1900", "refund", -1_000, 1),
        Line(1, "channel:unionpay:777", "refund", -500, 1),  # no share: more went than came
        Line(1, "sales:1", "payment", -9_000, 4),
    ]

    shown = settlement_view.by_channel(lines)

    assert [(each["name"], each["sum"], each["pct"]) for each in shown] == [
        ("微信支付", "60.00", 75),
        ("支付宝", "20.00", 25),
        ("银联", "−5.00", 0),
    ]


def test_stored_value_leads_from_what_came_in_to_what_a_store_earned() -> None:
    lines = [
        Line(1, "channel:wechat:1900000001", "payment", 10_000 + 500, 2),  # a top-up and a sale
        Line(1, "balance:1", "payment", -11_000 + 2_000, 2),
        Line(1, "bonus:1", "payment", 1_000 - 180, 2),
        Line(1, "sales:1", "payment", -500 - 1_820, 2),
    ]

    [row] = settlement_view.by_store(lines, {1: "静安寺店"})

    assert (row["amounts"][-1], row["stored"], row["earned"]) == ("105.00", "−81.80", "23.20")


WX = "channel:wechat:1900000001"
POSTINGS = {
    # cause, entries: net, 储值, 线下退款等, 挣到
    "payment": ({WX: 10_000, "sales:1": -10_000}, (100, 0, 0, 100)),
    "payment by balance": ({"balance:1": 3_000, "sales:1": -3_000}, (0, 30, 0, 30)),
    "payment of a top-up": (
        {WX: 10_000, "balance:1": -12_000, "bonus:1": 2_000},
        (100, -100, 0, 0),
    ),
    "payment too late": ({WX: 700, "unclaimed:1": -700}, (7, 0, -7, 0)),
    "refund": ({WX: -1_000, "sales:1": 1_000}, (-10, 0, 0, -10)),
    "refund by hand": ({"by_hand:1": -1_000, "sales:1": 1_000}, (0, 0, -10, -10)),
    "refund of what was late": ({WX: -700, "unclaimed:1": 700}, (-7, 0, 7, 0)),
    "stored": ({"balance:1": 2_400, "bonus:1": -400, "unclaimed:1": -2_000}, (0, 20, -20, 0)),
    "import": ({"balance:1": -500, "imported:1": 400, "bonus:1": 100}, (0, 0, 0, 0)),
    "fee": ({WX: -60, "fee:wechat:1": 60}, (-0.6, 0, 0, -0.6)),
    "sharing": ({WX: -300, "commission:1": 100, "sharing:1": 200}, (-3, 0, 0, -3)),
    "sharing_back": ({WX: 150, "commission:1": -50, "sharing:1": -100}, (1.5, 0, 0, 1.5)),
    "loss": ({WX: -900, "loss:1": 900}, (-9, 0, 9, 0)),
    "found": ({WX: 900, "loss:1": -900}, (9, 0, -9, 0)),
    "coupon": ({"coupon_cost:1": 300, "subsidy:1": 200, "given:1": -500}, (0, 0, 0, 0)),
    "payout": ({"payout:1": -800, "store:1": 800}, (0, 0, 0, 0)),
}


@pytest.mark.parametrize("store_id", [1, None])
def test_every_row_of_a_store_adds_up_whatever_moved(store_id: int | None) -> None:
    def shown(*causes: str) -> tuple[float, ...]:
        lines = [
            Line(store_id, account, cause.partition(" ")[0], fen, 1)
            for cause in causes
            for account, fen in POSTINGS[cause][0].items()
        ]
        rows = settlement_view.by_store(lines, {1: "静安寺店"})
        if not rows:
            return (0, 0, 0, 0)
        [row] = rows
        cells = [*row["amounts"], row["stored"], row["beside"], row["earned"]]
        fen = [round(float(cell.replace("−", "-").replace(",", "")) * 100) for cell in cells]
        assert sum(fen[:-4]) == fen[-4]  # the columns of a statement, and its net
        assert fen[-4] + fen[-3] + fen[-2] == fen[-1]
        return tuple(each / 100 for each in fen[-4:])

    for cause, (entries, expected) in POSTINGS.items():
        assert sum(entries.values()) == 0
        assert shown(cause) == expected, cause
    together = [sum(round(e[1][n] * 100) for e in POSTINGS.values()) / 100 for n in range(4)]
    assert shown(*POSTINGS) == tuple(together)
    if store_id is not None:
        lines = [Line(1, a, c, fen, 1) for c, (e, _) in POSTINGS.items() for a, fen in e.items()]
        assert earned_by_store(lines) == {1: round(together[-1] * 100)}


def test_what_was_given_back_by_hand_stands_between_net_and_earned(chain: Chain) -> None:
    owner, today = chain.browser("owner"), business_day(chain.now).isoformat()
    order = chain.order(paid_fen=3_000)
    sales = f"sales:{chain.merchant_id}"
    with chain.writing() as session:
        for cause, amounts in (
            ("payment:1", {WX: 3_000, sales: -3_000}),
            ("refund:1", {f"by_hand:{chain.merchant_id}": -1_000, sales: 1_000}),
        ):
            ledger.post(
                session, cause, amounts, chain.merchant_id, order_id=order.id, now=chain.now
            )

    shown = owner.get(f"/settlement/{today}").text

    cells = ("储值", "0.00"), ("线下退款等", "−10.00"), ("挣到", "20.00")
    for label, amount in cells:
        found = re.findall(rf'data-label="{label}">{amount}<', shown)
        assert len(found) == 2, label  # the store's, and the sum of all stores
    assert 'data-label="净额">30.00<' in shown


def test_stored_value_stands_on_the_month_and_the_day(chain: Chain) -> None:
    owner, shop = chain.browser("owner"), chain.merchant_id
    today = business_day(chain.now)
    assert "欠会员" not in owner.get("/settlement/").text
    order = chain.order(paid_at=chain.now, paid_fen=2_600)
    topped_up = {
        "channel:wechat:1900000001": 10_000,
        f"balance:{shop}": -12_000,
        f"bonus:{shop}": 2_000,
    }
    spent = {f"balance:{shop}": 2_600, f"sales:{shop}": -2_600}
    with chain.writing() as session:
        for number, amounts in enumerate((topped_up, spent)):
            cause = f"payment:9{number}"
            ledger.post(session, cause, amounts, shop, order_id=order.id, now=chain.now)

    for page in (f"/settlement/?month={today:%Y-%m}", f"/settlement/{today.isoformat()}"):
        shown = owner.get(page).text.split("<h2>储值</h2>")[1].split("</section>")[0]
        told = re.findall(r"<tr><td[^>]*>([^<]*)</td><td[^>]*>([^<]*)</td>", shown)
        assert told == [
            ("之前欠会员", "0.00"),
            ("充值", "100.00"),
            ("充值送的", "20.00"),
            ("消费", "−26.00"),
            ("现在欠会员", "= 94.00"),
        ]
    assert "欠会员" not in chain.browser("rival").get("/settlement/").text
