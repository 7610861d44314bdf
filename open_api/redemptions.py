"""A till redeems, and takes back what it redeemed by mistake."""

from flask import g
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.clock import now as clock_now
from core.database import reading, transaction
from coupons import anonymous, redemption, undoing
from coupons.errors import CouponNotFound
from coupons.locking import USES
from coupons.models import Coupon, CouponEntry, CouponTemplate
from crm import lookup
from open_api.access import API_KEY, actor, api_key, guess, make_blueprint, store_of
from open_api.schemas import CodePath, KeyHeader, RedemptionIn, RedemptionOut, UndoIn, UndoneOut

blueprint = make_blueprint("redemptions", "Redemptions at a till.")


@blueprint.post("/redemptions", responses={200: RedemptionOut}, security=API_KEY)
@api_key("coupons.redeem")
def redeem(header: KeyHeader, body: RedemptionIn) -> RedemptionOut:
    """Redeem a code, once: the same key again is answered the same.

    A till that was offline sends what it took with its own `redeemed_at`, within 72 hours; such a
    one is marked late, and a rotating code must have been fresh at that time, give or take five
    minutes. 409 `coupon_already_redeemed` says `redeemed_at`, `store` and `by`.
    """
    now = clock_now()
    with guess(now, body.store_id), transaction() as session:
        member = (
            lookup.get_member(session, g.key.merchant_id, no=body.member_no)
            if body.member_no
            else None
        )
        coupon = redemption.redeem(
            session,
            body.code,
            store_id=store_of(session, body.store_id),
            actor=actor(),
            key=f"{undoing.till_prefix(g.key.id)}{header.idempotency_key}",
            bill_fen=body.bill_fen,
            device=body.device,
            redeemed_at=body.redeemed_at,
            member_id=member.id if member else None,
            now=now,
        )
    with reading() as session:
        return _redemption_out(session, coupon)


@blueprint.post("/coupons/<code>/undo", responses={200: UndoneOut}, security=API_KEY)
@api_key("coupons.undo")
def undo(path: CodePath, body: UndoIn) -> UndoneOut:
    """Take back a redemption of this very key, within ten minutes, three a day."""
    now = clock_now()
    with guess(now), transaction() as session:
        coupon = anonymous.find(session, path.code, g.key.merchant_id, now)
        if coupon is None:
            raise CouponNotFound
        undone = undoing.undo_by_key(
            session,
            coupon.id,
            merchant_id=g.key.merchant_id,
            key_id=g.key.id,
            reason=body.reason,
            now=now,
        )
    return UndoneOut(coupon_id=str(undone.id), code=undone.code, state="issued")


def _redemption_out(session: Session, coupon: Coupon) -> RedemptionOut:
    told = session.scalars(
        select(CouponEntry.happened_at)
        .where(CouponEntry.coupon_id == coupon.id, CouponEntry.kind.in_(USES))
        .order_by(CouponEntry.id.desc())
    ).first()
    return RedemptionOut(
        coupon_id=str(coupon.id),
        code=coupon.code,
        name=session.get_one(CouponTemplate, coupon.template_id).name,
        state="redeemed",
        store_id=str(coupon.store_id),
        redeemed_at=coupon.redeemed_at,
        discount_fen=coupon.discount_fen or 0,
        bill_fen=coupon.bill_fen,
        late=told is not None,
    )
