"""What a recipient reads. Pure.

A merchant's text may hold {昵称}, {券名} and {到期日}; each is filled in per person.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from core.clock import local
from core.config import MiniProgram
from coupons.models import CouponTemplate
from coupons.words import card_title
from messaging.words import gift_message, plain

COUPONS_PAGE = "pages/coupons/coupons"
THING = 20
STOPS, PAUSES = "。！？；!?;", "，、：, "


class Gift(NamedTuple):
    name: str
    expires_at: datetime
    title: str = ""  # what it is worth, for a card


def sample(template: CouponTemplate, now: datetime) -> Gift:
    """As if somebody were given one now, for a trial."""
    until = template.valid_until or now + timedelta(days=template.valid_days or 30)
    return Gift(template.name, until, card_title(template))


def fill(text: str, name: str, gift: Gift) -> str:
    """The text with the placeholders filled; somebody without a name is greeted without one."""
    day = f"{local(gift.expires_at):%-m 月 %-d 日}"
    return greet(text, name).replace("{券名}", gift.name).replace("{到期日}", day)


def greet(text: str, name: str) -> str:
    """The text for somebody by this name, without any coupon."""
    greeted = text.replace("{昵称}", plain(name)) if name else text.replace("{昵称}，", "")
    return greeted.replace("{昵称}", "你")


def brief(text: str) -> str:
    """As much of it as a field of a subscribe message takes, ended where a sentence or a clause
    ends: a reader sees no half of a word and no open bracket."""
    flat = " ".join(text.split())
    if len(flat) <= THING:
        return flat
    head = flat[:THING]
    if (end := max(head.rfind(stop) for stop in STOPS)) >= 0:
        return head[: end + 1]
    if (end := max(head.rfind(pause) for pause in PAUSES)) > 0:
        return head[:end]
    return f"{flat[: THING - 1]}…"


def chat(
    text: str,
    name: str,
    gift: Gift,
    mini: MiniProgram | None,
    base_url: str,
    picture: str = "",
) -> dict[str, Any]:
    """A customer-service text, and a card or a link to the coupon."""
    return gift_message(
        fill(text, name, gift),
        way="打开小程序用券 →",
        page=COUPONS_PAGE,
        title=gift.title,
        picture=picture,
        mini=mini,
        base_url=base_url,
    )


def subscribe(text: str, name: str, gift: Gift, template_id: str) -> dict[str, Any]:
    """A subscribe message about the coupon; WeChat takes 20 characters a field."""
    return {
        "template_id": template_id,
        "page": COUPONS_PAGE,
        "data": {
            "thing1": gift.name[:THING],
            "time2": f"{local(gift.expires_at):%Y年%-m月%-d日 %H:%M}",
            "thing3": brief(fill(text, name, gift)),
        },
    }
