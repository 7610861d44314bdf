"""Triggers that begin at WeChat or with time running out: from the callback to the journey."""

from datetime import timedelta

from sqlalchemy import select, update

from core import clock
from core.database import reading, transaction
from crm.models import JourneyRun
from orders.models import Order
from orders.placing import place
from payments import billing
from tests.factories.crm import make_merchant
from tests.factories.journeys import make_journey, plan
from tests.orders.shop import Shop as TeaShop
from tests.tasks.test_orders import tea as tea
from tests.wechat_world import Shop
from tests.working import run_inline

STAY = {"kind": "wait", "amount": 30, "unit": "days", "until_hour": None}


def begin(kind: str) -> None:
    with transaction() as session:
        make_journey(session, plan(STAY, trigger={"kind": kind}), now=clock.now())


def walking() -> list[int]:
    with reading() as session:
        return list(session.scalars(select(JourneyRun.member_id)))


def test_who_follows_walks_once(shop: Shop) -> None:
    with transaction() as session:
        make_merchant(session, code="qinghe")
    begin("followed")

    shop.follow("aqing")
    shop.drain()
    shop.unfollow("aqing")
    shop.follow("aqing")
    shop.drain()

    assert len(walking()) == 1


def test_who_orders_and_does_not_pay_walks(shop: Shop, tea: TeaShop) -> None:
    begin("abandoned")
    with transaction() as session:
        left, _ = place(session, tea.cart(), tea.member, key="key-1", now=clock.now())
        billing.open_bill(session, left)
        past = clock.now() - timedelta(seconds=1)
        session.execute(update(Order).values(expires_at=past))

    run_inline("orders.expire", order_id=left.id)
    shop.drain()

    assert walking() == [tea.member.id]
