"""What a cart line costs, and which combinations are refused."""

import pytest
from sqlalchemy.orm import Session

from catalogue.errors import BadItem, NotOnSale, OutOfStock
from catalogue.models import GroupKind, OptionState, ProductState, ShelfState
from catalogue.pricing import Item, price_items
from tests.factories.catalogue import make_group, make_product, make_sku
from tests.factories.merchants import make_store


def test_a_line_costs_its_sku_and_its_options_times_the_quantity(session: Session) -> None:
    store = make_store(session)
    sku = make_sku(session, store, name="大杯", price_fen=2500)
    _, (_, seven) = make_group(session, sku.product_id)
    _, (pearls, jelly) = make_group(
        session,
        sku.product_id,
        name="加料",
        kind=GroupKind.multiple,
        least=0,
        most=2,
        options={"脆啵啵": 200, "椰果": 250},
    )

    (line,) = price_items(session, store.id, [Item(sku.id, 2, (jelly.id, seven.id, pearls.id))])

    assert line.unit_fen == 2500 + 200 + 250
    assert line.amount_fen == 2 * line.unit_fen
    assert line.options_text == "大杯 / 七分糖 / 脆啵啵 / 椰果"


def test_the_stores_own_price_wins(session: Session) -> None:
    store = make_store(session)
    sku = make_sku(session, store, price_fen=2200, store_price_fen=1900)

    (line,) = price_items(session, store.id, [Item(sku.id, 1)])

    assert line.unit_fen == 1900


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ((), "「甜度」要选 1 项"),
        ((0, 1), "「甜度」最多选 1 项"),
        ((0, 0), "同一个选项选了两次"),
        ((0, 2), "「停售」卖完了，换一个"),
        ((0, 3, 4, 5), "「加料」最多选 2 项"),
    ],
)
def test_options_that_do_not_fit_are_refused_in_words(
    session: Session, chosen: tuple[int, ...], words: str
) -> None:
    store = make_store(session)
    product = make_product(session, store, name="青提茉莉冰")
    sku = make_sku(session, store, product=product)
    _, sugar = make_group(session, product.id)
    _, extras = make_group(
        session,
        product.id,
        name="加料",
        kind=GroupKind.multiple,
        least=0,
        most=2,
        options={"停售": 0, "a": 0, "b": 0, "c": 0},
    )
    extras[0].state = OptionState.sold_out
    session.flush()
    ids = [option.id for option in (*sugar, *extras)]

    with pytest.raises(BadItem) as refused:
        price_items(session, store.id, [Item(sku.id, 1, tuple(ids[i] for i in chosen))])

    assert refused.value.errors == {"items.0.options": f"青提茉莉冰：{words}"}


def test_an_option_of_another_product_is_refused(session: Session) -> None:
    store = make_store(session)
    sku, other = make_sku(session, store), make_sku(session, store)
    _, (foreign, _) = make_group(session, other.product_id)

    with pytest.raises(BadItem):
        price_items(session, store.id, [Item(sku.id, 1, (foreign.id,))])


def test_a_sku_of_another_store_is_unknown(session: Session) -> None:
    here, there = make_store(session), make_store(session)
    sku = make_sku(session, there)

    with pytest.raises(BadItem) as refused:
        price_items(session, here.id, [Item(sku.id, 1)])

    assert refused.value.errors == {"items.0.sku_id": "这家店没有这个商品"}


def test_off_the_shelf_sold_out_and_too_few_are_told_apart(session: Session) -> None:
    store = make_store(session)
    hidden = make_sku(session, store, state=ShelfState.off)
    sold_out = make_sku(session, store, state=ShelfState.sold_out)
    few = make_sku(session, store, available=3)
    product = make_product(session, store, state=ProductState.off)
    gone = make_sku(session, store, product=product)

    for sku in (hidden, gone):
        with pytest.raises(NotOnSale):
            price_items(session, store.id, [Item(sku.id, 1)])
    with pytest.raises(OutOfStock):
        price_items(session, store.id, [Item(sold_out.id, 1)])
    with pytest.raises(OutOfStock) as short:
        price_items(session, store.id, [Item(few.id, 2), Item(few.id, 2)])
    assert short.value.extra == {"sku_id": str(few.id), "left": 3}
