"""What a paid order means for its member: totals, points, tier, timeline. Once per order."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, case, func, select, update
from sqlalchemy.orm import Session

from core import later, rows
from core.database import UTCDateTime, claim
from coupons.models import Coupon
from crm import events, points, tiers
from crm.models import Member, Purchase, PurchaseLine

_MEMBERS = rows.table_of(Member).c
_AT = bindparam("at", type_=UTCDateTime())
_COUNT_IN = (
    update(rows.table_of(Member))
    .where(_MEMBERS.id == bindparam("paying_id"))
    .values(
        orders_count=_MEMBERS.orders_count + 1,
        spent_fen=_MEMBERS.spent_fen + bindparam("paid_fen"),
        points_pending=_MEMBERS.points_pending + bindparam("earned"),
        first_paid_at=func.coalesce(_MEMBERS.first_paid_at, _AT),
        last_paid_at=case((_MEMBERS.last_paid_at > _AT, _MEMBERS.last_paid_at), else_=_AT),
        last_visit_at=case((_MEMBERS.last_visit_at > _AT, _MEMBERS.last_visit_at), else_=_AT),
    )
)
"""All that a paid order changes in its member's row but the tier, which seldom changes."""


def record_purchase(
    session: Session,
    member_id: int,
    order_id: int,
    store_id: int,
    paid_fen: int,
    now: datetime,
    *,
    used: Sequence[Coupon] = (),
    channel: str = "",
) -> bool:
    """Count the order for its member, with the coupons that it `used`; False when it was counted
    before, and nothing changes. `channel` is how the goods are had: pickup, dine_in."""
    held = points.hold(session, member_id)
    while held.merged_into_id is not None:  # merged while the order waited
        held = points.hold(session, held.merged_into_id)
    purchase = {
        "member_id": held.id,
        "order_id": order_id,
        "store_id": store_id,
        "paid_at": now,
        "amount_fen": paid_fen,
    }
    if rows.add_new(session, Purchase, purchase) is None:
        return False
    programme = tiers.of_revision(session, held.merchant_id, held.rules)
    earned = points.earn(
        session,
        held.id,
        order_id,
        paid_fen=paid_fen,
        programme=programme,
        tier=held.tier,
        now=now,
    )
    paid = {"paying_id": held.id, "paid_fen": paid_fen, "earned": earned, "at": now}
    later.run(session, _COUNT_IN, paid, number=1)
    told = {"order_id": order_id, "paid_fen": paid_fen, "channel": channel}
    happened = [events.Event("paid", now, store_id, told)]
    for coupon in used:
        facts = {"coupon_id": coupon.id, "template_id": coupon.template_id, "channel": "online"}
        happened.append(events.Event("redeemed", now, store_id, {**facts, "order_id": order_id}))
    events.record_many(session, held.id, happened, now=now)
    tiers.after_purchase(
        session,
        held.id,
        code=held.tier,
        programme=programme,
        spent_fen=held.spent_fen + paid_fen - held.refunded_fen,
        now=now,
    )
    rows.reread(session, Member, held.id)
    return True


def reverse_purchase(session: Session, order_id: int, refund_fen: int, now: datetime) -> bool:
    """Take back `refund_fen` of the order: totals and points. False when nothing was left to take.

    Several part refunds may follow one another; together they never exceed what was paid, and an
    order that was given back in full is not counted any more.
    """
    taken = claim(
        session,
        update(Purchase)
        .where(
            Purchase.order_id == order_id,
            Purchase.counted,
            Purchase.refunded_fen + refund_fen <= Purchase.amount_fen,
        )
        .values(refunded_fen=Purchase.refunded_fen + refund_fen),
    )
    if taken == 0:
        return False
    emptied = claim(
        session,
        update(Purchase)
        .where(Purchase.order_id == order_id, Purchase.refunded_fen >= Purchase.amount_fen)
        .values(counted=False),
    )
    if emptied:
        lines = update(PurchaseLine).where(PurchaseLine.order_id == order_id)
        claim(session, lines.values(counted=False))
    purchase = session.scalars(
        select(Purchase)
        .where(Purchase.order_id == order_id)
        .execution_options(populate_existing=True)
    ).one()
    points.claw_back(session, purchase, now=now)
    claim(
        session,
        update(Member)
        .where(Member.id == purchase.member_id)
        .values(
            refunded_fen=Member.refunded_fen + refund_fen,
            orders_count=Member.orders_count - emptied,
        ),
    )
    events.record(
        session,
        purchase.member_id,
        "refunded",
        now=now,
        store_id=purchase.store_id,
        data={"order_id": order_id, "refund_fen": refund_fen},
    )
    tiers.after_refund(session, purchase.member_id, refund_fen, now=now)
    rows.reread(session, Member, purchase.member_id)
    return True
