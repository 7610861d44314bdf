"""The menu as a tree, in a constant number of queries."""

from sqlalchemy.orm import Session

from catalogue.menus import get_menu
from catalogue.models import ProductState, ShelfState
from tests.counting import statements
from tests.factories.catalogue import make_group, make_product, make_sku
from tests.factories.merchants import make_store


def test_the_menu_shows_what_the_store_lists_in_order(session: Session) -> None:
    store, other = make_store(session), make_store(session)
    mango = make_product(session, store, name="杨枝甘露", badges=["好喝榜 1"], sort=2)
    make_sku(session, store, product=mango, name="大杯", price_fen=2500)
    make_sku(session, store, product=mango, name="中杯", price_fen=2200, available=0)
    make_group(session, mango.id)
    tea = make_product(session, store, name="桂花乌龙", sort=1)
    make_sku(session, store, product=tea, state=ShelfState.sold_out)
    off = make_product(session, store, name="下架", state=ProductState.off)
    make_sku(session, store, product=off)
    hidden = make_product(session, store, name="只在别店")
    make_sku(session, other, product=hidden)

    menu = get_menu(session, store)

    (category,) = menu.categories
    assert [product.name for product in category.products] == ["桂花乌龙", "杨枝甘露"]
    first, second = category.products
    assert (first.state, first.skus[0].stock) == ("sold_out", 0)
    assert second.badges == ["好喝榜 1"]
    assert second.price_fen == 2200
    assert [(sku.name, sku.state, sku.stock) for sku in second.skus] == [
        ("大杯", "on", None),
        ("中杯", "sold_out", 0),
    ]
    assert [option.name for option in second.option_groups[0].options] == ["标准糖", "七分糖"]


def test_fifty_products_take_as_many_queries_as_one(session: Session) -> None:
    small, large = make_store(session), make_store(session)
    for store, number in ((small, 1), (large, 50)):
        for i in range(number):
            product = make_product(session, store, name=f"茶 {i}", category=f"分类 {i % 7}")
            make_sku(session, store, product=product)
            make_group(session, product.id)

    with statements(session.get_bind()) as few:
        get_menu(session, small)
    with statements(session.get_bind()) as many:
        menu = get_menu(session, large)

    assert sum(len(category.products) for category in menu.categories) == 50
    assert len(many) == len(few) == 4
