"""The welcome: the words for a new follower, with the coupon they were given."""

from datetime import datetime

from sqlalchemy.orm import Session

from core.config import current_config
from core.outbox import enqueue
from messaging.accounts import find_official, mini_for_official
from messaging.menus import COUPONS, HOME
from messaging.models import Channel, Follower, OutboundMessage
from messaging.sending import prepare
from messaging.words import gift_card, mini_link


def gift_key(merchant_id: int, member_id: int) -> str:
    """Under which the coupon of a welcome is issued: once for ever."""
    return f"welcome:{merchant_id}:{member_id}"


def prepare_welcome(
    session: Session,
    follower: Follower,
    *,
    gift: str | None,
    title: str = "",
    until: str = "",
    now: datetime,
) -> OutboundMessage | None:
    """Write down the welcome message and queue its sending; once per follower, for ever.

    `gift` names the coupon they were given, if any, `title` says on a card what it is worth, and
    `until` the day before which it is good.
    None: they were welcomed before.
    """
    mini = mini_for_official(follower.appid)
    base_url = current_config().app.base_url
    if gift:
        official = find_official(follower.appid)
        payload = gift_card(
            f"见面礼「{gift}」已放进你的券包，{until}前用。",
            way="点这里查看并使用 →",
            page=COUPONS,
            title=f"{title}，{until}前用" if title else "",
            picture=official.card_media_id if official else "",
            mini=mini,
            base_url=base_url,
        )
    else:
        way = mini_link("点这里点单 →", HOME, mini=mini, base_url=base_url)
        payload = {"type": "text", "text": f"很高兴认识你，下单不用排队。\n{way}"}
    message = prepare(
        session,
        key=f"welcome:{follower.id}",
        appid=follower.appid,
        openid=follower.openid,
        channel=Channel.customer_service,
        kind="welcome",
        payload=payload,
        now=now,
    )
    if message is not None:
        enqueue(session, "messaging.deliver", message_id=message.id)
    return message
