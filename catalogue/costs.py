"""What goods cost the merchant: optional, of each SKU, for telling profit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.errors import CostInvalid
from catalogue.models import Category, Product, ProductState, Sku
from core import audit
from core.money import format_yuan

MOST_FEN = 10_000_000


@dataclass(frozen=True)
class Costed:
    sku_id: int
    category: str
    product: str
    sku: str
    price_fen: int
    cost_fen: int | None


def list_costs(session: Session, merchant_id: int) -> list[Costed]:
    """Everything on sale, in the order of the menu."""
    found = session.execute(
        select(Sku.id, Category.name, Product.name, Sku.name, Sku.price_fen, Sku.cost_fen)
        .join(Product, Product.id == Sku.product_id)
        .join(Category, Category.id == Product.category_id)
        .where(Product.merchant_id == merchant_id, Product.state == ProductState.on)
        .order_by(Category.sort, Category.id, Product.sort, Product.id, Sku.sort, Sku.id)
    )
    return [Costed(*row) for row in found]


def say(
    session: Session,
    merchant_id: int,
    costs: Mapping[int, int | None],
    *,
    actor: str,
    now: datetime,
) -> int:
    """Write down what these SKUs cost, None: not known; how many changed. SKUs of others are passed
    over. Raises CostInvalid with every fault by the SKU's id, and nothing changes."""
    wrong = {
        f"cost_{sku_id}": "成本在 0 到 10 万元之间"
        for sku_id, fen in costs.items()
        if fen is not None and not 0 <= fen <= MOST_FEN
    }
    if wrong:
        raise CostInvalid(errors=wrong)
    mine = (
        select(Sku, Product.name)
        .join(Product, Product.id == Sku.product_id)
        .where(Product.merchant_id == merchant_id, Sku.id.in_(costs))
        .order_by(Sku.id)
    )
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for sku, product in session.execute(mine):
        if sku.cost_fen != costs[sku.id]:
            name = f"{product} {sku.name}".strip()
            before[name], after[name] = _yuan(sku.cost_fen), _yuan(costs[sku.id])
            sku.cost_fen = costs[sku.id]
    if after:
        session.flush()
        audit.record(
            session,
            actor=actor,
            action="goods.cost",
            subject=f"merchant:{merchant_id}",
            before=before,
            after=after,
            merchant_id=merchant_id,
            now=now,
        )
    return len(after)


def _yuan(fen: int | None) -> str:
    return "" if fen is None else f"¥{format_yuan(fen)}"
