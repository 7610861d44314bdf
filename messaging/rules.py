"""What may not be said: WeChat's rule 3.9 for service templates and subscribe messages. Pure.

A template message carries no advert (3.9.2) and no coupon, voucher, red packet or membership card
(3.9.3); a subscribe message only what its template is about. Breaking it costs the template, the
capability, in the end the account.
"""

from collections.abc import Mapping
from typing import Any

from core.errors import Invalid
from messaging.models import Channel

MARKETING_KINDS = frozenset({"welcome", "campaign", "coupon", "advert", "promotion", "journey"})
_WORDS = ("优惠券", "代金券", "抵扣券", "领券", "红包", "会员卡", "促销", "特价", "抽奖", "满减")


class MarketingInTemplate(Invalid):
    code = "marketing_in_template"
    title = "服务通知里不能放优惠券或广告"


def refuse_marketing(
    channel: Channel,
    kind: str,
    payload: Mapping[str, Any],
    *,
    coupon_template_id: str | None,
) -> None:
    """Raise MarketingInTemplate when the message breaks the rule.

    `coupon_template_id` is the account's subscribe template about coupons: the only one in which a
    coupon may be announced.
    """
    if channel is Channel.template:
        words = "".join(str(value) for value in (payload.get("data") or {}).values())
        if kind in MARKETING_KINDS or any(word in words for word in _WORDS):
            raise MarketingInTemplate()
    if channel is Channel.subscribe and kind in MARKETING_KINDS:
        allowed = coupon_template_id is not None
        if not allowed or payload.get("template_id") != coupon_template_id:
            raise MarketingInTemplate("这个订阅模板不是用来通知优惠券的")
