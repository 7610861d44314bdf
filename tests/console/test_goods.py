"""Goods that are counted: gone, restocked, on the menu again."""

import pytest
from sqlalchemy import select

from catalogue.models import EntryKind, ShelfState, Sku, StockEntry, StoreSku
from core.audit import AuditEntry
from core.database import reading
from merchants.models import Store
from tests.console.conftest import Chain
from tests.factories.catalogue import make_product, make_sku


def put_up(chain: Chain, store: Store, available: int | None = 0, **values: object) -> Sku:
    with chain.writing() as session:
        here = session.get_one(Store, store.id)
        product = make_product(session, here, name="桂花乌龙")
        return make_sku(session, here, product=product, name="中杯", available=available, **values)


def shelf_of(sku: Sku) -> tuple[int | None, ShelfState]:
    with reading() as session:
        row = session.scalars(select(StoreSku).where(StoreSku.sku_id == sku.id)).one()
    return row.available, row.state


def test_what_is_counted_and_gone_is_restocked(chain: Chain) -> None:
    sku = put_up(chain, chain.here)
    clerk, path = chain.browser("clerk"), f"/goods/{chain.here.id}/{sku.id}/stock"

    page = clerk.get("/goods/").text
    asked = clerk.get(path).text
    done = clerk.post(path, available="20")
    after = clerk.get("/goods/").text

    assert "售罄" in page
    assert f'href="/console{path}"' in page
    assert "恢复在卖" not in page
    assert "桂花乌龙 中杯" in asked
    assert "静安寺店，现在还剩 0 份" in asked
    assert (done.status_code, done.location) == (303, f"/console/goods/?store={chain.here.id}")
    assert shelf_of(sku) == (20, ShelfState.on)
    assert "还剩 20" in after
    assert "桂花乌龙补到 20 份，在卖" in after
    with reading() as session:
        entry = session.scalars(select(AuditEntry)).one()
        moved = session.scalars(select(StockEntry)).one()
    assert (entry.action, entry.actor) == ("stock.set", f"staff:{chain.clerk.id}")
    assert (entry.before, entry.after) == ({"available": 0}, {"available": 20})
    assert (moved.kind, moved.change) == (EntryKind.adjusted, 20)


def test_restocking_what_was_marked_by_hand_sells_it_again(chain: Chain) -> None:
    sku = put_up(chain, chain.here, state=ShelfState.sold_out)
    clerk = chain.browser("clerk")

    asked = clerk.get(f"/goods/{chain.here.id}/{sku.id}/stock").text
    clerk.post(f"/goods/{chain.here.id}/{sku.id}/stock", available="6")

    assert "补好就恢复在卖" in asked
    assert shelf_of(sku) == (6, ShelfState.on)
    with reading() as session:
        acts = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
    assert acts == ["stock.set", "shelf.set"]


@pytest.mark.parametrize("pieces", ["", "0", "-1", "1.5", "10000", "很多"])
def test_a_number_that_is_none_changes_nothing(chain: Chain, pieces: str) -> None:
    sku = put_up(chain, chain.here)

    answer = chain.browser("clerk").post(f"/goods/{chain.here.id}/{sku.id}/stock", available=pieces)

    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text
    assert shelf_of(sku) == (0, ShelfState.on)
    with reading() as session:
        assert session.scalars(select(AuditEntry)).all() == []


def test_only_what_is_counted_in_my_store_is_restocked(chain: Chain) -> None:
    elsewhere, uncounted = put_up(chain, chain.there), put_up(chain, chain.here, None)
    clerk = chain.browser("clerk")

    assert (
        clerk.post(f"/goods/{chain.there.id}/{elsewhere.id}/stock", available="5").status_code
        == 404
    )
    assert (
        clerk.post(f"/goods/{chain.here.id}/{uncounted.id}/stock", available="5").status_code == 404
    )
    assert shelf_of(elsewhere) == (0, ShelfState.on)
    assert shelf_of(uncounted) == (None, ShelfState.on)
    assert "补货" not in clerk.get("/goods/").text


def test_today_says_in_which_store_something_is_sold_out_and_leads_there(chain: Chain) -> None:
    put_up(chain, chain.there)
    put_up(chain, chain.there, state=ShelfState.sold_out)
    put_up(chain, chain.here)
    owner = chain.browser("owner")

    today = owner.get("/home").text
    there = owner.get(f"/goods/?store={chain.there.id}").text
    theirs = owner.get(f"/goods/?store={chain.rival_store.id}").text

    assert "静安寺店 1 种商品售罄" in today
    assert "徐汇店 2 种商品售罄" in today
    assert f'href="/console/goods/?store={chain.there.id}"' in today
    assert "徐汇店 · 2 种，2 种售罄" in there
    assert "静安寺店 · 1 种，1 种售罄" in theirs  # not mine: the first of mine


def test_choosing_another_store_leads_away_from_the_one_in_the_address(chain: Chain) -> None:
    put_up(chain, chain.there)
    owner = chain.browser("owner")

    page = owner.get(f"/goods/?store={chain.there.id}").text

    assert 'name="next" value="/console/goods/"' in page
