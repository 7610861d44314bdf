"""The menu of a store."""

from collections.abc import Mapping, Sequence

from catalogue.menus import get_menu
from core.clock import now as clock_now
from core.database import reading
from coupons.promotions import ActivePromotion, list_active
from coupons.rationing import Left, left_of
from coupons.scope import covers
from merchants import queries
from wxapp_api.access import merchant_code, public
from wxapp_api.blueprints import make_blueprint
from wxapp_api.schemas.menus import CategoryOut, MenuOut, ProductOut
from wxapp_api.schemas.stores import AppQuery, StorePath

blueprint = make_blueprint("menus", "菜单")


@blueprint.get("/stores/<store_id>/menu", responses={200: MenuOut})
@public
def show_menu(path: StorePath, query: AppQuery) -> MenuOut:
    """Categories with products, their SKUs, option groups, stock, and the prices of the hour."""
    now = clock_now()
    with reading() as session:
        merchant = queries.get_merchant(session, merchant_code(query.appid))
        store = queries.get_store_of(session, merchant.id, int(path.store_id))
        menu = MenuOut.model_validate(get_menu(session, store))
        found = list_active(session, merchant.id, now)
        running = [rule for rule in found if rule.is_in(store.id) and rule.is_on(now)]
        limited = [rule.limits for rule in running if rule.limits is not None]
        skus = [int(s.sku_id) for c in menu.categories for p in c.products for s in p.skus]
        left = left_of(session, limited, skus if limited else (), None)
    return menu.model_copy(
        update={
            "categories": [_with_offers(category, running, left) for category in menu.categories]
        }
    )


def _with_offers(
    category: CategoryOut, running: Sequence[ActivePromotion], left: Mapping[int, Left]
) -> CategoryOut:
    products = [
        _offered(product, [rule for rule in running if _is_about(rule, product, category)], left)
        for product in category.products
    ]
    return category.model_copy(update={"products": products})


def _is_about(rule: ActivePromotion, product: ProductOut, category: CategoryOut) -> bool:
    """What holds for all goods is said once, at the store."""
    if rule.product_ids is None and rule.category_ids is None:
        return False
    return covers(rule.product_ids, rule.category_ids, int(product.id), int(category.id))


def _offered(
    product: ProductOut, rules: Sequence[ActivePromotion], left: Mapping[int, Left]
) -> ProductOut:
    """`left`: of rationed prices; one that is sold out is not shown any more."""
    if not rules:
        return product
    sold_out = {
        (rule.id, sku.sku_id)
        for rule in rules
        for sku in product.skus
        if rule.id in left and left[rule.id].of_sku(int(sku.sku_id)) == 0
    }
    skus = []
    for sku in product.skus:
        here = [rule for rule in rules if (rule.id, sku.sku_id) not in sold_out]
        sales = [fen for rule in here if (fen := rule.sale_fen(sku.price_fen)) is not None]
        skus.append(sku.model_copy(update={"sale_fen": min(sales)}) if sales else sku)
    rules = [
        rule for rule in rules if any((rule.id, sku.sku_id) not in sold_out for sku in product.skus)
    ]
    lowest = [sku.sale_fen for sku in skus if sku.sale_fen is not None]
    return product.model_copy(
        update={
            "skus": skus,
            "sale_fen": min(lowest, default=None),
            "offers": [rule.words for rule in rules],
        }
    )
