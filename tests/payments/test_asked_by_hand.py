"""现在去问渠道: somebody in the console asks, and what the channel says is acted upon."""

from datetime import timedelta

from sqlalchemy import select

from core.audit import AuditEntry
from core.clock import now as clock_now
from core.database import reading, transaction
from core.inbox import InboundEvent
from merchants.models import Merchant, Role, Staff
from orders.models import PaymentState
from people import logins
from tests.console.conftest import Browser
from tests.factories.merchants import make_staff
from tests.payments.conftest import Till
from tests.payments.test_paying import open_sheet


def log_in(till: Till) -> Browser:
    browser = Browser(till.app)
    with transaction() as session:
        merchant = session.get_one(Merchant, till.store.merchant_id)
        owner: Staff = make_staff(session, merchant, role=Role.owner)
        token = logins.open_session(
            session,
            person=None,
            identity=None,
            audience="staff",
            lifetime=timedelta(hours=1),
            now=clock_now(),
            staff_id=owner.id,
        )
    browser.client.set_cookie("linli_staff", token, path="/console")
    return browser


def answers() -> list[str]:
    with reading() as session:
        acts = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "payment.asked").order_by(AuditEntry.id)
        )
        return [act.after["answer"] for act in acts]


def test_a_lost_notice_is_healed_by_hand(till: Till) -> None:
    order = till.order(2500)
    sheet = open_sheet(till, order)
    (attempt,) = till.attempts(order)
    browser = log_in(till)
    assert browser.post(f"/payments/{attempt.id}/ask").status_code == 303
    assert (answers(), till.read(order).payment_state) == (["还没付"], PaymentState.unpaid)

    till.channel.pay(sheet)
    till.channel.fault(api="pay.query", kind="drop_after", times=1)
    browser.post(f"/payments/{attempt.id}/ask")
    assert answers()[-1] == "渠道没有回应，过一会儿再问"
    assert till.read(order).payment_state is PaymentState.unpaid
    browser.post(f"/payments/{attempt.id}/ask")
    assert answers()[-1] == "付了，已经入账"
    assert till.read(order).payment_state is PaymentState.paid
    browser.post(f"/payments/{attempt.id}/ask")
    assert len(answers()) == 3


def test_a_notice_is_kept_with_the_number_of_its_payment(till: Till) -> None:
    order = till.order(2500)
    till.channel.pay(open_sheet(till, order))
    till.deliver(till.channel.next_notice())
    (attempt,) = till.attempts(order)

    with reading() as session:
        assert session.scalars(select(InboundEvent.about)).all() == [attempt.out_trade_no]
    assert (attempt.merchant_id, attempt.store_id) == (order.merchant_id, order.store_id)
    page = log_in(till).get(f"/payments/{attempt.id}").text
    assert "付款成功" in page
    assert "入账" in page
