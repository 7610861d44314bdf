"""The menu of a store."""

from catalogue.menus import get_menu
from core.database import reading
from merchants import queries
from wxapp_api.access import merchant_code, public
from wxapp_api.blueprints import make_blueprint
from wxapp_api.schemas.menus import MenuOut
from wxapp_api.schemas.stores import AppQuery, StorePath

blueprint = make_blueprint("menus", "菜单")


@blueprint.get("/stores/<store_id>/menu", responses={200: MenuOut})
@public
def show_menu(path: StorePath, query: AppQuery) -> MenuOut:
    """Categories with products, their SKUs, option groups and stock."""
    with reading() as session:
        merchant = queries.get_merchant(session, merchant_code(query.appid))
        store = queries.get_store_of(session, merchant.id, int(path.store_id))
        menu = get_menu(session, store)
    return MenuOut.model_validate(menu)
