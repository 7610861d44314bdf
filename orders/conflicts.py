"""What happens when offers meet: found before one is saved, in words. Pure rules.

Two offers meet where goods, stores and time overlap. Of two timed prices the lower holds, of two
in one group the better; and several together may sell goods for less than anybody meant to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from catalogue.goods import Good, covered
from core.money import format_yuan
from coupons import scope, words
from coupons.amounts import Worth
from coupons.floors import FLOOR_BP
from coupons.models import CouponKind, CouponTemplate, Promotion, PromotionKind
from coupons.taking import Line
from orders.amounts import price_cart
from orders.rules import CouponRule, Price, PromotionRule

MOST_GOODS = 40
MOST_PIECES = 30
OF_ONE_PIECE = (CouponKind.exchange, CouponKind.nth, CouponKind.delivery)


@dataclass(frozen=True)
class Offer:
    """A promotion or a kind of coupon. `rule` prices it; `written` says where and when it holds."""

    rule: PromotionRule | CouponRule
    written: Promotion | CouponTemplate
    starts_at: datetime
    ends_at: datetime | None

    @property
    def key(self) -> tuple[str, int]:
        kind = "promotion" if isinstance(self.rule, PromotionRule) else "coupon"
        return kind, self.rule.id

    @property
    def is_price(self) -> bool:
        return isinstance(self.rule, PromotionRule) and self.rule.kind is PromotionKind.price


@dataclass(frozen=True)
class Meeting:
    """`severe`: somebody should think twice. `others`: whom it meets."""

    text: str
    severe: bool
    others: tuple[tuple[str, int], ...]


def of_promotion(promotion: Promotion) -> Offer:
    of = promotion
    rule = PromotionRule(
        id=of.id or 0,
        name=of.name,
        kind=of.kind,
        steps=tuple((threshold, off) for threshold, off in of.steps),
        off_bp=of.off_bp or 0,
        price_fen=of.price_fen,
        nth=of.nth or 0,
        words=words.promotion(of.kind, of.steps, of.off_bp or 0, of.price_fen, of.nth or 0),
        group=of.stack_group,
        product_ids=scope.frozen(of.product_ids),
        category_ids=scope.frozen(of.category_ids),
    )
    return Offer(rule, promotion, of.starts_at, of.ends_at)


def of_template(template: CouponTemplate, now: datetime) -> Offer:
    """From now on: coupons of it are out, or will be."""
    of = template
    worth = Worth(
        *(of.kind, of.face_fen, of.off_bp, of.cap_fen, of.min_spend_fen, of.pay_fen, of.nth)
    )
    rule = CouponRule(
        id=of.id or 0,
        name=of.name,
        worth=worth,
        group=of.stack_group,
        exclusive=of.exclusive,
        product_ids=scope.frozen(of.product_ids),
        category_ids=scope.frozen(of.category_ids),
    )
    return Offer(rule, template, of.valid_from or now, of.valid_until)


def find(
    offer: Offer, others: Iterable[Offer], goods: Sequence[Good], floor_bp: int = FLOOR_BP
) -> list[Meeting]:
    """What is worth knowing before `offer` is saved, the severe first.

    Goods that several offers together sell below `floor_bp` of their list price are pointed out.
    """
    near = [(other, shared) for other in others if (shared := meet(offer, other, goods))]
    found = [told for other, shared in near if (told := _same_kind(offer, other, shared))]
    if low := _too_low(offer, near, floor_bp):
        found.append(low)
    return sorted(found, key=lambda meeting: not meeting.severe)


def meet(one: Offer, other: Offer, goods: Sequence[Good]) -> list[Good]:
    """The goods for which both hold in the same store at the same time; none: they never meet."""
    if one.key == other.key and one.rule.id:
        return []
    mine, theirs = one.written, other.written
    if None not in (mine.store_ids, theirs.store_ids) and not (
        set(mine.store_ids or ()) & set(theirs.store_ids or ())
    ):
        return []
    if not _same_days(one, other) or not _same_hours(mine, theirs):
        return []
    ids = {good.id for good in covered(goods, theirs.product_ids, theirs.category_ids)}
    return [good for good in covered(goods, mine.product_ids, mine.category_ids) if good.id in ids]


def _same_days(one: Offer, other: Offer) -> bool:
    return (one.ends_at is None or other.starts_at < one.ends_at) and (
        other.ends_at is None or one.starts_at < other.ends_at
    )


def _same_hours(one: scope.Hours, other: scope.Hours) -> bool:
    spans = scope.minutes_of_week(other)
    return any(
        begin < end_there and begin_there < end
        for begin, end in scope.minutes_of_week(one)
        for begin_there, end_there in spans
    )


def _same_kind(offer: Offer, other: Offer, shared: Sequence[Good]) -> Meeting | None:
    """Two of which only one counts."""
    if not isinstance(offer.rule, PromotionRule) or not isinstance(other.rule, PromotionRule):
        return None
    named = _named(shared)
    if offer.is_price and other.is_price:
        text = f"「{other.rule.name}」同时也给{named}打折，一件商品只算更低的那个价"
        return Meeting(text, True, (other.key,))
    if offer.is_price or other.is_price or offer.rule.group is not other.rule.group:
        return None
    text = f"和「{other.rule.name}」是二选一：买{named}时，一单只算更省的那个"
    return Meeting(text, False, (other.key,))


def _too_low(
    offer: Offer, near: Sequence[tuple[Offer, list[Good]]], floor_bp: int
) -> Meeting | None:
    """The lowest price a piece may come to, where that takes `offer` and another one."""
    if _is_apart(offer):
        return None
    near = [(other, shared) for other, shared in near if not _is_apart(other)]
    worst: tuple[float, str, tuple[tuple[str, int], ...]] | None = None
    for good in list(dict.fromkeys(good for _, shared in near for good in shared))[:MOST_GOODS]:
        meeting = [offer, *(other for other, shared in near if good in shared)]
        for pieces in _pieces(meeting, good):
            line = Line(good.id, good.price_fen * pieces, pieces, good.price_fen, good.category_id)
            price = _price(line, [each for each in meeting if not _is_low(line, [each], floor_bp)])
            used = [(found.kind, found.id) for found in price.discounts]
            part = price.payable_fen / max(1, line.amount_fen)
            if len(used) < 2 or offer.key not in used or part * 10_000 >= floor_bp:
                continue
            if worst is None or part < worst[0]:
                names = "、".join(f"「{found.name}」" for found in price.discounts)
                text = (
                    f"{names}一起用时，买 {pieces} 件「{good.name}」每件合"
                    f" ¥{format_yuan(price.payable_fen // pieces)}，只有原价的 {part * 10:.1f} 折"
                )
                worst = part, text, tuple(key for key in used if key != offer.key)
    return None if worst is None else Meeting(worst[1], True, worst[2])


def _is_low(line: Line, offers: Sequence[Offer], floor_bp: int) -> bool:
    """Whether they sell below the floor. Who does so alone is meant to."""
    return _price(line, offers).payable_fen * 10_000 < floor_bp * line.amount_fen


def _price(line: Line, offers: Sequence[Offer]) -> Price:
    promotions = [each.rule for each in offers if isinstance(each.rule, PromotionRule)]
    coupons = [each.rule for each in offers if isinstance(each.rule, CouponRule)]
    return price_cart([line], promotions, coupons)


def _is_apart(offer: Offer) -> bool:
    """A free piece is meant to be free, and the uses of a card were paid for."""
    if not isinstance(offer.rule, CouponRule) or not isinstance(offer.written, CouponTemplate):
        return False
    return offer.rule.worth.kind in OF_ONE_PIECE or (offer.written.uses_total or 1) > 1


def _pieces(meeting: Sequence[Offer], good: Good) -> list[int]:
    """How many to look at: a few, and as many as reach each threshold."""
    wanted = {1, 2, 3}
    for each in meeting:
        rule = each.rule
        if isinstance(rule, CouponRule):
            wanted.add(-(-rule.worth.min_spend_fen // max(1, good.price_fen)))
        elif rule.kind is PromotionKind.spend:
            wanted |= {-(-threshold // max(1, good.price_fen)) for threshold, _ in rule.steps}
        elif rule.kind is PromotionKind.pieces:
            wanted |= {number for number, _ in rule.steps}
        else:
            wanted.add(rule.nth or 1)
    wanted |= {number + 1 for number in wanted}
    return sorted(number for number in wanted if 0 < number <= MOST_PIECES)


def _named(goods: Sequence[Good]) -> str:
    names = "、".join(f"「{good.name}」" for good in goods[:2])
    return f"{names}等 {len(goods)} 种" if len(goods) > 2 else names
