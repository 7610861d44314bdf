"""Jobs of orders against the sandbox: who is told what, and what expires."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core import clock
from core.database import reading, transaction
from crm import members
from crm.models import Member
from merchants.models import Merchant, Store
from messaging import grants
from messaging.windows import close_windows
from orders import handover, paying
from orders.models import Order, OrderState
from orders.placing import place
from payments import billing
from people.identities import find_identity
from people.models import IdentityKind
from sandbox.demo_config import MINI, OFFICIAL, SUBSCRIBE_TEMPLATES
from tests.factories.catalogue import available, make_sku
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.orders.shop import Shop as TeaShop
from tests.wechat_world import Shop
from tests.working import run_inline

CLERK, CUSTOMER = "xiaozhou", "aqing"


@pytest.fixture
def tea(shop: Shop) -> TeaShop:
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")
        store = make_store(session, merchant)
        sku = make_sku(session, store, available=10)
        member = recognise(session, shop, CUSTOMER, IdentityKind.mini, MINI, merchant)
        recognise(session, shop, CLERK, IdentityKind.official, OFFICIAL, merchant)
        identity = find_identity(session, OFFICIAL, shop.openid(CLERK))
        assert identity
        staff = make_staff(session, merchant, stores=(store,))
        staff.person_id = identity.person_id
    return TeaShop(session, merchant, store, member, sku)


def recognise(
    session: Any, shop: Shop, person: str, kind: IdentityKind, appid: str, merchant: Merchant
) -> Member:
    return members.recognise(
        session,
        merchant_id=merchant.id,
        kind=kind,
        appid=appid,
        openid=shop.openid(person, appid),
        now=clock.now(),
    )


def order(tea: TeaShop, *, paid: bool) -> Order:
    with transaction() as session:
        placed, _ = place(session, tea.cart(2), tea.member, key="key-1", now=clock.now())
        billing.open_bill(session, placed)
        if paid:
            paying.mark_paid(session, placed, amount_fen=4400, now=clock.now())
    return placed


def reload(no: str) -> Order:
    with reading() as session:
        return session.scalars(select(Order).where(Order.no == no)).one()


def left(store: Store, tea: TeaShop) -> int | None:
    with reading() as session:
        return available(session, store, tea.tea)


def test_an_unpaid_order_expires_and_gives_its_stock_back(shop: Shop, tea: TeaShop) -> None:
    placed = order(tea, paid=False)
    with transaction() as session:
        past = clock.now() - timedelta(seconds=1)
        session.execute(update(Order).values(expires_at=past))

    run_inline("orders.expire", order_id=placed.id)
    run_inline("orders.expire", order_id=placed.id)

    found = reload(placed.no)
    assert (found.state, found.cancel_reason) == (OrderState.cancelled, "超时未付款")
    assert left(tea.store, tea) == 10


def test_an_order_does_not_expire_early_nor_once_paid(shop: Shop, tea: TeaShop) -> None:
    placed = order(tea, paid=False)

    run_inline("orders.expire", order_id=placed.id)
    assert reload(placed.no).state is OrderState.placed
    with transaction() as session:
        mine = session.get_one(Order, placed.id)
        paying.mark_paid(session, mine, amount_fen=4400, now=clock.now())
        session.execute(update(Order).values(expires_at=clock.now() - timedelta(hours=1)))
    run_inline("orders.expire", order_id=placed.id)

    assert reload(placed.no).state is OrderState.placed
    assert left(tea.store, tea) == 8


def test_a_clerk_who_talked_to_us_gets_a_text(shop: Shop, tea: TeaShop) -> None:
    shop.follow(CLERK)
    shop.say(CLERK, "在吗")
    shop.drain()
    before = len(shop.chat(CLERK))

    placed = order(tea, paid=True)
    ran = shop.drain()

    assert "orders.after_paid:done" in ran
    (alert,) = shop.chat(CLERK)[before:]
    assert f"新订单 {placed.pickup_number}" in str(alert)
    assert "等 2 件，¥44.00，自取" in str(alert)


def test_a_clerk_without_an_open_window_gets_the_service_template(shop: Shop, tea: TeaShop) -> None:
    shop.follow(CLERK)
    shop.drain()
    with transaction() as session:
        close_windows(session, OFFICIAL, shop.openid(CLERK))
    before = len(shop.chat(CLERK))

    placed = order(tea, paid=True)
    shop.drain()

    (alert,) = shop.chat(CLERK)[before:]
    assert "新订单提醒" in str(alert)
    assert str(placed.pickup_number) in str(alert)


def test_a_member_who_allowed_it_is_told_when_it_is_ready(shop: Shop, tea: TeaShop) -> None:
    template_id = SUBSCRIBE_TEMPLATES["order_ready"]
    openid = shop.openid(CUSTOMER, MINI)
    answers = {template_id: "accept"}
    body = {"appid": MINI, "answers": answers, "wait": True}
    shop.app_post(f"people/{CUSTOMER}/subscribe", body)
    with reading() as session:
        assert grants.count(session, appid=MINI, openid=openid, template_id=template_id) == 1
    placed = order(tea, paid=True)
    with transaction() as session:
        mine = session.get_one(Order, placed.id)
        handover.accept(session, mine, actor="staff:1", now=clock.now())
        handover.ready(session, mine, actor="staff:1", now=clock.now())

    ran = shop.drain()

    assert "orders.after_ready:done" in ran
    sent = [shown for shown in shop.chat(CUSTOMER, MINI) if placed.pickup_number in str(shown)]
    assert len(sent) == 1
    with reading() as session:
        assert grants.count(session, appid=MINI, openid=openid, template_id=template_id) == 0
