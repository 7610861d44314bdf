"""A quote: what a cart costs this member now, line by line, and why."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy.orm import Session

from catalogue.pricing import Item, PricedItem, price_items
from coupons import queries as coupons
from coupons.locking import why_not
from coupons.models import StackGroup
from coupons.queries import UsableCoupon
from coupons.taking import Line
from crm import tiers
from crm.models import BASE_TIER, Member
from merchants.models import Store, StoreTable
from merchants.queries import find_table, get_store_of, is_open
from orders import points_off
from orders.amounts import price_cart
from orders.errors import TableNeeded, TooManyPieces
from orders.models import Fulfilment
from orders.offers import coupon_rules, promotion_rules, tier_rule
from orders.points_off import PointsOffer
from orders.rules import CouponRule, Discount, Price, Rejected

BEST: Final = "best"
MOST_OF_ONE = 99
MOST_PIECES = 200


@dataclass(frozen=True)
class Cart:
    """What a member asks for. `coupon_id` BEST: whichever coupons save most together.

    `coupon_ids` are further ones; of all that are named those count that may be used together.
    `points`: how many to spend, at most.
    """

    store_id: int
    fulfilment: Fulfilment
    items: tuple[Item, ...]
    coupon_id: int | Literal["best"] | None = None
    table_code: str | None = None
    coupon_ids: tuple[int, ...] = ()
    points: int | Literal["most"] | None = None

    @property
    def named(self) -> tuple[int, ...]:
        """The coupons that were asked for by id, each once."""
        first = (self.coupon_id,) if isinstance(self.coupon_id, int) else ()
        return tuple(dict.fromkeys((*first, *self.coupon_ids)))

    @property
    def pieces(self) -> Counter[int]:
        """How many of each SKU, over all lines."""
        found: Counter[int] = Counter()
        for item in self.items:
            found[item.sku_id] += item.quantity
        return found


@dataclass(frozen=True)
class CouponChoice:
    """One of the member's coupons alone against this cart; `reason` when it does not fit."""

    id: int
    name: str
    discount_fen: int
    reason: str
    missing_fen: int | None = None
    group: StackGroup = StackGroup.coupon
    exclusive: bool = False

    @property
    def usable(self) -> bool:
        return self.discount_fen > 0


@dataclass(frozen=True)
class Quote:
    """The explained price. `coupons` are those that `price` counts with, `best` the best set."""

    store: Store
    table: StoreTable | None
    fulfilment: Fulfilment
    items: tuple[PricedItem, ...]
    price: Price
    choices: tuple[CouponChoice, ...]
    best: tuple[CouponChoice, ...]
    best_saved_fen: int
    coupons: tuple[UsableCoupon, ...]
    store_open: bool
    points: PointsOffer

    @property
    def coupon_id(self) -> int | None:
        """The first of them, which stands on the order's own row."""
        return self.coupons[0].id if self.coupons else None

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """Rules that took nothing off: promotions, the tier, and coupons that do not fit."""
        ours = [rule for rule in self.price.rejected if rule.kind != "coupon"]
        unfit = [
            Rejected("coupon", choice.id, choice.name, choice.reason, choice.missing_fen)
            for choice in self.choices
            if not choice.usable
        ]
        return (*ours, *unfit)

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
                    **({"pieces": [list(each) for each in found.pieces]} if found.pieces else {}),
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

    Raises TooManyPieces, what the catalogue raises for goods that cannot be had, and for a named
    coupon that is not the member's or not free. A coupon that is free but does not fit is rejected
    with a reason.
    """
    _check_pieces(cart.pieces)
    store = get_store_of(session, member.merchant_id, cart.store_id)
    table = _table(session, cart, store)
    items = tuple(price_items(session, store.id, cart.items))
    lines = [_line(item) for item in items]
    promotions = promotion_rules(session, store, lines, member.id, now)
    usable = {each.id: each for each in coupons.usable_for(session, member.id, now)}
    rules = coupon_rules(session, list(usable.values()), lines, store, member, now)
    programme, tier = None, None
    # The rules are read for those alone whom they may give something: points, or a higher tier.
    if member.points > 0 or member.tier != BASE_TIER:
        programme = tiers.load(session, member.merchant_id)
        tier = tier_rule(programme, member)
    known: dict[tuple[int, ...], Price] = {}

    def price_with(several: Sequence[CouponRule]) -> Price:
        ids = tuple(rule.id for rule in several)
        if ids not in known:
            known[ids] = price_cart(lines, promotions, several, tier=tier)
        return known[ids]

    best = price_with(rules)
    named = _named(session, cart, rules, member, now)
    price = best if cart.coupon_id == BEST else price_with(named)
    choices = {rule.id: _choice(rule, price_with) for rule in rules}
    used = tuple(usable[each.id] for each in _largest_first(price))
    points = PointsOffer()
    if programme is not None:
        price, points = points_off.offer(price, member.points, programme, cart.points)
    return Quote(
        store=store,
        table=table,
        fulfilment=cart.fulfilment,
        items=items,
        price=price,
        choices=tuple(sorted(choices.values(), key=lambda choice: -choice.discount_fen)),
        best=tuple(choices[each.id] for each in _largest_first(best)),
        best_saved_fen=sum(each.amount_fen for each in best.coupons),
        coupons=used,
        store_open=is_open(store, now),
        points=points,
    )


def _line(item: PricedItem) -> Line:
    of = item
    return Line(of.product_id, of.amount_fen, of.quantity, of.base_fen, of.category_id, of.sku_id)


def _largest_first(price: Price) -> list[Discount]:
    return sorted(price.coupons, key=lambda each: (-each.amount_fen, each.id))


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


def _named(
    session: Session, cart: Cart, rules: Sequence[CouponRule], member: Member, now: datetime
) -> list[CouponRule]:
    found = [rule for rule in rules if rule.id in cart.named]
    for coupon_id in set(cart.named) - {rule.id for rule in found}:
        missing = coupons.get_for_member(session, member.id, coupon_id)
        raise why_not(missing.coupon, now)
    return found


def _choice(rule: CouponRule, price_with: Callable[[Sequence[CouponRule]], Price]) -> CouponChoice:
    price = price_with([rule])
    off_fen, why, missing = 0, "", None
    if price.coupons:
        off_fen = price.coupons[0].amount_fen
    else:
        unfit = next(each for each in price.rejected if each.kind == "coupon")
        why, missing = unfit.reason, unfit.missing_fen
    return CouponChoice(rule.id, rule.name, off_fen, why, missing, rule.group, rule.exclusive)
