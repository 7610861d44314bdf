"""The price of a cart, explained: pure rules in a fixed order, no session, no clock.

1. Timed prices: each line at the lowest that holds for it.
2. Promotions, on what step 1 left: of one group the one that takes most; of different groups all.
3. The member's tier, on what step 2 left, where the merchant lets it go with other offers.
4. Coupons, on what step 3 left: of one group one, of different groups several, whichever set saves
   most. A coupon in a promotion's group takes its place.

An exclusive coupon stands alone: the goods at list price and nothing else, where that is cheaper.
So does the tier of a merchant that says so.
Each discount is allocated to the lines to the fen, none below zero; what took nothing off says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from coupons import taking
from coupons.amounts import missing_fen
from coupons.models import CouponKind
from coupons.taking import Line
from orders import promoting, stacking, tier_off
from orders.promoting import Stage
from orders.rules import CouponRule, Discount, Price, PromotionRule, Rejected, TierRule, yuan
from orders.stacking import Candidate, Chosen, Taken


@dataclass(frozen=True)
class _Way:
    """One way to price the cart: the promotions and the coupons on top of them, or `tier` alone."""

    stage: Stage
    chosen: Chosen = ()
    tier: TierRule | None = None

    @property
    def saved_fen(self) -> int:
        promoted = sum(sum(parts) for _, parts in self.stage.taken) + sum(self.stage.tier)
        return promoted + sum(taken.off_fen for _, taken in self.chosen)

    @property
    def coupons(self) -> list[CouponRule]:
        return [candidate.rule for candidate, _ in self.chosen]

    @property
    def alone(self) -> CouponRule | TierRule | None:
        """The exclusive coupon, or the tier, which nothing goes with."""
        return self.tier or next((rule for rule in self.coupons if rule.exclusive), None)


def price_cart(
    lines: Sequence[Line],
    promotions: Sequence[PromotionRule] = (),
    coupons: Sequence[CouponRule] = (),
    *,
    delivery_fee_fen: int = 0,
    tier: TierRule | None = None,
) -> Price:
    """Price `lines` with the promotions that hold and those of `coupons` that save most together.

    The order in which rules are given does not matter.
    """
    way = _best_way(lines, promotions, coupons, delivery_fee_fen, tier)
    discounts = [
        Discount(
            "promotion",
            rule.id,
            rule.name,
            promoting.says(rule, lines, way.stage),
            sum(parts),
            parts,
            limits=rule.ration.limits if rule.ration else None,
            pieces=tuple(sorted(way.stage.pieces.get(rule.id, {}).items())),
        )
        for rule, parts in way.stage.taken
    ]
    if tier is not None and any(way.stage.tier):
        discounts.append(tier_off.discount(tier, way.stage.tier))
    for found, taken in way.chosen:
        rule, (parts, fee) = found.rule, taken
        discounts.append(
            Discount("coupon", rule.id, rule.name, rule.reason, taken.off_fen, parts, fee)
        )
    rejected = [
        *_unused_promotions(lines, promotions, way),
        *(
            _unused_coupon(rule, lines, way, delivery_fee_fen)
            for rule in coupons
            if rule not in way.coupons
        ),
    ]
    if tier is not None and not any(way.stage.tier):
        rejected.append(tier_off.why_unused(tier, way.alone.name if way.alone else ""))
    amounts = tuple(line.amount_fen for line in lines)
    return Price(amounts, tuple(discounts), tuple(rejected), delivery_fee_fen)


def _best_way(
    lines: Sequence[Line],
    promotions: Sequence[PromotionRule],
    coupons: Sequence[CouponRule],
    delivery_fee_fen: int,
    tier: TierRule | None,
) -> _Way:
    together = [rule for rule in coupons if not rule.blocked and not rule.exclusive]
    promoted = promoting.groups_of(promotions)
    best = _Way(tier_off.after(tier, promoting.apply(lines, promotions)))
    first = best.stage
    for groups in stacking.taken_groups(together, promoted):
        stage = first
        if groups:
            stage = tier_off.after(tier, promoting.apply(lines, promotions, without=groups))
        found = [_candidate(rule, lines, stage.left, delivery_fee_fen) for rule in together]
        useful = [each for each in found if each.off_fen > 0]
        closed = promoted - groups
        chosen = stacking.choose(useful, stage.left, delivery_fee_fen, needed=groups, closed=closed)
        if chosen is not None and _Way(stage, chosen).saved_fen > best.saved_fen:
            best = _Way(stage, chosen)
    listed = tuple(line.amount_fen for line in lines)
    alone = [rule for rule in coupons if not rule.blocked and rule.exclusive]
    for rule in sorted(alone, key=lambda each: (each.rank, each.id)):
        candidate = _candidate(rule, lines, listed, delivery_fee_fen)
        if candidate.off_fen > best.saved_fen:
            taken = candidate.take(listed, delivery_fee_fen)
            best = _Way(Stage(listed, (), listed), ((candidate, taken),))
    instead = tier_off.instead(tier, listed)
    if instead is not None and sum(instead.tier) > best.saved_fen:
        best = _Way(instead, tier=tier)
    return best


def _candidate(
    rule: CouponRule, lines: Sequence[Line], base: Sequence[int], delivery_fee_fen: int
) -> Candidate:
    fits = rule.fits(lines)

    def take(left: Sequence[int], fee_fen: int) -> Taken:
        if rule.worth.kind is not CouponKind.delivery:
            return Taken(tuple(taking.take(rule.worth, lines, base, left, fits)))
        reached = not missing_fen(rule.worth, sum(base))
        off = min(rule.worth.face_fen or fee_fen, fee_fen) if reached else 0
        return Taken((0,) * len(lines), off)

    return Candidate(rule, take(base, delivery_fee_fen).off_fen, take)


def _unused_promotions(
    lines: Sequence[Line], promotions: Sequence[PromotionRule], way: _Way
) -> list[Rejected]:
    used = {rule.id for rule, _ in way.stage.taken}
    told = []
    for rule in promotions:
        if rule.id in used:
            if above := promoting.next_step(rule, lines, way.stage):
                name, lacking = above
                told.append(Rejected("promotion", rule.id, name, f"还差 ¥{yuan(lacking)}", lacking))
            continue
        found = promoting.why_unused(rule, lines, way.stage)
        if found is None:
            continue
        why, missing = found
        instead = way.alone or next((one for one in way.coupons if one.group is rule.group), None)
        if instead is not None and missing is None and not rule.blocked:
            better = "会员折扣更省" if way.tier else "用券更省"
            why = f"不能和「{instead.name}」一起用，{better}"
        told.append(Rejected("promotion", rule.id, rule.name, why, missing))
    return told


def _unused_coupon(
    rule: CouponRule, lines: Sequence[Line], way: _Way, delivery_fee_fen: int
) -> Rejected:
    listed = rule.exclusive or way.tier is not None
    base = [line.amount_fen for line in lines] if listed else way.stage.left
    fits = rule.fits(lines)
    counted = [True] * len(lines) if rule.of_whole_cart else fits
    goods_fen = sum(fen for fen, fit in zip(base, counted, strict=True) if fit)
    missing: int | None = None
    if rule.blocked:
        reason = rule.blocked
    elif rule.worth.kind is CouponKind.delivery and not delivery_fee_fen:
        reason = "这一单没有配送费"
    elif rule.limited and not any(fits):
        reason = f"购物袋里没有{rule.goods or '这张券能用的商品'}"
    elif missing := missing_fen(rule.worth, goods_fen) or None:
        reason = f"还差 ¥{yuan(missing)} 可用"
    elif rule.worth.kind is CouponKind.nth and taking.most_of_one(lines, fits) < rule.worth.nth:
        reason = f"同一样要买满 {rule.worth.nth} 件"
    else:
        reason = _beaten(rule, lines, base, way, delivery_fee_fen)
    return Rejected("coupon", rule.id, rule.name, reason, missing)


def _beaten(
    rule: CouponRule, lines: Sequence[Line], base: Sequence[int], way: _Way, delivery_fee_fen: int
) -> str:
    """Why a coupon that would take something off is not among those that do."""
    if _candidate(rule, lines, base, delivery_fee_fen).off_fen == 0:
        return "这一单没有可以减的金额"
    if way.alone is not None:
        return f"「{way.alone.name}」不和别的优惠一起用，用它更省"
    if rule.exclusive:
        return "它不和别的优惠一起用，现在这样更省"
    rivals = [one.name for one in way.coupons if one.group is rule.group]
    rivals += [one.name for one, _ in way.stage.taken if one.group is rule.group]
    return f"已用更省的「{rivals[0]}」" if rivals else "剩下的金额不够再减了"
