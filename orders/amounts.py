"""The price of a cart, explained: pure rules in a fixed order, no session, no clock.

Goods, then the best 满减 promotion on all of them, then one coupon on what is left of the goods it
is for. Each discount is allocated to the lines to the fen; what took nothing off says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.money import format_yuan, split_fen
from coupons.amounts import Worth, discount_fen, missing_fen


@dataclass(frozen=True)
class Line:
    product_id: int
    amount_fen: int


@dataclass(frozen=True)
class PromotionRule:
    id: int
    name: str
    threshold_fen: int
    off_fen: int


@dataclass(frozen=True)
class CouponRule:
    """`product_ids` None: all goods. `blocked`: why it is out of the question here, in words."""

    id: int
    name: str
    worth: Worth
    reason: str = ""
    product_ids: frozenset[int] | None = None
    blocked: str = ""


@dataclass(frozen=True)
class Discount:
    """`per_line` adds up to `amount_fen`."""

    kind: str
    id: int
    name: str
    reason: str
    amount_fen: int
    per_line: tuple[int, ...]


@dataclass(frozen=True)
class Rejected:
    """`missing_fen`: what more to spend would make it apply; None when that is not the obstacle."""

    kind: str
    id: int
    name: str
    reason: str
    missing_fen: int | None = None


@dataclass(frozen=True)
class Price:
    amounts: tuple[int, ...]
    discounts: tuple[Discount, ...]
    rejected: tuple[Rejected, ...]

    @property
    def goods_fen(self) -> int:
        return sum(self.amounts)

    @property
    def discount_fen(self) -> int:
        return sum(discount.amount_fen for discount in self.discounts)

    @property
    def payable_fen(self) -> int:
        return self.goods_fen - self.discount_fen

    @property
    def line_discounts(self) -> tuple[int, ...]:
        parts = [discount.per_line for discount in self.discounts]
        return tuple(sum(part[i] for part in parts) for i in range(len(self.amounts)))

    def of_coupon(self) -> Discount | None:
        return next((found for found in self.discounts if found.kind == "coupon"), None)


def price_cart(
    lines: Sequence[Line],
    promotions: Sequence[PromotionRule] = (),
    coupon: CouponRule | None = None,
) -> Price:
    """Price `lines` with the best of `promotions` and, if it fits, `coupon`."""
    left = [line.amount_fen for line in lines]
    discounts: list[Discount] = []
    promotion = best_promotion(promotions, sum(left))
    rejected = [
        _unreached(rule, sum(left), promotion) for rule in promotions if rule is not promotion
    ]
    if promotion is not None:
        parts = split_fen(promotion.off_fen, left)
        discounts.append(
            Discount(
                "promotion",
                promotion.id,
                promotion.name,
                f"满 {_yuan(promotion.threshold_fen)} 减 {_yuan(promotion.off_fen)}",
                promotion.off_fen,
                tuple(parts),
            )
        )
        left = [amount - part for amount, part in zip(left, parts, strict=True)]
    if coupon is not None:
        applied = _apply_coupon(coupon, lines, left)
        (discounts if isinstance(applied, Discount) else rejected).append(applied)  # type: ignore[arg-type]
    return Price(tuple(line.amount_fen for line in lines), tuple(discounts), tuple(rejected))


def best_promotion(promotions: Sequence[PromotionRule], goods_fen: int) -> PromotionRule | None:
    """The reached one that takes most off."""
    reached = [rule for rule in promotions if rule.threshold_fen <= goods_fen]
    return max(reached, key=lambda rule: rule.off_fen, default=None)


def try_coupons(
    lines: Sequence[Line], promotions: Sequence[PromotionRule], coupons: Sequence[CouponRule]
) -> dict[int, Price]:
    """The price with each coupon, by its id."""
    return {coupon.id: price_cart(lines, promotions, coupon) for coupon in coupons}


def best_coupon(coupons: Sequence[CouponRule], prices: dict[int, Price]) -> CouponRule | None:
    """The one that saves most, the first of equals (callers list what expires first, first)."""
    useful = [coupon for coupon in coupons if prices[coupon.id].of_coupon() is not None]
    return min(useful, key=lambda coupon: prices[coupon.id].payable_fen, default=None)


def _apply_coupon(
    coupon: CouponRule, lines: Sequence[Line], left: Sequence[int]
) -> Discount | Rejected:
    wanted = coupon.product_ids
    eligible = [
        amount if wanted is None or line.product_id in wanted else 0
        for line, amount in zip(lines, left, strict=True)
    ]
    off = discount_fen(coupon.worth, sum(eligible))
    if coupon.blocked or off == 0:
        return _unfit(coupon, sum(eligible))
    parts = tuple(split_fen(off, eligible))
    return Discount("coupon", coupon.id, coupon.name, coupon.reason, off, parts)


def _unfit(coupon: CouponRule, eligible_fen: int) -> Rejected:
    missing: int | None = None
    if coupon.blocked:
        reason = coupon.blocked
    elif eligible_fen == 0 and coupon.product_ids is not None:
        reason = "购物袋里没有这张券指定的商品"
    elif missing := missing_fen(coupon.worth, eligible_fen) or None:
        reason = f"还差 ¥{_yuan(missing)} 可用"
    else:
        reason = "这一单没有可以减的金额"
    return Rejected("coupon", coupon.id, coupon.name, reason, missing)


def _unreached(rule: PromotionRule, goods_fen: int, chosen: PromotionRule | None) -> Rejected:
    missing = rule.threshold_fen - goods_fen
    if missing > 0:
        return Rejected("promotion", rule.id, rule.name, f"还差 ¥{_yuan(missing)}", missing)
    reason = f"已用更省的「{chosen.name}」" if chosen else ""
    return Rejected("promotion", rule.id, rule.name, reason)


def _yuan(fen: int) -> str:
    return format_yuan(fen, trim=True)
