"""The menu of a store."""

from collections.abc import Sequence

from catalogue.menus import get_menu
from core.clock import now as clock_now
from core.database import reading
from coupons.promotions import ActivePromotion, list_active
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
    return menu.model_copy(
        update={"categories": [_with_offers(category, running) for category in menu.categories]}
    )


def _with_offers(category: CategoryOut, running: Sequence[ActivePromotion]) -> CategoryOut:
    products = [
        _offered(product, [rule for rule in running if _is_about(rule, product, category)])
        for product in category.products
    ]
    return category.model_copy(update={"products": products})


def _is_about(rule: ActivePromotion, product: ProductOut, category: CategoryOut) -> bool:
    """What holds for all goods is said once, at the store."""
    if rule.product_ids is None and rule.category_ids is None:
        return False
    return covers(rule.product_ids, rule.category_ids, int(product.id), int(category.id))


def _offered(product: ProductOut, rules: Sequence[ActivePromotion]) -> ProductOut:
    if not rules:
        return product
    skus = [
        sku.model_copy(update={"sale_fen": min(sales)})
        if (sales := [fen for rule in rules if (fen := rule.sale_fen(sku.price_fen)) is not None])
        else sku
        for sku in product.skus
    ]
    lowest = [sku.sale_fen for sku in skus if sku.sale_fen is not None]
    return product.model_copy(
        update={
            "skus": skus,
            "sale_fen": min(lowest, default=None),
            "offers": [rule.words for rule in rules],
        }
    )
