"""What each message template is for: the registry that the planner and the content check read.

A template is bound in the configuration to a moment (`subscribe_templates`, `templates`). WeChat
lets a subscribe message say only what its template is about, so a coupon travels in those moments
that are about coupons; every other one is a service to somebody who waits for it.
"""

from dataclasses import dataclass
from enum import StrEnum

from messaging.accounts import find_mini, find_official


class Purpose(StrEnum):
    service = "service"
    marketing = "marketing"


@dataclass(frozen=True)
class Moment:
    """When a template is used, in the shop's words."""

    name: str
    purpose: Purpose
    when: str


MOMENTS: dict[str, Moment] = {
    "order_ready": Moment("取餐提醒", Purpose.service, "做好了叫人来取"),
    "new_order": Moment("新订单提醒", Purpose.service, "有新单时叫店员"),
    "order_changed": Moment("订单变化", Purpose.service, "退款、取消等变化"),
    "booking_soon": Moment("预约提醒", Purpose.service, "预约的时间快到了"),
    "points_changed": Moment("积分变动", Purpose.service, "积分到账或快过期"),
    "coupon_arrived": Moment("优惠券到账", Purpose.marketing, "送出一张券的时候"),
    "coupon_expiring": Moment("优惠券快过期", Purpose.marketing, "券过期前几天"),
}


def moment_of(appid: str, template_id: str) -> str | None:
    """The moment that an account's template stands for; None for a template nobody bound."""
    mini, official = find_mini(appid), find_official(appid)
    bound = mini.subscribe_templates if mini else official.templates if official else {}
    return next((moment for moment, known in bound.items() if known == template_id), None)


def is_for_marketing(moment: str | None) -> bool:
    found = MOMENTS.get(moment or "")
    return found is not None and found.purpose is Purpose.marketing
