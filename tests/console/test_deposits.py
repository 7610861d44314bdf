"""收定金: an unpaid order asks for a part now and for the rest by a day; its bills are shown."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core.audit import AuditEntry
from core.database import reading, transaction
from core.outbox import OutboxJob
from crm.models import Member
from merchants.models import Merchant, Store
from orders.models import Order, PaymentState
from payments import billing
from payments.models import Bill, BillState
from tests.console.conftest import Chain
from tests.factories.crm import make_member
from tests.factories.orders import make_order


@pytest.fixture
def order(chain: Chain) -> Order:
    """Of ¥26, unpaid, with a quarter of an hour left."""
    until = chain.now + timedelta(minutes=15)
    with transaction() as session:
        merchant = session.get_one(Merchant, chain.here.merchant_id)
        member = make_member(session, merchant=merchant)
        store = session.get_one(Store, chain.here.id)
        times = {"placed_at": chain.now, "expires_at": until}
        order = make_order(session, member, store, payable_fen=2_600, **times)
        billing.open_bill(session, order)
    return order


def bills(order: Order) -> list[tuple[str, int]]:
    with reading() as session:
        mine = (Bill.order_id == order.id, Bill.state == BillState.open)
        found = session.scalars(select(Bill).where(*mine).order_by(Bill.seq))
        return [(bill.kind.value, bill.amount_fen) for bill in found]


def test_a_clerk_takes_a_deposit_and_sees_what_is_left(chain: Chain, order: Order) -> None:
    clerk = chain.browser("clerk")
    assert f"/orders/waiting/{order.no}" in clerk.get("/orders/waiting/").text

    answer = clerk.post(
        f"/orders/waiting/{order.no}/deposit", how="percent", percent="30", sum="", days="7"
    )

    assert answer.status_code == 303
    assert bills(order) == [("deposit", 780), ("rest", 1_820)]
    page = clerk.get(f"/orders/waiting/{order.no}").text
    for text in ("定金 ¥7.80", "尾款 ¥18.20", "待付", "还差 ¥26.00", "不收定金了，一次付清"):
        assert text in page, text
    with reading() as session:
        found = session.get_one(Order, order.id)
        assert found.expires_at - chain.now > timedelta(hours=23)
        [entry] = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "order.deposit")
        ).all()
        assert entry.after == {"deposit_fen": 780, "days": 7}


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("", "定金 ¥7.80，尾款 ¥18.20"),
        ("?how=percent&percent=5", "定金 ¥1.30，尾款 ¥24.70"),
        ("?how=sum&sum=5&percent=30", "定金 ¥5.00，尾款 ¥21.00"),
        ("?how=sum&sum=26", "填好以后"),
    ],
)
def test_what_it_comes_to_is_said_before_anybody_presses(
    chain: Chain, order: Order, asked: str, words: str
) -> None:
    page = chain.browser("clerk").get(f"/orders/waiting/{order.no}{asked}")

    assert page.status_code == 200
    assert words in page.text.split('id="result"')[1].split("</p>")[0]
    assert bills(order) == [("whole", 2_600)]


def test_deposits_come_first_and_everything_is_reached_page_by_page(
    chain: Chain, order: Order
) -> None:
    """Seventy fresh orders that end in minutes hide no deposit whose rest is due in a week."""
    with transaction() as session:
        store = session.get_one(Store, chain.here.id)
        member = session.get_one(Member, order.buyer_id)
        for number in range(70):
            times = {"placed_at": chain.now, "expires_at": chain.now + timedelta(minutes=9)}
            make_order(session, member, store, payable_fen=100 + number, **times)
        kept = make_order(
            session,
            member,
            store,
            payable_fen=9_900,
            paid_fen=900,
            payment_state=PaymentState.part_paid,
            placed_at=chain.now,
            expires_at=chain.now + timedelta(days=7),
        )
    clerk = chain.browser("clerk")

    pages, path = [], "/orders/waiting/"
    while path:
        text = clerk.get(path).text
        pages.append(re.findall(r"/orders/waiting/(\d{8}[0-9A-Z]{10})", text))
        found = re.search(r'href="/console(/orders/waiting/\?cursor=[^"]+)"', text)
        path = found[1] if found else ""

    assert [len(page) for page in pages] == [50, 22]
    assert pages[0][0] == kept.no
    assert pages[1][-1] == order.no
    assert len({no for page in pages for no in page}) == 72
    assert clerk.get("/orders/waiting/?cursor=nonsense").status_code == 400


def test_the_counter_leads_to_the_open_deposits(chain: Chain) -> None:
    assert 'href="/console/orders/waiting/"' in chain.browser("clerk").get("/collect/").text


def test_a_sum_is_taken_to_the_fen_and_undone_while_it_is_not_paid(
    chain: Chain, order: Order
) -> None:
    clerk = chain.browser("clerk")
    form = {"how": "sum", "percent": "", "sum": "10.01", "days": "1"}
    clerk.post(f"/orders/waiting/{order.no}/deposit", **form)
    assert bills(order) == [("deposit", 1_001), ("rest", 1_599)]
    again = clerk.post(f"/orders/waiting/{order.no}/deposit", **form)
    assert (again.status_code, "现在不能改付款的分法" in again.text) == (409, True)

    undone = clerk.post(f"/orders/waiting/{order.no}/whole")

    assert undone.status_code == 303
    assert bills(order) == [("whole", 2_600)]
    with reading() as session:
        ends = session.get_one(Order, order.id).expires_at
        jobs = select(OutboxJob.run_at).where(OutboxJob.name == "orders.expire")
        assert session.scalars(jobs).all() == [ends]
    assert ends - chain.now <= timedelta(minutes=16)


@pytest.mark.parametrize(
    "form",
    [
        {"how": "percent", "percent": "0", "days": "7"},
        {"how": "percent", "percent": "100", "days": "7"},
        {"how": "sum", "sum": "26.00", "days": "7"},
        {"how": "sum", "sum": "0", "days": "7"},
        {"how": "percent", "percent": "30", "days": "61"},
        {"how": "", "percent": "30", "days": "7"},
    ],
)
def test_what_is_no_deposit_changes_nothing(
    chain: Chain, order: Order, form: dict[str, Any]
) -> None:
    answer = chain.browser("clerk").post(f"/orders/waiting/{order.no}/deposit", **form)

    assert answer.status_code == 422
    assert bills(order) == [("whole", 2_600)]


def test_the_order_of_another_store_and_a_paid_one_are_none_to_split(
    chain: Chain, order: Order
) -> None:
    clerk, paid = chain.browser("clerk"), chain.order()
    form = {"how": "percent", "percent": "30", "days": "7"}

    answers = [
        clerk.post("/orders/waiting/20261122NOSUCHNO00/deposit", **form),
        clerk.post(f"/orders/waiting/{paid.no}/deposit", **form),
    ]

    assert answers[0].status_code == 404
    assert answers[1].status_code in (303, 409)
    assert clerk.get(f"/orders/waiting/{paid.no}").status_code == 303
    assert bills(order) == [("whole", 2_600)]
