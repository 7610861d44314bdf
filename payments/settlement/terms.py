"""What the platform keeps of a merchant's sales and bears of its coupons, from a day on."""

from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit, rows
from core.clock import business_day
from coupons.models import CouponTemplate
from merchants.models import Merchant
from payments.errors import SharedTooMuch, TermsInThePast, TermsInvalid
from payments.models import CouponTerms, ReceiverState, SettlementTerms, SharingReceiver

MOST_COMMISSION_BP = 3_000
"""What WeChat lets a service provider share at most, unless it agreed to more."""


def agree(
    session: Session,
    merchant_id: int,
    *,
    since: date,
    commission_bp: int,
    coupon_platform_bp: int,
    actor: str,
    now: datetime,
) -> SettlementTerms:
    """Terms from `since` on, which is today at the earliest: what was settled stays as it was.

    The same day again changes what was agreed for it. Raises TermsInThePast, TermsInvalid,
    SharedTooMuch.
    """
    if not (0 <= commission_bp <= MOST_COMMISSION_BP and 0 <= coupon_platform_bp <= 10_000):
        raise TermsInvalid
    if since < business_day(now):
        raise TermsInThePast
    hold_shares(session, merchant_id)
    row = {
        "commission_bp": commission_bp,
        "coupon_platform_bp": coupon_platform_bp,
        "set_by": actor,
        "set_at": now,
    }
    known = {"merchant_id": merchant_id, "since": since}
    if rows.add_new(session, SettlementTerms, known | row) is None:
        rows.must_move(session, SettlementTerms, known, row)
    if commission_bp:
        check_together(session, merchant_id, business_day(now))
    audit.record(
        session,
        actor=actor,
        action="settlement.terms",
        subject=f"merchant:{merchant_id}",
        after={"since": since.isoformat(), "commission_bp": commission_bp,
               "coupon_platform_bp": coupon_platform_bp},
        merchant_id=merchant_id,
        now=now,
    )  # fmt: skip
    found = terms_on(session, merchant_id, since)
    assert found is not None
    return found


def hold_shares(session: Session, merchant_id: int) -> None:
    """Who changes what leaves a merchant's payments does it alone, so that together it is bounded:
    the merchant's row is the lock of terms and receivers."""
    mine = select(Merchant.id).where(Merchant.id == merchant_id)
    session.execute(mine.with_for_update())


def check_together(session: Session, merchant_id: int, today: date) -> None:
    """All receivers and the highest commission from today on: what the channel shares at most.
    Raises SharedTooMuch."""
    counted = (ReceiverState.wanted, ReceiverState.active)
    shares = select(SharingReceiver.share_bp).where(
        SharingReceiver.merchant_id == merchant_id, SharingReceiver.state.in_(counted)
    )
    agreed = select(SettlementTerms.commission_bp).where(
        SettlementTerms.merchant_id == merchant_id, SettlementTerms.since > today
    )
    now = terms_on(session, merchant_id, today)
    commissions = [*session.scalars(agreed.with_for_update()), now.commission_bp if now else 0]
    if sum(session.scalars(shares.with_for_update())) + max(commissions) > MOST_COMMISSION_BP:
        raise SharedTooMuch


def bear(
    session: Session, template_id: int, platform_bp: int, *, actor: str, now: datetime
) -> None:
    """How much of one template's coupons the platform bears, whatever the merchant's terms say.

    It counts for days that are still open. Raises TermsInvalid.
    """
    if not 0 <= platform_bp <= 10_000:
        raise TermsInvalid
    template = session.get_one(CouponTemplate, template_id)
    known = {"template_id": template_id}
    if rows.add_new(session, CouponTerms, known | {"platform_bp": platform_bp}) is None:
        rows.must_move(session, CouponTerms, known, {"platform_bp": platform_bp})
    audit.record(
        session,
        actor=actor,
        action="settlement.coupon_terms",
        subject=f"coupon_template:{template_id}",
        after={"platform_bp": platform_bp},
        merchant_id=template.merchant_id,
        now=now,
    )


def terms_on(session: Session, merchant_id: int, day: date) -> SettlementTerms | None:
    """Those that held on a day; None: nothing was agreed, so nothing is kept and nothing borne."""
    found = select(SettlementTerms).where(
        SettlementTerms.merchant_id == merchant_id, SettlementTerms.since <= day
    )
    newest = found.order_by(SettlementTerms.since.desc()).limit(1)
    return session.scalar(newest.execution_options(populate_existing=True))
