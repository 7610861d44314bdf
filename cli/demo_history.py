"""A past for the demo: members who follow, order, come back or stay away.

Every order goes through the verbs that a real one goes through, only at a past `now`; its jobs are
taken out again, because what they would tell people has long been said.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

import crm.demo
from catalogue.menus import MenuProduct
from cli import (
    demo_bills,
    demo_broadcasts,
    demo_campaign,
    demo_cards,
    demo_chats,
    demo_club,
    demo_codes,
    demo_counter,
    demo_import,
    demo_journeys,
    demo_orders,
    demo_payments,
    demo_recon,
    demo_refunds,
    demo_settlement,
    demo_sharing,
    demo_shippings,
    demo_tags,
)
from cli.demo_crowd import draw_name, openid_of, phone_of, union_of
from core.clock import local
from core.database import claim, transaction
from core.outbox import OutboxJob
from coupons.issuing import issue
from coupons.models import CouponTemplate
from crm import members, places
from crm.models import Member
from merchants.models import Merchant, Store
from merchants.queries import list_stores
from messaging import followers, grants, windows
from messaging.accounts import minis_of, officials_of
from orders.models import Fulfilment
from orders.placing import place
from orders.quoting import BEST, Cart
from payments import billing
from people import phones
from people.models import Person

SEGMENTS_SEEN = timedelta(days=14)
"""Who came into which segment and went out of it is looked at on each of the last days."""
MERCHANT, DAYS, BATCH = "qinghe", 60, 40
HOURS = (9, 10, 10, 11, 12, 12, 13, 14, 14, 15, 15, 16, 17, 18, 19, 20)


@dataclass(frozen=True)
class Habit:
    """How often somebody of this kind comes, in days, and since when they stay away."""

    share: int
    every: tuple[int, int]
    away: tuple[int, int]
    joined: tuple[int, int] = (8, DAYS)


HABITS = (
    Habit(share=30, every=(3, 8), away=(0, 0)),  # regulars
    Habit(share=25, every=(9, 18), away=(0, 0)),  # now and then
    Habit(share=30, every=(3, 7), away=(31, 45), joined=(60, 75)),  # lost sight of
    Habit(share=15, every=(90, 90), away=(0, 0)),  # once
)


@dataclass(frozen=True)
class Visit:
    at: datetime
    member_id: int
    store_id: int


def write(
    size: int, crowd: Mapping[str, str], *, audience: int = 0, now: datetime
) -> dict[str, int]:
    """A past for `size` members, unless there is one; how many members and orders it has.

    `audience` more had never ordered when a campaign was sent to them.

    `crowd` gives the beginning of their openids by appid; a number of 16 digits follows.
    """
    chance = random.Random(7)
    with transaction() as session:
        merchant = session.scalars(select(Merchant).where(Merchant.code == MERCHANT)).one()
        if session.scalar(select(func.count()).select_from(Member)):
            return {"members": 0, "orders": 0}
        last_job = _last_job(session)
        stores = list_stores(session, merchant.id)
        visits: list[Visit] = []
        if audience:
            numbers = range(size, size + audience)
            own = random.Random(11)  # the others' past is the same with and without a campaign
            buyers = demo_campaign.run(session, merchant, stores, crowd, numbers, own, now)
            visits += [Visit(buyer.at, buyer.member_id, buyer.store.id) for buyer in buyers]
        for number in range(size):
            visits += _join(session, merchant, stores, crowd, number, chance, now)
        _forget_jobs(session, last_job)
        shelves = {store.id: demo_orders.on_shelf(session, store) for store in stores}
    visits.sort(key=lambda visit: visit.at)
    seen = now - timedelta(days=DAYS * 2)
    for start in range(0, len(visits), BATCH):
        with transaction() as session:
            last_job = _last_job(session)
            for visit in visits[start : start + BATCH]:
                if visit.at - seen >= timedelta(days=1) and now - visit.at <= SEGMENTS_SEEN:
                    crm.demo.refresh(session, merchant.id, visit.at)
                    seen = visit.at
                _order(session, visit, shelves[visit.store_id], chance, now)
            _forget_jobs(session, last_job)
    with transaction() as session:
        last_job = _last_job(session)
        demo_club.run(session, merchant, stores, demo_orders.pay, now)
        demo_counter.run(session, merchant, stores[0], now)
        demo_payments.run(session, merchant, stores[0], now)
        open_orders = demo_bills.run(session, merchant, stores[0], now)
        demo_sharing.run(session, merchant, stores[0], now)
        demo_journeys.run(session, merchant, now)
        demo_broadcasts.run(session, merchant, now)
        demo_cards.run(session, merchant, now)
        demo_shippings.run(session, merchant, now)
        demo_chats.run(session, merchant, now)
        demo_codes.count(session, merchant.id, now)
        demo_tags.put(session, merchant, now)
        demo_import.look(session, merchant, now)
        demo_refunds.run(session, merchant, now)
        demo_recon.run(session, merchant, now)  # bills have the refunds too
        demo_settlement.run(session, merchant, now)
        crm.demo.refresh(session, merchant.id, now)
        _forget_jobs(session, last_job)
        demo_bills.let_end(session, open_orders)
    return {"members": size + audience, "orders": len(visits)}


def _join(
    session: Session,
    merchant: Merchant,
    stores: Sequence[Store],
    crowd: Mapping[str, str],
    number: int,
    chance: random.Random,
    now: datetime,
) -> list[Visit]:
    habit = chance.choices(HABITS, [habit.share for habit in HABITS])[0]
    joined = now - timedelta(days=chance.randint(*habit.joined))
    store = chance.choices(stores, (5, 3, 2))[0]
    official, mini = officials_of(MERCHANT)[0], minis_of(MERCHANT)[0]
    openids = {
        account.appid: openid_of(crowd, account.appid, number) for account in (official, mini)
    }
    union_id, scene = union_of(number), demo_codes.came_by(session, store.id, number)
    openid = openids[official.appid]
    member = members.recognise(
        session,
        merchant_id=merchant.id,
        kind="official",
        appid=official.appid,
        openid=openid,
        union_id=union_id,
        source_store_id=store.id,
        source_scene=scene,
        now=joined,
    )
    members.recognise(
        session,
        merchant_id=merchant.id,
        kind="mini",
        appid=mini.appid,
        openid=openids[mini.appid],
        union_id=union_id,
        now=joined,
    )
    member.name = draw_name(chance)
    if phone := phone_of(number):
        phones.attach(session, session.get_one(Person, member.person_id), phone, joined)
    own = random.Random(number)
    if own.random() < 0.6:
        member.birthday = date(own.randint(1975, 2006), own.randint(1, 12), own.randint(1, 28))
    if own.random() < 0.5:
        at = now - timedelta(days=own.randint(0, 20))
        lat, lng = (value + own.gauss(0, 0.02) for value in (store.lat, store.lng))
        places.remember(session, member, lat, lng, at)
    followers.follow(
        session,
        appid=official.appid,
        openid=openid,
        at=joined,
        merchant_id=merchant.id,
        scene=scene,
        store_id=store.id,
    )
    _welcome(session, merchant, member, joined)
    if chance.random() < 0.45:
        grants.add(
            session,
            appid=mini.appid,
            openid=openids[mini.appid],
            template_id=mini.subscribe_templates["coupon_arrived"],
            now=now,
        )
    if chance.random() < 0.15:
        windows.open_window(
            session,
            appid=official.appid,
            openid=openid,
            kind="user_message",
            at=now - timedelta(hours=chance.randint(1, 30)),
        )
    return list(_visits(member.id, stores, store, habit, joined, chance, now))


def _welcome(session: Session, merchant: Merchant, member: Member, joined: datetime) -> None:
    template = session.scalar(
        select(CouponTemplate).where(
            CouponTemplate.merchant_id == merchant.id, CouponTemplate.moment == "welcome"
        )
    )
    if template is not None:
        key = f"welcome:{member.id}"
        issue(session, template.id, member.id, source="welcome", key=key, now=joined)


def _visits(
    member_id: int,
    stores: Sequence[Store],
    home: Store,
    habit: Habit,
    joined: datetime,
    chance: random.Random,
    now: datetime,
) -> Iterator[Visit]:
    last = now - timedelta(days=chance.randint(*habit.away))
    day = joined
    while day <= last:
        at = local(day).replace(
            hour=chance.choice(HOURS), minute=chance.randint(0, 59), second=chance.randint(0, 59)
        )
        store = home if chance.random() < 0.85 else chance.choice(stores)
        if at < now - timedelta(minutes=3):
            yield Visit(at, member_id, store.id)
        day += timedelta(days=chance.randint(*habit.every))


def _order(
    session: Session, visit: Visit, shelf: list[MenuProduct], chance: random.Random, now: datetime
) -> None:
    member, at = session.get_one(Member, visit.member_id), visit.at
    cart = Cart(visit.store_id, Fulfilment.pickup, demo_orders.items(shelf, chance), BEST)
    order, _ = place(session, cart, member, key=f"demo:{visit.member_id}:{at:%Y%m%d%H%M%S}", now=at)
    billing.open_bill(session, order)
    paid = at + timedelta(seconds=chance.randint(8, 40))
    if order.payable_fen:
        demo_orders.pay(session, order, paid)
    waiting = now - at < timedelta(minutes=40)
    if not (waiting and chance.random() < 0.5):
        demo_orders.hand_over(session, order, paid, chance)


def _last_job(session: Session) -> int:
    return session.scalar(select(func.max(OutboxJob.id))) or 0


def _forget_jobs(session: Session, after: int) -> None:
    claim(session, delete(OutboxJob).where(OutboxJob.id > after))
