"""Points for goods: a coupon of a template, taken from a stock that is guarded."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from core.errors import Conflict, NotFound
from coupons import issuing
from coupons.models import Coupon, CouponTemplate, TemplateState
from crm import events
from crm.models import EntryKind, PointExchange, PointGoods
from crm.points.lots import hold_living, take


class GoodsNotFound(NotFound):
    code = "goods_not_found"
    title = "没有这件兑换品"


class GoodsGone(Conflict):
    code = "goods_gone"
    title = "已经兑完了"


class EnoughExchanged(Conflict):
    code = "enough_exchanged"
    title = "每人能兑的已经兑满了"


class Offer(NamedTuple):
    """Goods with what they are; `taken`: how many the asking member has had."""

    goods: PointGoods
    template: CouponTemplate
    taken: int = 0


def offers(session: Session, merchant_id: int, member_id: int | None = None) -> list[Offer]:
    """What is on sale for a member, the cheapest first; without one: everything, for staff."""
    taken = (
        select(func.count())
        .where(PointExchange.goods_id == PointGoods.id, PointExchange.member_id == (member_id or 0))
        .correlate(PointGoods)
        .scalar_subquery()
    )
    query = (
        select(PointGoods, CouponTemplate, taken)
        .join(CouponTemplate, CouponTemplate.id == PointGoods.template_id)
        .where(PointGoods.merchant_id == merchant_id)
        .order_by(PointGoods.points, PointGoods.id)
        .limit(100)
    )
    if member_id is not None:
        active = CouponTemplate.state == TemplateState.active
        query = query.where(PointGoods.on_sale.is_(True), active)
    return [Offer(*row) for row in session.execute(query)]


def get_goods(session: Session, merchant_id: int, goods_id: int) -> PointGoods:
    """The gate: another merchant's goods are not found."""
    goods = session.get(PointGoods, goods_id, populate_existing=True)
    if goods is None or goods.merchant_id != merchant_id:
        raise GoodsNotFound
    return goods


def exchange(
    session: Session, merchant_id: int, member_id: int, goods_id: int, *, now: datetime
) -> Coupon:
    """One of the goods for its points. Raises GoodsNotFound, GoodsGone, EnoughExchanged,
    NotEnoughPoints, and what issuing raises; then nothing changes.

    The template is locked before the member, as where coupons are given out; the member's row
    makes the count of what they have had hold.
    """
    goods = get_goods(session, merchant_id, goods_id)
    if not goods.on_sale:
        raise GoodsNotFound
    issuing.lock_template(session, goods.template_id)
    held = hold_living(session, member_id)
    had = select(func.count()).where(
        PointExchange.goods_id == goods.id, PointExchange.member_id == held.id
    )
    number = int(session.scalar(had) or 0) + 1
    if number > goods.per_member:
        raise EnoughExchanged(f"每人最多兑 {goods.per_member} 份")
    one_less = update(PointGoods).where(PointGoods.id == goods.id, PointGoods.left > 0)
    if goods.left is not None and claim(session, one_less.values(left=PointGoods.left - 1)) == 0:
        raise GoodsGone
    row = {"goods_id": goods.id, "member_id": held.id, "number": number, "points": goods.points}
    exchange_id = rows.add(session, PointExchange, row | {"at": now})
    cause = f"exchange:{exchange_id}"
    take(session, held.id, goods.points, kind=EntryKind.exchanged, cause=cause, now=now)
    coupon = issuing.issue(
        session, goods.template_id, held.id, source="exchange", key=cause, now=now
    )
    assert coupon is not None  # the key is the row's own
    rows.must_move(session, PointExchange, {"id": exchange_id}, {"coupon_id": coupon.id})
    data = {"template_id": goods.template_id, "points": goods.points}
    events.record(session, held.id, "exchanged", now=now, data=data)
    return coupon
