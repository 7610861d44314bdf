"""What a store has run out of and what came in again: two taps on a phone."""

from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue import shelf
from catalogue.models import Category, Product, ProductState, ShelfState, Sku, StoreSku
from console import reply, words
from console.access import me, staff
from console.forms import Form, whole
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import NotFound

page = Blueprint("goods", __name__, url_prefix="/goods")

MOST = 9_999
NO_SUCH_GOODS = "没有这件商品"


@page.get("/")
@staff("stock.manage")
def index() -> Response:
    wanted = whole(request.args.get("store", ""))
    chosen = wanted if wanted in me().all_store_ids else me().store_id
    store_id = chosen or next(iter(me().all_store_ids), 0)
    with reading() as session:
        groups = _groups(session, store_id)
    gone = sum(1 for group in groups for row in group["rows"] if row["gone"])
    total = sum(len(group["rows"]) for group in groups)
    return reply.page(
        "goods/index.html",
        groups=groups,
        store_name=me().name_of(store_id),
        shown_store=store_id,
        stores_next=url_for("console.goods.index"),
        words=f"{total} 种，{gone} 种售罄" if gone else f"{total} 种，都在卖",
    )


@page.post("/<int:store_id>/<int:sku_id>/shelf")
@staff("stock.manage")
def put(store_id: int, sku_id: int) -> Response:
    _check_store(store_id)
    wanted = Form(request.form).one_of("state", [ShelfState.on, ShelfState.sold_out])
    if wanted is None:
        raise NotFound("没有这种状态")
    with transaction() as session:
        shelf.set_state(
            session, store_id, sku_id, ShelfState(wanted), actor=me().actor, now=clock_now()
        )
    if reply.is_htmx():
        with reading() as session:
            rows = [row for g in _groups(session, store_id) for row in g["rows"]]
        row = next(row for row in rows if row["sku_id"] == sku_id)
        return reply.page("goods/_row.html", row=row)
    said = "已标为售罄，小程序里马上看得到" if wanted == ShelfState.sold_out else "已恢复在卖"
    return reply.done(url_for("console.goods.index", store=store_id), said)


@page.get("/<int:store_id>/<int:sku_id>/stock")
@staff("stock.manage")
def restocking(store_id: int, sku_id: int) -> Response:
    return _restock_page(store_id, sku_id, Form())


@page.post("/<int:store_id>/<int:sku_id>/stock")
@staff("stock.manage")
def restock(store_id: int, sku_id: int) -> Response:
    """How many there are from now on; what was marked as sold out is on sale again."""
    form, now = Form(request.form), clock_now()
    pieces = form.whole("available", low=1, high=MOST)
    if pieces is None:
        return _restock_page(store_id, sku_id, form, 422)
    row = _counted(store_id, sku_id)
    with transaction() as session:
        shelf.set_available(
            session, store_id, sku_id, pieces, actor=me().actor, reason="补货", now=now
        )
        if row["by_hand"]:
            shelf.set_state(session, store_id, sku_id, ShelfState.on, actor=me().actor, now=now)
    said = f"{row['name']}补到 {words.count(pieces)} 份，在卖"
    return reply.done(url_for("console.goods.index", store=store_id), said)


def _restock_page(store_id: int, sku_id: int, form: Form, status: int = 200) -> Response:
    row = _counted(store_id, sku_id)
    return reply.page(
        "goods/restock.html", status, row=row, store_name=me().name_of(store_id), form=form
    )


def _counted(store_id: int, sku_id: int) -> dict[str, Any]:
    """The gate: on the menu of one of my stores, and counted there."""
    _check_store(store_id)
    with reading() as session:
        groups = _groups(session, store_id)
    rows: list[dict[str, Any]] = [row for group in groups for row in group["rows"]]
    found = next((row for row in rows if row["sku_id"] == sku_id and row["counted"]), None)
    if found is None:
        raise NotFound(NO_SUCH_GOODS)
    return found


def _check_store(store_id: int) -> None:
    if store_id not in me().all_store_ids:
        raise NotFound(NO_SUCH_GOODS)


def _groups(session: Session, store_id: int) -> list[dict[str, Any]]:
    """The store's goods by category, in the order of the menu."""
    rows = session.execute(
        select(Category.name, Product, Sku, StoreSku)
        .join(Product, Product.category_id == Category.id)
        .join(Sku, Sku.product_id == Product.id)
        .join(StoreSku, StoreSku.sku_id == Sku.id)
        .where(
            StoreSku.store_id == store_id,
            StoreSku.state != ShelfState.off,
            Product.merchant_id == me().merchant_id,
            Product.state == ProductState.on,
        )
        .order_by(Category.sort, Category.id, Product.sort, Product.id, Sku.sort, Sku.id)
    )
    groups: dict[str, list[dict[str, Any]]] = {}
    for category, product, sku, here in rows:
        price = sku.price_fen if here.price_fen is None else here.price_fen
        left = "" if here.available is None else f"还剩 {here.available}"
        groups.setdefault(category, []).append(
            {
                "store_id": store_id,
                "sku_id": sku.id,
                "name": product.name,
                "sku": sku.name,
                "price": words.yuan(price),
                "left": left,
                "gone": here.state is ShelfState.sold_out or here.available == 0,
                "by_hand": here.state is ShelfState.sold_out,
                "counted": here.available is not None,
                "empty": here.available == 0,
            }
        )
    return [{"name": name, "rows": found} for name, found in groups.items()]
