"""The demo's merchant: 青禾茶铺 with three stores in Shanghai and two people who work there."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.clock import now as clock_now
from core.config import current_config
from core.crypto import keyring
from merchants.models import Merchant, Role, Staff, Store, StoreTable
from merchants.passwords import DEMO_PASSWORD, set_password
from merchants.staff import add_staff, assign_stores

CODE = "qinghe"
_EVERY_DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _hours(start: str, end: str) -> dict[str, Any]:
    return {day: [[start, end]] for day in _EVERY_DAY}


STORES: tuple[dict[str, Any], ...] = (
    {
        "code": "jingan",
        "name": "静安寺店",
        "address": "上海市静安区愚园路 88 号 1 层",
        "lat": 31.22425,
        "lng": 121.44565,
        "phone": "021-62480088",
        "hours": _hours("00:00", "24:00"),  # newcomers try the demo at any hour
        "prep_minutes": 8,
        "pickup_prefix": "A",
    },
    {
        "code": "xujiahui",
        "name": "徐汇店",
        "address": "上海市徐汇区肇嘉浜路 1000 号 B1",
        "lat": 31.19483,
        "lng": 121.43673,
        "phone": "021-64261000",
        "hours": _hours("09:00", "22:00"),
        "prep_minutes": 10,
        "pickup_prefix": "B",
    },
    {
        "code": "pudong",
        "name": "浦东店",
        "address": "上海市浦东新区陆家嘴环路 168 号 2 层",
        "lat": 31.23703,
        "lng": 121.50234,
        "phone": "021-58780168",
        "hours": _hours("08:30", "21:30"),
        "prep_minutes": 12,
        "pickup_prefix": "C",
    },
)
TABLES = ("A1", "A2", "A3", "A4", "B1", "B2")


def load(session: Session, now: datetime | None = None) -> dict[str, Any]:
    """Write the demo merchant, or find it; returns ids, codes and the passwords to print.

    Outside the demo passwords are derived from `app.secret_key`: they differ per installation and
    can be printed again at every start without being kept.
    """
    now = now or clock_now()
    merchant = _merchant(session, now)
    stores = [_store(session, merchant, row, now) for row in STORES]
    owner = _staff(session, merchant, "owner", "沈知夏", Role.owner, [], now)
    clerk = _staff(session, merchant, "xiaozhou", "小周", Role.clerk, [stores[0].id], now)
    return {
        "merchant": {"id": merchant.id, "code": merchant.code, "name": merchant.name},
        "stores": [
            {
                "id": store.id,
                "code": store.code,
                "name": store.name,
                "tables": {t.name: t.code for t in _tables(session, store)},
            }
            for store in stores
        ],
        "staff": [
            {
                "id": staff.id,
                "name": staff.name,
                "role": staff.role.value,
                "username": staff.username,
                "password": password(staff.username or ""),
            }
            for staff in (owner, clerk)
        ],
    }


def password(username: str) -> str:
    """The password of a demo user: the one the demo prints, or, outside it, this installation's."""
    if current_config().app.demo:
        return DEMO_PASSWORD
    letters = [c for c in keyring().sign(username, "demo-password").lower() if c.isalnum()]
    return "".join(letters[:12])


def _merchant(session: Session, now: datetime) -> Merchant:
    merchant = session.scalar(select(Merchant).where(Merchant.code == CODE))
    if merchant is None:
        merchant = Merchant(
            code=CODE,
            name="青禾茶铺",
            brand_color="#0b6b4f",
            created_at=now,
        )
        session.add(merchant)
        session.flush()
    return merchant


def _store(session: Session, merchant: Merchant, row: dict[str, Any], now: datetime) -> Store:
    known = select(Store).where(Store.merchant_id == merchant.id, Store.code == row["code"])
    store = session.scalar(known)
    if store is None:
        store = Store(merchant_id=merchant.id, city="上海", created_at=now, **row)
        session.add(store)
        session.flush()
        for name in TABLES:
            code = f"{CODE}-{row['code']}-{name}".lower()
            session.add(StoreTable(store_id=store.id, code=code, name=name))
        session.flush()
    return store


def _tables(session: Session, store: Store) -> list[StoreTable]:
    found = select(StoreTable).where(StoreTable.store_id == store.id).order_by(StoreTable.id)
    return list(session.scalars(found))


def _staff(
    session: Session,
    merchant: Merchant,
    username: str,
    name: str,
    role: Role,
    store_ids: list[int],
    now: datetime,
) -> Staff:
    staff = session.scalar(select(Staff).where(Staff.username == username))
    if staff is None:
        staff = add_staff(session, merchant_id=merchant.id, name=name, role=role, now=now)
        staff.username = username
        set_password(staff, password(username))
        assign_stores(session, staff, store_ids)
        session.flush()
    return staff
