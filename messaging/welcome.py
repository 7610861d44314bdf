"""The welcome: which coupon a new follower gets, and the words that come with it."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.config import current_config
from core.outbox import enqueue
from messaging.accounts import mini_for_official
from messaging.menus import COUPONS, HOME
from messaging.models import Channel, Follower, OutboundMessage, WelcomeOffer
from messaging.sending import prepare
from messaging.words import mini_link


def set_offer(session: Session, merchant_id: int, coupon_template_id: int | None) -> None:
    """Choose the coupon for new followers of a merchant; None: no coupon."""
    offer = session.scalar(select(WelcomeOffer).where(WelcomeOffer.merchant_id == merchant_id))
    if offer is None:
        offer = WelcomeOffer(merchant_id=merchant_id)
        session.add(offer)
    offer.coupon_template_id = coupon_template_id
    session.flush()


def find_offer(session: Session, merchant_id: int) -> int | None:
    """The coupon template for new followers."""
    found = select(WelcomeOffer.coupon_template_id).where(WelcomeOffer.merchant_id == merchant_id)
    return session.scalar(found)


def prepare_welcome(
    session: Session, follower: Follower, *, gift: str | None, now: datetime
) -> OutboundMessage | None:
    """Write down the welcome message and queue its sending; once per follower, for ever.

    `gift` names the coupon they were given, if any. None: they were welcomed before.
    """
    mini = mini_for_official(follower.appid)
    base_url = current_config().app.base_url
    if gift:
        way = mini_link("点这里查看并使用 →", COUPONS, mini=mini, base_url=base_url)
        text = f"🎁 见面礼「{gift}」已放进你的卡包。\n{way}"
    else:
        way = mini_link("点这里点单 →", HOME, mini=mini, base_url=base_url)
        text = f"很高兴认识你，下单不用排队。\n{way}"
    message = prepare(
        session,
        key=f"welcome:{follower.id}",
        appid=follower.appid,
        openid=follower.openid,
        channel=Channel.customer_service,
        kind="welcome",
        payload={"type": "text", "text": text},
        now=now,
    )
    if message is not None:
        enqueue(session, "messaging.deliver", message_id=message.id)
    return message
