"""What a paid order means for its member: totals, points, tier, timeline. Once per order."""

from datetime import datetime

from sqlalchemy import case, func, literal, select, update
from sqlalchemy.orm import Session

from core.database import UTCDateTime, claim, insert_ignore
from crm import events, points, tiers
from crm.members import living
from crm.models import Member, Purchase


def record_purchase(
    session: Session, member_id: int, order_id: int, store_id: int, paid_fen: int, now: datetime
) -> bool:
    """Count the order for its member; False when it was counted before, and nothing changes."""
    purchase = {
        "member_id": member_id,
        "order_id": order_id,
        "store_id": store_id,
        "paid_at": now,
        "amount_fen": paid_fen,
    }
    points.hold(session, member_id)
    if insert_ignore(session, Purchase, [purchase]) == 0:
        return False
    if not _add(session, member_id, paid_fen, now):  # merged a moment ago
        member_id = living(session, member_id).id
        claim(
            session,
            update(Purchase).where(Purchase.order_id == order_id).values(member_id=member_id),
        )
        _add(session, member_id, paid_fen, now)
    points.earn(session, member_id, order_id, paid_fen=paid_fen, now=now)
    events.record(
        session,
        member_id,
        "paid",
        now=now,
        store_id=store_id,
        data={"order_id": order_id, "paid_fen": paid_fen},
    )
    _settle(session, member_id)
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
    _settle(session, purchase.member_id)
    return True


def _add(session: Session, member_id: int, paid_fen: int, now: datetime) -> bool:
    at = literal(now, UTCDateTime())
    added = claim(
        session,
        update(Member)
        .where(Member.id == member_id, Member.merged_into_id.is_(None))
        .values(
            orders_count=Member.orders_count + 1,
            spent_fen=Member.spent_fen + paid_fen,
            first_paid_at=func.coalesce(Member.first_paid_at, at),
            last_paid_at=case((Member.last_paid_at > at, Member.last_paid_at), else_=at),
            last_visit_at=case((Member.last_visit_at > at, Member.last_visit_at), else_=at),
        ),
    )
    return added == 1


def _settle(session: Session, member_id: int) -> None:
    tiers.settle(session, member_id)
    session.get_one(Member, member_id, populate_existing=True)
