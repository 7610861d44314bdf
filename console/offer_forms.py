"""What the forms of coupons and promotions share: where, when and for which goods."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import request
from sqlalchemy.orm import Session

from catalogue.goods import Good, list_goods
from catalogue.names import category_names, product_names
from console.access import me
from console.forms import Form, whole
from coupons.scope import NAMES, clock_words

DAYS = [(day, f"周{name}") for day, name in enumerate(NAMES)]


@dataclass
class Choices:
    """What was ticked. No day: every day; none of the goods: all of them."""

    stores: list[int]
    weekdays: list[int] = field(default_factory=list)
    categories: list[int] = field(default_factory=list)
    products: list[int] = field(default_factory=list)
    tiers: list[str] = field(default_factory=list)
    goods: Sequence[Good] = ()
    category_names: dict[int, str] = field(default_factory=dict)

    @property
    def store_ids(self) -> list[int] | None:
        return None if self.stores == me().all_store_ids else self.stores

    @property
    def days(self) -> list[int] | None:
        return None if len(self.weekdays) in (0, 7) else self.weekdays

    @property
    def some(self) -> bool:
        return bool(self.categories or self.products)

    def menu(self) -> list[tuple[int, str, list[Good]]]:
        """The goods by category, for the picker."""
        return [
            (id_, name, [good for good in self.goods if good.category_id == id_])
            for id_, name in self.category_names.items()
            if any(good.category_id == id_ for good in self.goods)
        ]


def everything(session: Session) -> Choices:
    """A form that limits nothing yet."""
    return Choices(
        me().all_store_ids,
        goods=list_goods(session, me().merchant_id),
        category_names=category_names(session, me().merchant_id),
    )


def names(session: Session) -> tuple[dict[int, str], dict[int, str]]:
    """What goods and categories are called."""
    merchant_id = me().merchant_id
    return product_names(session, merchant_id), category_names(session, merchant_id)


def ticked(session: Session) -> Choices:
    """What was ticked, of what there is: another merchant's goods are not."""
    choices = everything(session)
    known = {good.id for good in choices.goods}
    choices.stores = [id_ for id_ in choices.stores if id_ in _given("stores")]
    choices.weekdays = [day for day, _ in DAYS if day in _given("weekdays")]
    if request.form.get("goods") == "some":
        choices.categories = [id_ for id_ in choices.category_names if id_ in _given("categories")]
        choices.products = [good.id for good in choices.goods if good.id in _given("products")]
        choices.products = [id_ for id_ in choices.products if id_ in known]
    choices.tiers = request.form.getlist("tiers")
    return choices


def limits(form: Form, choices: Choices) -> dict[str, Any]:
    """The fields of a draft that say where, when and for what; faults are noted in the form."""
    some = form["goods"] == "some"
    return {
        "store_ids": choices.store_ids,
        "product_ids": choices.products or ([] if some and not choices.categories else None),
        "category_ids": choices.categories or None,
        "weekdays": choices.days,
        "from_minute": _minute(form, "from"),
        "until_minute": _minute(form, "until"),
    }


def shown(minute: int | None) -> str:
    """As a time field takes it; midnight at the end of a day is that of the next."""
    return "" if minute is None else clock_words(minute % (24 * 60))


def _given(name: str) -> set[int | None]:
    return {whole(text) for text in request.form.getlist(name)}


def _minute(form: Form, name: str) -> int | None:
    text = form[name].strip()
    if not text:
        return None
    hour, _, minute = text.partition(":")
    hours, minutes = whole(hour), whole(minute[:2])
    if hours is None or minutes is None or hours > 24 or minutes > 59:
        form.refuse("from", "时间写成 14:00 这样")
        return None
    total = hours * 60 + minutes
    return 24 * 60 if name == "until" and total == 0 else total
