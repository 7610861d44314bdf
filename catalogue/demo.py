"""The demo's goods: what 青禾茶铺 pours and bakes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.models import (
    Category,
    GroupKind,
    Option,
    OptionGroup,
    Product,
    ProductKind,
    Sku,
    StoreSku,
)
from catalogue.shelf import set_available
from core.clock import now as clock_now
from merchants.models import Merchant, Store

ART = "/m/static/art/{}.svg"
ACTOR = "system"

SIZE = ("杯型", GroupKind.single, 1, 1, {"中杯": 0, "大杯": 300})
COLD = ("温度", GroupKind.single, 1, 1, {"标准冰": 0, "少冰": 0, "去冰": 0})
ANY = ("温度", GroupKind.single, 1, 1, {"标准冰": 0, "少冰": 0, "去冰": 0, "热": 0})
SUGAR = (
    "甜度",
    GroupKind.single,
    1,
    1,
    {"标准糖": 0, "七分糖": 0, "五分糖": 0, "不另外加糖": 0},
)
EXTRAS = ("加料", GroupKind.multiple, 0, 3, {"脆啵啵": 200, "椰果": 200, "糯珍珠": 300})

COLD_DRINK = (SIZE, COLD, SUGAR, EXTRAS)
DRINK = (SIZE, ANY, SUGAR, EXTRAS)
TEA = (SIZE, ANY)

Group = tuple[str, GroupKind, int, int, dict[str, int]]
Goods = tuple[str, str, int, str, list[str], Sequence[Group], int | None]

MENU: dict[str, list[Goods]] = {
    "人气必点": [
        ("杨枝甘露", "芒果、西柚、椰奶", 2200, "yangzhi", ["好喝榜 1"], COLD_DRINK, None),
        ("桂花乌龙鲜奶", "金桂窨茶，鲜牛乳", 1900, "guihua", ["上新"], DRINK, None),
        ("青提茉莉冰", "整颗青提，茉莉茶底", 2000, "qingti", ["少糖好喝"], COLD_DRINK, None),
        ("黑糖珍珠鲜奶", "黑糖慢熬，糯珍珠", 1800, "heitang", [], DRINK, 0),
    ],
    "秋日桂花": [
        ("桂花酒酿厚乳", "酒酿、金桂、厚乳", 2100, "guihua", ["秋日限定"], DRINK, None),
        ("金桂柚香冰茶", "金桂、西柚、乌龙", 1800, "youxiang", ["秋日限定"], COLD_DRINK, None),
    ],
    "鲜果茶": [
        ("荔枝冰", "妃子笑荔枝，茉莉茶底", 1900, "lizhi", [], COLD_DRINK, None),
        ("葡萄冻冻", "手剥巨峰，茶冻", 2000, "putao", ["回头率高"], COLD_DRINK, None),
        ("柚香柠檬茶", "西柚、香水柠檬", 1600, "youxiang", [], COLD_DRINK, None),
    ],
    "鲜奶茶": [
        ("栀子厚乳", "栀子窨绿茶，厚乳", 1700, "zhizi", [], DRINK, None),
        ("黑糖波波厚乳", "黑糖波波，厚乳", 1900, "heitang", [], DRINK, None),
        ("茉莉奶绿", "茉莉绿茶，鲜牛乳", 1500, "zhizi", ["实惠"], DRINK, None),
    ],
    "纯茶": [
        ("桂花乌龙", "金桂窨制，回甘", 1200, "guihua", [], TEA, None),
        ("茉莉绿茶", "七窨茉莉", 1000, "qingti", [], TEA, None),
        ("栀子单丛", "凤凰单丛，栀子香", 1400, "zhizi", [], TEA, None),
    ],
    "小食": [
        ("巴斯克蛋糕", "半熟芝士，每日现烤", 1800, "basque", ["现烤"], (), 24),
        ("桂花冻", "金桂、糯米，冰着吃", 1200, "jelly", [], (), 40),
    ],
}
"""Per category: name, description, fen, drawing, badges, option groups, pieces (None: endless)."""


COST_SHARES = {"人气必点": 36, "秋日桂花": 34, "鲜果茶": 39, "鲜奶茶": 33, "纯茶": 20}
"""Percent of the price; of the bakery nobody has said what it costs."""
OPTION_SHARE = 30


def load(
    session: Session, merchant: Merchant, stores: Sequence[Store], now: datetime | None = None
) -> dict[str, Any]:
    """Write the goods and put them on every store's shelf, or find them; product name → ids.

    What is there already, stock and prices included, is left as it is.
    """
    now = now or clock_now()
    made: dict[str, Any] = {}
    for sort, (name, goods) in enumerate(MENU.items()):
        category = _category(session, merchant, name, sort)
        for position, row in enumerate(goods):
            product, sku = _product(session, category, row, position)
            for store in stores:
                _shelve(session, store, sku, row[6], now)
            made[product.name] = {"id": product.id, "sku_id": sku.id}
    return made


def _category(session: Session, merchant: Merchant, name: str, sort: int) -> Category:
    found = select(Category).where(Category.merchant_id == merchant.id, Category.name == name)
    category = session.scalar(found)
    if category is None:
        category = Category(merchant_id=merchant.id, name=name, sort=sort)
        session.add(category)
        session.flush()
    return category


def _product(session: Session, category: Category, row: Goods, sort: int) -> tuple[Product, Sku]:
    name, description, price_fen, art, badges, groups, _ = row
    found = session.execute(
        select(Product, Sku)
        .join(Sku, Sku.product_id == Product.id)
        .where(Product.category_id == category.id, Product.name == name)
    ).first()
    if found is not None:
        return found[0], found[1]
    product = Product(
        merchant_id=category.merchant_id,
        category_id=category.id,
        name=name,
        description=description,
        image=ART.format(art),
        kind=ProductKind.drink if groups else ProductKind.food,
        sort=sort,
        badges=badges,
    )
    session.add(product)
    session.flush()
    share = COST_SHARES.get(category.name)
    cost_fen = None if share is None else price_fen * share // 1_000 * 10
    sku = Sku(product_id=product.id, price_fen=price_fen, cost_fen=cost_fen)
    session.add(sku)
    for position, group in enumerate(groups):
        _group(session, product, group, position)
    session.flush()
    return product, sku


def _group(session: Session, product: Product, row: Group, sort: int) -> None:
    name, kind, least, most, options = row
    group = OptionGroup(product_id=product.id, name=name, kind=kind, min=least, max=most, sort=sort)
    session.add(group)
    session.flush()
    session.add_all(
        Option(
            group_id=group.id,
            name=text,
            price_fen=price_fen,
            cost_fen=price_fen * OPTION_SHARE // 1_000 * 10 if price_fen else None,
            sort=position,
        )
        for position, (text, price_fen) in enumerate(options.items())
    )


def _shelve(session: Session, store: Store, sku: Sku, pieces: int | None, now: datetime) -> None:
    mine = (StoreSku.store_id == store.id, StoreSku.sku_id == sku.id)
    if session.scalar(select(StoreSku.id).where(*mine)) is not None:
        return
    session.add(StoreSku(store_id=store.id, sku_id=sku.id))
    session.flush()
    if pieces is not None:
        set_available(session, store.id, sku.id, pieces, actor=ACTOR, reason="演示数据", now=now)
