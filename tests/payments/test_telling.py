"""Whom the shop's own money worries reach: in the chat that is open, and on 今日."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from core import clock, database
from gateways.pay.shipping import Logistics
from merchants.models import Merchant, Role, Store
from messaging.models import OutboundMessage
from orders.models import OrderState
from payments import billing, telling
from payments.models import Sharing, SharingState
from payments.shipping.models import PaymentShipping, ShippingState
from people.models import Identity, IdentityKind
from sandbox.demo_config import OFFICIAL
from tests.console.conftest import Browser
from tests.factories.crm import make_person
from tests.factories.merchants import make_staff, make_store
from tests.factories.messaging import make_follower, make_window
from tests.payments.conftest import MCHID, MINI, Till
from tests.payments.test_counter_page import log_in


def listening(till: Till, role: Role, store: Store | None = None) -> str:
    """The openid of somebody of the staff who wrote to the official account a moment ago."""
    now = datetime.now(UTC)
    with database.transaction() as session:
        merchant, person = session.get_one(Merchant, till.store.merchant_id), make_person(session)
        make_staff(session, merchant, role=role, person=person, stores=(store or till.store,))
        openid = f"o-{role.value}-{person.id}"
        identity = Identity(person_id=person.id, kind=IdentityKind.official, appid=OFFICIAL,
                            openid=openid, created_at=now)  # fmt: skip
        session.add(identity)
        session.flush()
        make_follower(session, merchant=merchant, identity=identity, at=now).appid = OFFICIAL
        make_window(session, openid, appid=OFFICIAL, opened_at=now)
    return openid


def messages() -> list[tuple[str, str]]:
    with database.reading() as session:
        found = session.scalars(select(OutboundMessage).order_by(OutboundMessage.id)).all()
        return [(one.openid, one.payload["text"]) for one in found]


def test_late_money_reaches_those_who_give_money_back_once(till: Till) -> None:
    manager = listening(till, Role.manager)
    listening(till, Role.clerk)
    listening(till, Role.manager, elsewhere(till))
    order = till.order(2_500)
    till.channel.pay(till.open(order))
    with database.transaction() as session:  # cancelled without asking: a crash, a bug, a race
        billing.void_bill(session, till.bill(order))
        session.merge(order).state = OrderState.cancelled

    notice = till.channel.next_notice()
    assert [till.deliver(notice), till.deliver(notice)] == [204, 204]
    assert till.run_jobs("payments.tell_late") == ["done"]

    what = order.pickup_number or order.no[-6:]
    text = (
        f"{what} 又收到 ¥25.00，可是订单已取消：这笔钱正在自动退回。\n"
        "到控制台的「退款」里看它到了没有。"
    )
    assert messages() == [(manager, text)]
    [attempt] = till.attempts(order)
    with database.transaction() as session:
        telling.tell_late(session, attempt.id, now=clock.now())
    assert len(messages()) == 1


def stuck_sharing(till: Till, error: str = "NO_AUTH") -> int:
    order = till.order(2_500)
    till.channel.pay(till.open(order))
    till.deliver(till.channel.next_notice())
    with database.transaction() as session:
        sharing = Sharing(attempt_id=till.attempts(order)[0].id, merchant_id=order.merchant_id,
                          order_id=order.id, no="S1", round=1, state=SharingState.failed,
                          error=error, paid_at=clock.now())  # fmt: skip
        session.add(sharing)
        session.flush()
        return sharing.id


def test_who_settles_hears_of_a_sharing_that_failed_until_it_is_put_right(till: Till) -> None:
    owner = listening(till, Role.owner)
    listening(till, Role.manager)
    sharing_id = stuck_sharing(till)

    for _ in range(2):
        with database.transaction() as session:
            telling.tell_sharing(session, sharing_id, now=clock.now())

    [(openid, text)] = messages()
    assert openid == owner
    assert "没有分成（NO_AUTH）" in text
    with database.transaction() as session:
        found = session.get_one(Sharing, sharing_id)
        found.state, found.error = SharingState.due, ""
        assert telling.tell_sharing(session, sharing_id, now=clock.now()) == 0


def test_today_says_what_wechat_holds_back_to_those_who_can_do_something(till: Till) -> None:
    owner, manager, other = (
        log_in(till, till.store, Role.owner),
        log_in(till, till.store, Role.manager),
        log_in(till, elsewhere(till), Role.manager),
    )
    assert "发货信息</b>" not in owner.get("/home").text

    untold(till, timedelta(hours=35))
    assert "还没录发货信息" not in owner.get("/home").text
    untold(till, timedelta(hours=37))
    assert_says(owner, "1 单还没录发货信息", "满 36 小时了")
    untold(till, timedelta(hours=49))
    untold(till, timedelta(hours=60), ShippingState.uploaded)
    stuck_sharing(till)

    for browser in (owner, manager):
        assert_says(browser, "2 单还没录发货信息", "有的满 48 小时了")
    assert "还没录发货信息" not in other.get("/home").text
    assert_says(owner, "1 笔钱没有分成", "/console/settlement/sharing/")
    assert "没有分成" not in manager.get("/home").text


def elsewhere(till: Till) -> Store:
    with database.transaction() as session:
        merchant = session.get_one(Merchant, till.store.merchant_id)
        return make_store(session, merchant)


def assert_says(browser: Browser, *texts: str) -> None:
    page = browser.get("/home").text
    for text in texts:
        assert text in page, text


def untold(till: Till, age: timedelta, state: ShippingState = ShippingState.waiting) -> None:
    order, now = till.order(2_500), clock.now()
    till.open(order)
    [attempt] = till.attempts(order)
    with database.transaction() as session:
        session.add(
            PaymentShipping(
                merchant_id=order.merchant_id, store_id=order.store_id, order_id=order.id,
                attempt_id=attempt.id, appid=MINI, openid=attempt.payer, account=MCHID,
                out_trade_no=attempt.out_trade_no, transaction_id=f"42{attempt.id}",
                amount_fen=2_500, logistics=Logistics.pickup, state=state, wanted={},
                paid_at=now - age, created_at=now - age, changed_at=now - age,
            )
        )  # fmt: skip
