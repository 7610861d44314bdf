"""What goods and their options cost the merchant: optional, for telling profit.

Goods are SKUs. Options that are called the same in groups that are called the same are one thing
to a merchant, whichever product they go with: they have one cost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from catalogue.errors import CostInvalid
from catalogue.models import Category, Option, OptionGroup, Product, ProductState, Sku
from core import audit
from core.database import claim
from core.money import format_yuan

MOST_FEN = 10_000_000
WRONG = "成本在 0 到 10 万元之间"


@dataclass(frozen=True)
class Costed:
    sku_id: int
    category: str
    product: str
    sku: str
    price_fen: int
    cost_fen: int | None


@dataclass(frozen=True)
class CostedOption:
    """`option_id` stands for all of this name. `dearest_fen`: the price where it differs."""

    option_id: int
    group: str
    name: str
    price_fen: int
    dearest_fen: int
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
    _check("cost", costs)
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
        _note(session, merchant_id, before, after, actor, now)
    return len(after)


def list_option_costs(session: Session, merchant_id: int) -> list[CostedOption]:
    """Options of what is on sale that have a price, or a cost."""
    found = session.execute(
        select(
            func.min(Option.id),
            OptionGroup.name,
            Option.name,
            func.min(Option.price_fen),
            func.max(Option.price_fen),
            func.max(Option.cost_fen),
        )
        .join(OptionGroup, OptionGroup.id == Option.group_id)
        .join(Product, Product.id == OptionGroup.product_id)
        .where(Product.merchant_id == merchant_id, Product.state == ProductState.on)
        .where(or_(Option.price_fen > 0, Option.cost_fen.is_not(None)))
        .group_by(OptionGroup.name, Option.name)
        .order_by(func.min(OptionGroup.sort), OptionGroup.name, func.min(Option.id))
    )
    return [CostedOption(*row) for row in found]


def say_options(
    session: Session,
    merchant_id: int,
    costs: Mapping[int, int | None],
    *,
    actor: str,
    now: datetime,
) -> int:
    """Write down what these options cost, and all of the same name; how many names changed. Those
    of others are passed over. Raises CostInvalid by the option's id, and nothing changes."""
    _check("option", costs)
    theirs = (
        select(Option.id)
        .join(OptionGroup, OptionGroup.id == Option.group_id)
        .join(Product, Product.id == OptionGroup.product_id)
        .where(Product.merchant_id == merchant_id)
    )
    known = {one.option_id: one for one in list_option_costs(session, merchant_id)}
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for option_id in sorted(costs.keys() & known.keys()):
        one, fen = known[option_id], costs[option_id]
        alike = theirs.where(OptionGroup.name == one.group, Option.name == one.name)
        ids = session.scalars(alike.order_by(Option.id)).all()
        moved = update(Option).where(Option.id.in_(ids), Option.cost_fen.is_distinct_from(fen))
        if claim(session, moved.values(cost_fen=fen)):
            name = f"{one.group} {one.name}"
            before[name], after[name] = _yuan(one.cost_fen), _yuan(fen)
    if after:
        _note(session, merchant_id, before, after, actor, now)
    return len(after)


def _check(prefix: str, costs: Mapping[int, int | None]) -> None:
    wrong = {
        f"{prefix}_{id_}": WRONG
        for id_, fen in costs.items()
        if fen is not None and not 0 <= fen <= MOST_FEN
    }
    if wrong:
        raise CostInvalid(errors=wrong)


def _note(
    session: Session,
    merchant_id: int,
    before: dict[str, str],
    after: dict[str, str],
    actor: str,
    now: datetime,
) -> None:
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


def _yuan(fen: int | None) -> str:
    return "" if fen is None else f"¥{format_yuan(fen)}"
