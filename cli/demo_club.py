"""A past of the demo's membership: days signed, draws, stored value, friends who were brought."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from core.errors import LinliError
from crm import plans
from crm.models import Member, PlanKind
from crm.play import drawing, referring, signing_in
from merchants.models import Merchant, Store
from orders.models import Order
from orders.selling import place_plan
from payments import billing

PLAYERS, SAVERS, BROUGHT = 14, 5, 7
Pay = Callable[[Session, Order, datetime], None]


def run(
    session: Session, merchant: Merchant, stores: Sequence[Store], pay: Pay, now: datetime
) -> None:
    """What the most faithful did of late; `pay` pays an order."""
    chance = random.Random(17)
    mine = select(Member).where(Member.merchant_id == merchant.id)
    faithful = session.scalars(
        mine.where(Member.orders_count > 0).order_by(Member.orders_count.desc(), Member.id)
    ).all()[:PLAYERS]
    for member in faithful:
        for ago in range(chance.randint(1, 9), -1, -1):
            if chance.random() < 0.8:
                at = now - timedelta(days=ago)
                signing_in.sign_in(session, merchant.id, member.id, now=at)
    for wheel in drawing.list_lotteries(session, merchant.id, running_at=now)[:1]:
        for member in faithful:
            _draw(session, merchant, member, wheel.id, now)
    offers = plans.list_plans(session, merchant.id, PlanKind.top_up, now=now)
    for number, member in enumerate(faithful[:SAVERS] if offers else ()):
        at, plan = now - timedelta(days=3 * number, hours=2), offers[number % len(offers)]
        key = f"demo:{member.id}"
        order, _ = place_plan(session, plan, member, stores[0], key=key, now=at)
        billing.open_bill(session, order)
        pay(session, order, at)
    _bring(session, mine, faithful, now)


def _draw(
    session: Session, merchant: Merchant, member: Member, lottery_id: int, now: datetime
) -> None:
    try:
        with session.begin_nested():
            drawing.draw(session, merchant.id, member.id, lottery_id, now=now)
    except LinliError:  # too few points: no draw
        return


def _bring(
    session: Session, mine: Select[Member], faithful: Sequence[Member], now: datetime
) -> None:
    """One brings so many in a day that the shop should look at it."""
    fresh = session.scalars(
        mine.where(Member.first_paid_at.is_(None)).order_by(Member.id.desc()).limit(BROUGHT)
    ).all()
    for number, newcomer in enumerate(fresh if faithful else ()):
        code = referring.code_of(session, faithful[0].id)
        at = now - timedelta(hours=BROUGHT - number)
        referring.accept(session, newcomer, code, now=at)
