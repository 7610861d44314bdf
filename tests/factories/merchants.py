"""Factories of merchants."""

from typing import Any

from sqlalchemy.orm import Session

from core.numbers import random_code
from merchants.hours import DAYS
from merchants.models import Merchant, Role, Staff, StaffStore, Store, StoreState, StoreTable
from people.models import Person
from tests.conftest import NOW

ALWAYS: dict[str, Any] = {day: [["00:00", "24:00"]] for day in DAYS}


def make_merchant(session: Session, *, code: str | None = None, name: str = "青禾茶铺") -> Merchant:
    merchant = Merchant(code=code or random_code(8).lower(), name=name, created_at=NOW)
    session.add(merchant)
    session.flush()
    return merchant


def make_store(
    session: Session,
    merchant: Merchant | None = None,
    *,
    name: str = "静安寺店",
    address: str = "愚园路 88 号",
    lat: float = 31.2243,
    lng: float = 121.4457,
    hours: dict[str, Any] | None = None,
    state: StoreState = StoreState.open,
) -> Store:
    merchant = merchant or make_merchant(session)
    store = Store(
        merchant_id=merchant.id,
        code=random_code(8).lower(),
        name=name,
        address=address,
        city="上海",
        lat=lat,
        lng=lng,
        hours=ALWAYS if hours is None else hours,
        state=state,
        pickup_prefix="A",
        created_at=NOW,
    )
    session.add(store)
    session.flush()
    return store


def make_table(session: Session, store: Store, *, name: str = "A1") -> StoreTable:
    table = StoreTable(store_id=store.id, code=random_code(12).lower(), name=name)
    session.add(table)
    session.flush()
    return table


def make_staff(
    session: Session,
    merchant: Merchant | None = None,
    *,
    name: str = "小周",
    role: Role = Role.clerk,
    stores: tuple[Store, ...] = (),
    person: Person | None = None,
    username: str | None = None,
) -> Staff:
    merchant = merchant or make_merchant(session)
    staff = Staff(
        merchant_id=merchant.id,
        name=name,
        role=role,
        username=username,
        person_id=person.id if person else None,
        created_at=NOW,
    )
    session.add(staff)
    session.flush()
    session.add_all(StaffStore(staff_id=staff.id, store_id=store.id) for store in stores)
    session.flush()
    return staff
