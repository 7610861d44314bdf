"""The merchant's own things that conditions point at: their names, and whether they are theirs.

An id (or a code) means nothing at another merchant, so a rule is checked against the lists here
before it is kept.
"""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from catalogue.models import Category, Product
from coupons.models import CouponTemplate
from crm import tiers
from crm.models import Campaign, Tag
from crm.segments.fields import FIELDS, Condition
from crm.segments.fields.kinds import NAMED_BY_CODE
from merchants.models import Store

MOST = 500
"""So many are offered for choosing; more are still known by their id."""


def _products(merchant_id: int) -> Select[Any, str]:
    own = select(Product.id, Product.name).where(Product.merchant_id == merchant_id)
    return own.order_by(Product.category_id, Product.sort, Product.id)


def _categories(merchant_id: int) -> Select[Any, str]:
    own = select(Category.id, Category.name).where(Category.merchant_id == merchant_id)
    return own.order_by(Category.sort, Category.id)


def _stores(merchant_id: int) -> Select[Any, str]:
    own = select(Store.id, Store.name).where(Store.merchant_id == merchant_id)
    return own.order_by(Store.id)


def _cities(merchant_id: int) -> Select[Any, str]:
    own = select(Store.city, Store.city).where(Store.merchant_id == merchant_id, Store.city != "")
    return own.distinct().order_by(Store.city)


def _tags(merchant_id: int) -> Select[Any, str]:
    own = select(Tag.id, Tag.name).where(Tag.merchant_id == merchant_id)
    return own.order_by(Tag.name)


def _templates(merchant_id: int) -> Select[Any, str]:
    own = select(CouponTemplate.id, CouponTemplate.name)
    return own.where(CouponTemplate.merchant_id == merchant_id).order_by(CouponTemplate.id.desc())


def _campaigns(merchant_id: int) -> Select[Any, str]:
    own = select(Campaign.id, Campaign.name).where(Campaign.merchant_id == merchant_id)
    return own.order_by(Campaign.id.desc())


_TABLES: dict[str, Callable[[int], Select[Any, str]]] = {
    "tag": _tags,
    "store": _stores,
    "city": _cities,
    "product": _products,
    "category": _categories,
    "template": _templates,
    "campaign": _campaigns,
}


def choices(session: Session, merchant_id: int, ref: str) -> list[tuple[int | str, str]]:
    """What may be chosen, in the order of a list: (id or code, name)."""
    if ref == "tier":  # a merchant without a programme of its own has the usual one
        return list(tiers.names(session, merchant_id).items())
    return [(key, name) for key, name in session.execute(_TABLES[ref](merchant_id).limit(MOST))]


def names(
    session: Session, merchant_id: int, conditions: Iterable[Condition]
) -> dict[tuple[str, int | str], str]:
    """The names of everything that the conditions point at; what is not the merchant's is missing.

    One statement for each kind of thing, however many conditions.
    """
    wanted: dict[str, set[int | str]] = {}
    for condition in conditions:
        for ref, key in pointers(condition):
            wanted.setdefault(ref, set()).add(key)
    found: dict[tuple[str, int | str], str] = {}
    for ref, keys in wanted.items():
        if ref == "tier":
            found |= {(ref, key): name for key, name in tiers.names(session, merchant_id).items()}
            continue
        own = _TABLES[ref](merchant_id)
        column, kind = own.selected_columns[0], str if ref in NAMED_BY_CODE else int
        fitting = [key for key in keys if isinstance(key, kind)]
        found |= {(ref, key): name for key, name in session.execute(own.where(column.in_(fitting)))}
    return found


def pointers(condition: Condition) -> list[tuple[str, int | str]]:
    """What the condition points at: ("tag", 7)."""
    op = FIELDS[condition.field].op(condition.op)
    assert op is not None
    return [
        (param.ref, condition.args[param.name])
        for param in op.params
        if param.kind == "ref" and param.name in condition.args
    ]


def strangers(
    session: Session, merchant_id: int, conditions: Iterable[Condition]
) -> dict[str, str]:
    """What is wrong with the pointers, by path: things that the merchant does not have."""
    asked = list(conditions)
    known = names(session, merchant_id, asked)
    errors: dict[str, str] = {}
    for condition in asked:
        op = FIELDS[condition.field].op(condition.op)
        assert op is not None
        for param in op.params:
            key = condition.args.get(param.name)
            if param.kind == "ref" and key is not None and (param.ref, key) not in known:
                errors[f"{condition.path}.{param.name}".lstrip(".")] = f"没有这个{param.label}"
    return errors
