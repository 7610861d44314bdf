"""Members, their purchases and tags, for tests."""

import itertools
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.clock import business_day
from crm import contacts, tags
from crm.models import MarketingRules, Member, PointEntry, Purchase, Tag
from merchants.models import Merchant, Store
from orders.models import Order
from people.models import Person

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
_numbers = itertools.count(1)


def make_merchant(session: Session, *, code: str = "qinghe", name: str = "青禾茶事") -> Merchant:
    merchant = session.scalars(select(Merchant).where(Merchant.code == code)).one_or_none()
    if merchant is None:
        merchant = Merchant(code=code, name=name, created_at=NOW)
        session.add(merchant)
        session.flush()
    return merchant


def make_store(
    session: Session, *, merchant: Merchant | None = None, name: str = "梧桐里店"
) -> Store:
    store = Store(
        merchant_id=(merchant or make_merchant(session)).id,
        code=f"s{next(_numbers)}",
        name=name,
        lat=31.2,
        lng=121.4,
        created_at=NOW,
    )
    session.add(store)
    session.flush()
    return store


def make_person(session: Session, *, nickname: str = "林小满") -> Person:
    person = Person(nickname=nickname, created_at=NOW)
    session.add(person)
    session.flush()
    return person


def make_member(
    session: Session,
    *,
    merchant: Merchant | None = None,
    person: Person | None = None,
    joined_at: datetime = NOW,
    **values: Any,
) -> Member:
    member = Member(
        no=f"{next(_numbers):012}",
        merchant_id=(merchant or make_merchant(session)).id,
        person_id=(person or make_person(session)).id,
        joined_at=joined_at,
        **{"name": "林小满", **values},
    )
    session.add(member)
    session.flush()
    return member


def make_tag(session: Session, *, merchant: Merchant | None = None, name: str = "爱喝手冲") -> Tag:
    return tags.ensure_tag(session, (merchant or make_merchant(session)).id, name, now=NOW)


def make_order_id(session: Session, member: Member, store: Store, *, at: datetime = NOW) -> int:
    """The id of a bare order, for facts that point at one."""
    number = next(_numbers)
    order = Order(
        no=f"T{number:011}",
        merchant_id=member.merchant_id,
        store_id=store.id,
        member_id=member.id,
        business_day=business_day(at),
        pickup_number=f"A{number}",
        pickup_code=f"{number}",
        goods_fen=0,
        payable_fen=0,
        placed_at=at,
        expires_at=at,
    )
    session.add(order)
    session.flush()
    return order.id


def make_purchase(
    session: Session, member: Member, store: Store, *, amount_fen: int, at: datetime
) -> Purchase:
    """A purchase in the table only: totals and points are the caller's."""
    purchase = Purchase(
        member_id=member.id,
        order_id=make_order_id(session, member, store, at=at),
        store_id=store.id,
        paid_at=at,
        amount_fen=amount_fen,
    )
    session.add(purchase)
    session.flush()
    return purchase


def point_balance(session: Session, member_id: int) -> tuple[int, int]:
    """(available, pending) as the ledger says."""
    sums = select(func.sum(PointEntry.points), func.sum(PointEntry.pending))
    points, pending = session.execute(sums.where(PointEntry.member_id == member_id)).one()
    return int(points or 0), int(pending or 0)


def speak_at_any_hour(session: Session, merchant: Merchant) -> None:
    """No hour is quiet for this merchant: what a test sends goes out whenever it runs."""
    usual = contacts.Rules()
    rules = MarketingRules(
        merchant_id=merchant.id, contacts_most=usual.most, contacts_days=usual.days
    )
    session.add(rules)
