"""What may not be said: WeChat's rule 3.9 for service templates and subscribe messages. Pure.

A template message carries no advert (3.9.2) and no coupon, voucher, red packet or membership card
(3.9.3); a subscribe message only what its template is about. Breaking it costs the template, the
capability, in the end the account.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any

from core.errors import Invalid
from messaging.models import Channel
from messaging.templates import is_for_marketing

MARKETING_KINDS = frozenset(
    {"welcome", "campaign", "coupon", "advert", "promotion", "journey", "reminder"}
)
_WORDS = (
    "优惠券",
    "代金券",
    "抵扣券",
    "折扣券",
    "兑换券",
    "体验券",
    "消费券",
    "领券",
    "送券",
    "用券",
    "红包",
    "会员卡",
    "储值卡",
    "促销",
    "特价",
    "秒杀",
    "抽奖",
    "满减",
    "立减",
    "买一送一",
    "限时优惠",
    "优惠活动",
)


class MarketingInTemplate(Invalid):
    code = "marketing_in_template"
    title = "服务通知里不能放优惠券或广告"


def refuse_marketing(
    channel: Channel, kind: str, payload: Mapping[str, Any], *, moment: str | None
) -> None:
    """Raise MarketingInTemplate when the message breaks the rule; it names the word.

    `moment` is what the template is bound to (`messaging.templates`): a subscribe message may
    announce a coupon only where the moment is about coupons.
    """
    if channel is Channel.template:
        if kind in MARKETING_KINDS:
            raise MarketingInTemplate("模板消息只能通知服务，活动请走客服消息、订阅消息或群发")
        if word := find_advert(payload):
            raise MarketingInTemplate(f"「{word}」不能出现在服务通知里")
    if channel is Channel.subscribe and kind in MARKETING_KINDS and not is_for_marketing(moment):
        raise MarketingInTemplate("这个订阅模板不是用来通知优惠券的")


def find_advert(payload: Mapping[str, Any]) -> str | None:
    """The first word of an advert in what a template message would show, however it is spaced."""
    return find_word("".join(str(value) for value in (payload.get("data") or {}).values()))


def find_word(text: str) -> str | None:
    """The first word of an advert in a text that may only speak of a service."""
    said = _plain(text)
    return next((word for word in _WORDS if word in said), None)


def _plain(text: str) -> str:
    """Letters and digits alone, in their usual width: dots and gaps between them hide nothing."""
    return "".join(char for char in unicodedata.normalize("NFKC", text) if char.isalnum())
