"""What may take something off a cart: the store's promotions and the member's coupons, as rules."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from catalogue.names import category_names, product_names
from core import rows, statements
from coupons import limits, promotions, rationing, scope, words
from coupons.amounts import Worth
from coupons.models import UseChannel
from coupons.promotions import ActivePromotion
from coupons.queries import UsableCoupon
from coupons.rationing import Left
from coupons.taking import Line
from crm.models import Member
from crm.tiers import Programme, programme
from merchants.models import Store
from orders.models import Order, OrderState
from orders.rules import CouponRule, PromotionRule, Ration, TierRule

_ORDERS = rows.table_of(Order).c
_ANY_ORDER = (
    select(_ORDERS.id)
    .where(_ORDERS.member_id == bindparam("member_id"), _ORDERS.state != OrderState.cancelled)
    .limit(1)
)


def promotion_rules(
    session: Session, store: Store, lines: Sequence[Line], member_id: int, now: datetime
) -> list[PromotionRule]:
    """The promotions of the store today; those of other hours say so.

    What is left of rationed prices is read only where there are any.
    """
    active = promotions.list_active(session, store.merchant_id, now)
    found = [rule for rule in active if rule.is_in(store.id)]
    skus = {line.sku_id for line in lines}
    limited = [rule.limits for rule in found if rule.limits is not None]
    left = rationing.left_of(session, limited, skus, member_id)
    return [_promotion(rule, _ration(left.get(rule.id), skus, member_id), now) for rule in found]


def coupon_rules(
    session: Session,
    usable: Sequence[UsableCoupon],
    lines: Sequence[Line],
    store: Store,
    member: Member,
    now: datetime,
) -> list[CouponRule]:
    """The coupons against an order in the mini-program; what ends first has the lower rank.

    Names are read only where a reason has to say them.
    """
    if not usable:
        return []
    occasion = limits.Occasion(
        store_id=store.id,
        now=now,
        channel=UseChannel.online,
        tier=member.tier,
        is_first=any(each.first_order for each in usable) and _is_first(session, member.id),
        store_names=_store_names(session, usable, store.id),
        tier_names=_tier_names(session, usable, member),
    )
    products = {line.product_id for line in lines}
    categories = {line.category_id for line in lines}
    absent = [each for each in usable if not _has_goods(each, products, categories)]
    goods = _goods_words(session, absent, store.merchant_id) if absent else {}
    return [
        CouponRule(
            id=each.id,
            name=each.name,
            worth=worth_of(each),
            reason=f"{words.face(each)} {words.condition(each)}",
            product_ids=scope.frozen(each.product_ids),
            category_ids=scope.frozen(each.category_ids),
            goods=goods.get(each.id, ""),
            blocked=limits.blocked(each, occasion),
            group=each.stack_group,
            exclusive=each.exclusive,
            rank=rank,
        )
        for rank, each in enumerate(usable)
    ]


def tier_rule(rules: Programme, member: Member) -> TierRule | None:
    """What the member's tier takes off, if anything."""
    step = rules.of(member.tier)
    if not step.discount_bp:
        return None
    return TierRule(
        id=step.rank, name=f"{step.name}会员", off_bp=step.discount_bp, alone=rules.discount_alone
    )


def worth_of(coupon: UsableCoupon) -> Worth:
    return Worth(
        coupon.kind,
        coupon.face_fen,
        coupon.off_bp,
        coupon.cap_fen,
        coupon.min_spend_fen,
        coupon.pay_fen,
        coupon.nth,
    )


def _ration(left: Left | None, skus: Collection[int], member_id: int) -> Ration | None:
    if left is None:
        return None
    of_sku = {id_: pieces for id_ in skus if (pieces := left.of_sku(id_)) is not None}
    return Ration(left.limits, of_sku, left.of_member(member_id))


def _promotion(rule: ActivePromotion, ration: Ration | None, now: datetime) -> PromotionRule:
    return PromotionRule(
        id=rule.id,
        name=rule.name,
        kind=rule.kind,
        steps=tuple((threshold, off) for threshold, off in rule.steps),
        off_bp=rule.off_bp,
        price_fen=rule.price_fen,
        nth=rule.nth,
        product_ids=scope.frozen(rule.product_ids),
        category_ids=scope.frozen(rule.category_ids),
        words=rule.words,
        blocked="" if rule.is_on(now) else f"{scope.hours_words(rule)} 才有",
        group=rule.stack_group,
        ration=ration,
    )


def _is_first(session: Session, member_id: int) -> bool:
    """Unpaid orders count too: otherwise two at once would both be the first."""
    return not statements.fetch(session, int, _ANY_ORDER, {"member_id": member_id})


def _store_names(
    session: Session, usable: Sequence[UsableCoupon], store_id: int
) -> Mapping[int, str]:
    elsewhere = {
        id_
        for each in usable
        if each.store_ids is not None and store_id not in each.store_ids
        for id_ in each.store_ids
    }
    if not elsewhere:
        return {}
    found = session.execute(select(Store.id, Store.name).where(Store.id.in_(elsewhere)))
    return {row.id: row.name for row in found}


def _tier_names(
    session: Session, usable: Sequence[UsableCoupon], member: Member
) -> Mapping[str, str]:
    if all(each.tiers is None or member.tier in each.tiers for each in usable):
        return {}
    return programme.names(session, member.merchant_id)


def _has_goods(coupon: UsableCoupon, products: set[int], categories: set[int]) -> bool:
    if coupon.product_ids is None and coupon.category_ids is None:
        return True
    named = products.intersection(coupon.product_ids or ())
    return bool(named or categories.intersection(coupon.category_ids or ()))


def _goods_words(
    session: Session, coupons: Sequence[UsableCoupon], merchant_id: int
) -> dict[int, str]:
    products = product_names(session, merchant_id)
    categories: Mapping[int, str] = {}
    if any(each.category_ids for each in coupons):
        categories = category_names(session, merchant_id)
    return {each.id: "、".join(words.goods(each, products, categories)) for each in coupons}
