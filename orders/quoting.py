"""A quote: what a cart costs this member now, line by line, and why."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.pricing import Item, PricedItem, price_items
from coupons import queries as coupons
from coupons import words
from coupons.amounts import Worth
from coupons.locking import why_not
from coupons.promotions import list_active
from coupons.queries import UsableCoupon
from crm.models import Member
from merchants.models import Store, StoreTable
from merchants.queries import find_table, get_store_of, is_open
from orders.amounts import (
    CouponRule,
    Line,
    Price,
    PromotionRule,
    Rejected,
    best_coupon,
    price_cart,
    try_coupons,
)
from orders.errors import TableNeeded, TooManyPieces
from orders.models import Fulfilment

BEST: Final = "best"
MOST_OF_ONE = 99
MOST_PIECES = 200


@dataclass(frozen=True)
class Cart:
    """What a member asks for. `coupon_id` BEST: whichever saves most."""

    store_id: int
    fulfilment: Fulfilment
    items: tuple[Item, ...]
    coupon_id: int | Literal["best"] | None = None
    table_code: str | None = None

    @property
    def pieces(self) -> Counter[int]:
        """How many of each SKU, over all lines."""
        found: Counter[int] = Counter()
        for item in self.items:
            found[item.sku_id] += item.quantity
        return found


@dataclass(frozen=True)
class CouponChoice:
    """One of the member's coupons against this cart; `reason` when it does not fit."""

    id: int
    name: str
    discount_fen: int
    reason: str
    missing_fen: int | None = None

    @property
    def usable(self) -> bool:
        return self.discount_fen > 0


@dataclass(frozen=True)
class Quote:
    """The explained price. `coupon` is the one that `price` counts with."""

    store: Store
    table: StoreTable | None
    fulfilment: Fulfilment
    items: tuple[PricedItem, ...]
    price: Price
    choices: tuple[CouponChoice, ...]
    best: CouponChoice | None
    coupon: UsableCoupon | None
    store_open: bool

    @property
    def coupon_id(self) -> int | None:
        return self.coupon.id if self.coupon else None

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """Rules that took nothing off: promotions, and coupons that do not fit."""
        promotions = [rule for rule in self.price.rejected if rule.kind == "promotion"]
        unfit = [
            Rejected("coupon", choice.id, choice.name, choice.reason, choice.missing_fen)
            for choice in self.choices
            if not choice.usable
        ]
        return (*promotions, *unfit)

    def snapshot(self) -> dict[str, Any]:
        """What is kept on the order: how the price came about."""
        return {
            "goods_fen": self.price.goods_fen,
            "discounts": [
                {
                    "kind": found.kind,
                    "id": str(found.id),
                    "name": found.name,
                    "reason": found.reason,
                    "amount_fen": found.amount_fen,
                    "lines": list(found.per_line),
                }
                for found in self.price.discounts
            ],
            "rejected": [
                {"kind": rule.kind, "id": str(rule.id), "name": rule.name, "reason": rule.reason}
                for rule in self.rejected
            ],
            "payable_fen": self.price.payable_fen,
        }


def quote(session: Session, cart: Cart, member: Member, now: datetime) -> Quote:
    """Price `cart` for `member`; reserves nothing.

    Raises TooManyPieces, what the catalogue raises for goods that cannot be had, and for a chosen
    coupon that is not the member's or not free. A coupon that is free but does not fit is rejected
    with a reason.
    """
    _check_pieces(cart.pieces)
    store = get_store_of(session, member.merchant_id, cart.store_id)
    table = _table(session, cart, store)
    items = tuple(price_items(session, store.id, cart.items))
    lines = [Line(item.product_id, item.amount_fen) for item in items]
    promotions = [
        PromotionRule(rule.id, rule.name, rule.threshold_fen, rule.off_fen)
        for rule in list_active(session, store.merchant_id, [store.id], now)
    ]
    usable = {each.id: each for each in coupons.usable_for(session, member.id, now)}
    rules = _coupon_rules(session, usable.values(), store)
    prices = try_coupons(lines, promotions, rules)
    best = best_coupon(rules, prices)
    chosen = best if cart.coupon_id == BEST else _chosen(session, cart, rules, member, now)
    price = prices[chosen.id] if chosen else price_cart(lines, promotions)
    choices = {rule.id: _choice(rule, prices[rule.id]) for rule in rules}
    applied = price.of_coupon()
    return Quote(
        store=store,
        table=table,
        fulfilment=cart.fulfilment,
        items=items,
        price=price,
        choices=tuple(sorted(choices.values(), key=lambda choice: -choice.discount_fen)),
        best=choices[best.id] if best else None,
        coupon=usable[applied.id] if applied else None,
        store_open=is_open(store, now),
    )


def _check_pieces(pieces: Counter[int]) -> None:
    if max(pieces.values(), default=0) > MOST_OF_ONE:
        raise TooManyPieces(f"同一样一单最多 {MOST_OF_ONE} 件")
    if pieces.total() > MOST_PIECES:
        raise TooManyPieces(f"一单最多 {MOST_PIECES} 件")


def _table(session: Session, cart: Cart, store: Store) -> StoreTable | None:
    if cart.fulfilment is not Fulfilment.dine_in or not cart.table_code:
        return None
    table = find_table(session, cart.table_code)
    if table is None or table.store_id != store.id:
        raise TableNeeded("这个桌码不是这家店的", errors={"table_code": "不是这家店的桌码"})
    return table


def _coupon_rules(
    session: Session, usable: Iterable[UsableCoupon], store: Store
) -> list[CouponRule]:
    elsewhere = {id_ for each in usable for id_ in each.store_ids or [] if id_ != store.id}
    names: dict[int, str] = {}
    if elsewhere:
        rows = session.execute(select(Store.id, Store.name).where(Store.id.in_(elsewhere)))
        names = {row.id: row.name for row in rows}
    return [_rule(each, store, names) for each in usable]


def _rule(coupon: UsableCoupon, store: Store, names: dict[int, str]) -> CouponRule:
    blocked = ""
    if coupon.store_ids is not None and store.id not in coupon.store_ids:
        where = "、".join(names.get(id_, "其他门店") for id_ in coupon.store_ids)
        blocked = f"只能在{where}用"
    worth = Worth(coupon.kind, coupon.face_fen, coupon.off_bp, coupon.cap_fen, coupon.min_spend_fen)
    return CouponRule(
        id=coupon.id,
        name=coupon.name,
        worth=worth,
        reason=f"{words.face(coupon)} {words.condition(coupon)}",
        product_ids=frozenset(coupon.product_ids) if coupon.product_ids is not None else None,
        blocked=blocked,
    )


def _chosen(
    session: Session, cart: Cart, rules: Sequence[CouponRule], member: Member, now: datetime
) -> CouponRule | None:
    if not isinstance(cart.coupon_id, int):
        return None
    for rule in rules:
        if rule.id == cart.coupon_id:
            return rule
    found = coupons.get_for_member(session, member.id, cart.coupon_id)
    raise why_not(found.coupon, now)


def _choice(rule: CouponRule, price: Price) -> CouponChoice:
    applied = price.of_coupon()
    if applied is not None:
        return CouponChoice(rule.id, rule.name, applied.amount_fen, "")
    unfit = next(each for each in price.rejected if each.kind == "coupon")
    return CouponChoice(rule.id, rule.name, 0, unfit.reason, unfit.missing_fen)
