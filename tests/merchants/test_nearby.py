"""Stores by distance: nearest first, every store once, whatever the page."""

import itertools
import random
from datetime import datetime

import pytest
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from core.errors import Malformed
from merchants.distance import great_circle
from merchants.models import Merchant, Store, StoreState
from merchants.nearby import nearest_stores
from tests.counting import statements
from tests.factories.merchants import make_merchant, make_store

PEOPLE_SQUARE = (31.2304, 121.4737)


def scatter(session: Session, merchant: Merchant, count: int, now: datetime, seed: int = 7) -> None:
    chance = random.Random(seed)
    session.execute(
        insert(Store),
        [
            {
                "merchant_id": merchant.id,
                "code": f"s{number}",
                "name": f"{number} 号店",
                "address": f"南京路 {number} 号",
                "city": "上海",
                "lat": chance.uniform(30.7, 31.8),
                "lng": chance.uniform(120.9, 122.0),
                "phone": "",
                "hours": {},
                "state": StoreState.open,
                "prep_minutes": 10,
                "pickup_prefix": "A",
                "created_at": now,
            }
            for number in range(count)
        ],
    )


def walk(
    session: Session, merchant: Merchant, limit: int, **where: object
) -> list[tuple[int, int | None]]:
    found: list[tuple[int, int | None]] = []
    cursor = None
    while True:
        page = nearest_stores(session, merchant.id, cursor=cursor, limit=limit, **where)  # type: ignore[arg-type]
        found += [(near.store.id, near.metres) for near in page.items]
        cursor = page.next
        if cursor is None:
            return found


def test_the_nearest_store_comes_first_with_its_distance(session: Session) -> None:
    merchant = make_merchant(session)
    far = make_store(session, merchant, name="浦东店", lat=31.2370, lng=121.5023)
    near = make_store(session, merchant, name="静安寺店", lat=31.2243, lng=121.4457)
    make_store(session, lat=31.2304, lng=121.4737)  # another merchant's

    page = nearest_stores(session, merchant.id, 31.2240, 121.4450)

    assert [each.store.id for each in page.items] == [near.id, far.id]
    assert page.items[0].metres == great_circle(31.2240, 121.4450, 31.2243, 121.4457) == 74
    assert page.next is None


def test_pages_follow_on_without_gap_or_repetition(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    scatter(session, merchant, 200, now)
    for _ in range(5):
        make_store(session, merchant, lat=31.2, lng=121.4)  # the same place
    make_store(session, merchant, lat=-33.86, lng=151.21)  # Sydney

    lat, lng = PEOPLE_SQUARE
    found = walk(session, merchant, 7, lat=lat, lng=lng)

    assert len(found) == len({store for store, _ in found}) == 206
    distances = [metres for _, metres in found if metres is not None]
    # Sorting is by flat ground, what people read by the great circle: equal to a per mille.
    assert all(a <= b * 1.005 + 1 for a, b in itertools.pairwise(distances))


def test_without_a_position_stores_come_by_age(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    scatter(session, merchant, 25, now)

    found = walk(session, merchant, 10)

    assert [store for store, _ in found] == sorted(store for store, _ in found)
    assert len(found) == 25
    assert {metres for _, metres in found} == {None}


@pytest.mark.parametrize(
    ("q", "expected"),
    [
        ("静安", ["静安寺店"]),
        ("肇嘉浜", ["徐汇店"]),
        ("100%", []),
        ("_", []),
        ("!", []),
        ("店", None),
    ],
)
def test_a_search_narrows_by_name_or_address(
    session: Session, q: str, expected: list[str] | None
) -> None:
    merchant = make_merchant(session)
    make_store(session, merchant, name="静安寺店")
    make_store(session, merchant, name="徐汇店", address="肇嘉浜路 1000 号")

    page = nearest_stores(session, merchant.id, *PEOPLE_SQUARE, q=q)

    names = [near.store.name for near in page.items]
    assert sorted(names) == sorted(expected if expected is not None else ["静安寺店", "徐汇店"])


@pytest.mark.parametrize("cursor", ["x", "W10", "WyJhIiwiYiJd", "bnVsbA", "WzFlOTk5LDFd"])
def test_a_made_up_cursor_is_malformed(session: Session, cursor: str) -> None:
    merchant = make_merchant(session)

    with pytest.raises(Malformed):
        nearest_stores(session, merchant.id, *PEOPLE_SQUARE, cursor=cursor)


def test_a_hundred_thousand_stores_are_answered_from_the_box(
    session: Session, now: datetime
) -> None:
    merchant = make_merchant(session)
    scatter(session, merchant, 100_000, now)

    with statements(session.get_bind()) as sent:
        page = nearest_stores(session, merchant.id, *PEOPLE_SQUARE, limit=20)

    assert len(page.items) == 20
    assert len(sent) == 1
    plan = session.execute(
        text(
            "explain query plan select id from stores where merchant_id = 1"
            " and lat between 31.2 and 31.3 and lng between 121.4 and 121.5"
        )
    ).all()
    assert "ix_stores_merchant_id_lat_lng" in str(plan)
