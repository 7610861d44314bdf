"""What the price engine reads and answers: rules in, an explained price out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.money import format_yuan
from coupons import scope
from coupons.amounts import Worth
from coupons.models import CouponKind, PromotionKind, StackGroup
from coupons.rationing import Limits
from coupons.taking import Line


@dataclass(frozen=True)
class Goods:
    """Goods that a rule is about; both None: all. `goods` names them in words."""

    product_ids: frozenset[int] | None = None
    category_ids: frozenset[int] | None = None
    goods: str = ""

    def fits(self, lines: Sequence[Line]) -> list[bool]:
        if not self.limited:
            return [True] * len(lines)
        products, categories = self.product_ids, self.category_ids
        return [
            scope.covers(products, categories, line.product_id, line.category_id) for line in lines
        ]

    @property
    def limited(self) -> bool:
        return self.product_ids is not None or self.category_ids is not None


@dataclass(frozen=True)
class Ration:
    """How many pieces of a timed price are left: of each SKU in the cart, and for this member."""

    limits: Limits
    of_sku: Mapping[int, int]
    of_member: int | None


@dataclass(frozen=True, kw_only=True)
class PromotionRule(Goods):
    """As the table has it; `words` say what it gives. `blocked`: why it does not hold now.

    `ration` None: for as many pieces as there are.
    """

    id: int
    name: str
    kind: PromotionKind = PromotionKind.spend
    steps: tuple[tuple[int, int], ...] = ()
    off_bp: int = 0
    price_fen: int | None = None
    nth: int = 0
    words: str = ""
    blocked: str = ""
    group: StackGroup = StackGroup.promotion
    ration: Ration | None = None


@dataclass(frozen=True, kw_only=True)
class CouponRule(Goods):
    """`blocked`: why it is out of the question here. Of equals the lower `rank` is used."""

    id: int
    name: str
    worth: Worth
    reason: str = ""
    blocked: str = ""
    group: StackGroup = StackGroup.coupon
    exclusive: bool = False
    rank: int = 0

    @property
    def of_whole_cart(self) -> bool:
        """Its minimum is asked of all goods, not only of those that it is for."""
        return self.worth.kind not in (CouponKind.amount, CouponKind.percent)


@dataclass(frozen=True, kw_only=True)
class TierRule:
    """What the member's tier takes off; `id` is its rank. `alone`: never beside other offers."""

    id: int
    name: str
    off_bp: int
    alone: bool = False

    @property
    def words(self) -> str:
        return f"{(10_000 - self.off_bp) / 1_000:g} 折"


@dataclass(frozen=True)
class Discount:
    """`per_line` and `delivery_fen`, the part off the delivery fee, add up to `amount_fen`.

    `pieces`: of a timed price that is rationed by `limits`, how many of which SKU it gave.
    """

    kind: str
    id: int
    name: str
    reason: str
    amount_fen: int
    per_line: tuple[int, ...]
    delivery_fen: int = 0
    limits: Limits | None = None
    pieces: tuple[tuple[int, int], ...] = ()


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
    delivery_fee_fen: int = 0

    @property
    def goods_fen(self) -> int:
        return sum(self.amounts)

    @property
    def discount_fen(self) -> int:
        return sum(discount.amount_fen for discount in self.discounts)

    @property
    def payable_fen(self) -> int:
        return self.goods_fen + self.delivery_fee_fen - self.discount_fen

    @property
    def line_discounts(self) -> tuple[int, ...]:
        parts = [discount.per_line for discount in self.discounts]
        return tuple(sum(part[i] for part in parts) for i in range(len(self.amounts)))

    @property
    def coupons(self) -> tuple[Discount, ...]:
        return tuple(found for found in self.discounts if found.kind == "coupon")


def yuan(fen: int) -> str:
    return format_yuan(fen, trim=True)
