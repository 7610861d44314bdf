"""The demo's goods and coupons are complete, and loading them again changes nothing."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from catalogue import demo as goods
from catalogue.menus import get_menu
from catalogue.models import Option, Product, StockEntry, StoreSku
from coupons import demo as coupons
from coupons.models import CouponTemplate, Promotion
from coupons.queries import find_for_moment
from tests.factories.merchants import make_merchant, make_store


def counts(session: Session) -> list[int | None]:
    models = (Product, Option, StoreSku, StockEntry, CouponTemplate, Promotion)
    return [session.scalar(select(func.count()).select_from(model)) for model in models]


def test_loading_twice_is_loading_once(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    stores = [make_store(session, merchant), make_store(session, merchant, name="徐汇店")]

    first = goods.load(session, merchant, stores, now), coupons.load(session, merchant, stores, now)
    before = counts(session)
    again = goods.load(session, merchant, stores, now), coupons.load(session, merchant, stores, now)

    assert again == first
    assert counts(session) == before
    menu = get_menu(session, stores[0])
    assert [category.name for category in menu.categories] == list(goods.MENU)
    products = [product for category in menu.categories for product in category.products]
    assert len(products) >= 16
    assert all(product.image.startswith("/m/static/art/") for product in products)
    sold_out = [product.name for product in products if product.state == "sold_out"]
    assert sold_out == ["黑糖珍珠鲜奶"]
    welcome = find_for_moment(session, merchant.id, "welcome")
    assert welcome
    assert (welcome.face_fen, welcome.min_spend_fen) == (800, 1800)
