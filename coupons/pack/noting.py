"""What WeChat tells us of cards. Only which card it is about counts: WeChat is asked the rest."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import inbox
from core.config import Brand
from core.outbox import enqueue
from coupons.pack import following
from gateways.wechat.pay_records import Notice
from merchants.models import Merchant

SOURCE = "wechat.brand:"


def note_notice(session: Session, brand: Brand, notice: Notice, now: datetime) -> str:
    """Store a verified notice and have its card looked at; the outcome in a word.

    A card that we did not send is left unconfirmed, which makes it useless.
    """
    event, fresh = inbox.record(
        session,
        source=f"{SOURCE}{brand.brand_id}",
        external_id=notice.id,
        kind=notice.event_type,
        body=notice.resource,
        now=now,
    )
    if not fresh:
        return event.outcome
    code = notice.resource.get("coupon_code")
    merchant_id = session.scalar(select(Merchant.id).where(Merchant.code == brand.merchant))
    outcome = "unknown"
    mine = merchant_id or 0
    if isinstance(code, str) and following.look_again(session, mine, code, now):
        enqueue(session, "coupons.pack_push", merchant_id=mine)
        outcome = "handled"
    inbox.mark_done(session, event.id, outcome=outcome, now=now)
    return outcome
