"""What people spent in a window of their own, and what the goods of it cost: one look at orders."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    String,
    Subquery,
    Text,
    case,
    cast,
    func,
    literal,
    select,
)
from sqlalchemy.orm import Session

from analytics.sums import POWERS, Sums
from catalogue.models import Option, OptionGroup, Sku
from crm.models import Purchase
from orders.models import Order, OrderLine

_YUAN = 0.01
Key = tuple[str, int]


def by_part(session: Session, whom: Subquery) -> dict[Key, tuple[int, Sums]]:
    """Buyers and sums by (arm, variant) of the people in `whom`: its columns are arm, variant,
    member_id, since, until. Whoever has several windows is one person, and no order counts twice.
    What was bought at the very moment that a window begins has begun it, and does not count.

    Only buyers are read: whoever bought nothing adds nothing. An order's goods cost what their SKUs
    and the options that were chosen cost today; of one that was refunded in part, the same part. An
    option's price whose cost nobody has said counts as goods without a known cost. In yuan while
    the database multiplies: cubes of fen would leave the range of whole numbers.
    """
    each = _people(_orders(whom))
    letters = {"s": each.c.s, "g": each.c.g, "a": each.c.a, "u": each.c.u}
    products: list[Any] = []
    for name in Sums.__dataclass_fields__:
        product: Any = letters[name[0]]
        for letter in name[1:]:
            product = product * letters[letter]
        products.append(func.sum(product))
    buyers = func.sum(case((each.c.s > 0, 1), else_=0))
    rows = session.execute(
        select(each.c.arm, each.c.variant, buyers, *products).group_by(each.c.arm, each.c.variant)
    )
    return {
        (str(getattr(arm, "value", arm)), int(variant)): (int(number), Sums(*_in_fen(sums)))
        for arm, variant, number, *sums in rows
    }


def _orders(whom: Subquery) -> Subquery:
    """Each order once: what is kept of it, what was taken off, and what its goods cost."""
    kept = Purchase.amount_fen - Purchase.refunded_fen
    discount = case((Purchase.counted, Order.discount_fen), else_=0)
    known = Sku.cost_fen.is_not(None)
    options_cost = _chosen(func.sum(Option.cost_fen), Option.cost_fen.is_not(None))
    unknown = _chosen(func.sum(Option.price_fen), Option.cost_fen.is_(None))
    with_cost = OrderLine.amount_fen - unknown * OrderLine.quantity
    cost = (Sku.cost_fen + options_cost) * OrderLine.quantity
    return (
        select(
            whom.c.arm,
            whom.c.member_id,
            func.max(whom.c.variant).label("variant"),
            func.max(kept).label("kept"),
            func.max(kept + discount).label("worth"),
            func.sum(OrderLine.amount_fen).label("listed"),
            func.sum(case((known, with_cost), else_=0)).label("known"),
            func.sum(case((known, cost), else_=0)).label("cost"),
        )
        .select_from(whom)
        .join(Purchase, Purchase.member_id == whom.c.member_id)
        .join(Order, Order.id == Purchase.order_id)
        .outerjoin(OrderLine, OrderLine.order_id == Purchase.order_id)
        .outerjoin(Sku, Sku.id == OrderLine.sku_id)
        .where(Purchase.paid_at > whom.c.since, Purchase.paid_at < whom.c.until)
        .group_by(whom.c.arm, whom.c.member_id, Purchase.order_id)
        .subquery()
    )


def _chosen(figure: ColumnElement[Any], which: ColumnElement[bool]) -> ColumnElement[Any]:
    """A sum over the options that were chosen with a line.

    They stand in the line as they were sold, a list of JSON objects that begin with their id. All
    databases compare its text alike; what they know of JSON differs.
    """
    begins = literal('%{"id": ') + cast(Option.id, String(20)) + literal(",%")
    chosen = (
        select(func.coalesce(figure, 0))
        .join(OptionGroup, OptionGroup.id == Option.group_id)
        .where(
            OptionGroup.product_id == OrderLine.product_id,
            cast(OrderLine.options, Text).like(begins),
            which,
        )
    )
    return chosen.correlate(OrderLine).scalar_subquery()


def _people(orders: Subquery) -> Subquery:
    one = orders.c
    part = case((one.listed > 0, one.worth * 1.0 / one.listed), else_=0)
    return (
        select(
            one.arm,
            func.max(one.variant).label("variant"),
            (func.sum(one.kept) * _YUAN).label("s"),
            (func.sum(one.worth) * _YUAN).label("g"),
            (func.sum(one.kept - one.cost * part) * _YUAN).label("a"),
            (func.sum(one.worth - one.known * part) * _YUAN).label("u"),
        )
        .group_by(one.arm, one.member_id)
        .subquery()
    )


def _in_fen(sums: list[Any]) -> list[float]:
    return [float(v) * 100.0**power for v, power in zip(sums, POWERS, strict=True)]
