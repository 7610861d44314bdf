"""Jobs of coupons: expiry, and what a redemption in the store says about the member."""

from core import clock
from core.logs import log
from coupons import gifting
from coupons.expiring import expire_due
from coupons.models import Coupon
from crm import events, visits
from tasks.registry import Run, job


@job("coupons.expire", queue="default", timeout=120)
def expire(run: Run) -> None:
    """Coupons past their end become `expired`, a thousand a transaction."""
    now = clock.now()
    expired = 0
    while True:
        with run.transaction() as session:
            some = expire_due(session, now)
        expired += some
        if some == 0:
            break
    if expired:
        log.info("coupons_expired", number=expired)


@job("coupons.return_gifts", queue="default", timeout=120)
def return_gifts(run: Run) -> None:
    """Gifts that nobody took within a day are their givers' again."""
    now = clock.now()
    while True:
        with run.transaction() as session:
            if gifting.return_due(session, now) == 0:
                return


@job("coupons.after_redeemed", queue="default")
def after_redeemed(run: Run, coupon_id: int, store_id: int) -> None:
    """Who redeems a coupon at the counter was in the store."""
    now = clock.now()
    with run.finish() as session:
        coupon = session.get_one(Coupon, coupon_id)
        if coupon.member_id is None:  # a code that nobody had claimed
            return
        cause = {"coupon_id": coupon_id}
        visits.record_visit(session, coupon.member_id, store_id, now, cause=cause)
        events.record(
            session,
            coupon.member_id,
            "redeemed",
            now=now,
            store_id=store_id,
            data={**cause, "template_id": coupon.template_id, "channel": "counter"},
        )
