"""What a recipient reads. Pure.

A merchant's text may hold {昵称}; beside a coupon {券名} and {到期日}, beside points {积分}. Each
is filled in per person.
"""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from core.clock import local
from core.config import MiniProgram
from coupons.models import CouponTemplate
from coupons.words import card_title
from messaging.words import gift_message, plain

COUPONS_PAGE, POINTS_PAGE, SHOP_PAGE = (
    "pages/coupons/coupons",
    "pages/points/points",
    "pages/menu/menu",
)
OF_COUPONS, OF_POINTS = ("{券名}", "{到期日}"), ("{积分}",)
WAYS = {
    COUPONS_PAGE: "打开小程序用券 →",
    POINTS_PAGE: "打开小程序看积分 →",
    SHOP_PAGE: "打开小程序看看 →",
}
THING = 20
STOPS, PAUSES = "。！？；!?;", "，、：, "


class Gift(NamedTuple):
    """A coupon until `expires_at`; without a date so many points."""

    name: str
    expires_at: datetime | None = None
    title: str = ""  # what it is worth, for a card


def of_points(points: int) -> Gift:
    return Gift(f"{points:,}", None, f"{points:,} 积分到账")


def page_of(gift: Gift | None) -> str:
    """What a message about it opens."""
    if gift is None:
        return SHOP_PAGE
    return COUPONS_PAGE if gift.expires_at is not None else POINTS_PAGE


def wrong_placeholder(text: str, *, coupon: bool, points: bool) -> str:
    """The first placeholder that nothing would fill in, or empty."""
    held = ((OF_COUPONS, coupon), (OF_POINTS, points))
    return next((p for names, has in held if not has for p in names if p in text), "")


def sample(template: CouponTemplate, now: datetime) -> Gift:
    """As if somebody were given one now, for a trial."""
    until = template.valid_until or now + timedelta(days=template.valid_days or 30)
    return Gift(template.name, until, card_title(template))


def fill(text: str, name: str, gift: Gift | None) -> str:
    """The text with the placeholders filled; somebody without a name is greeted without one."""
    greeted = greet(text, name)
    if gift is None:
        return greeted
    if gift.expires_at is None:
        return greeted.replace("{积分}", gift.name)
    day = f"{local(gift.expires_at):%-m 月 %-d 日}"
    return greeted.replace("{券名}", gift.name).replace("{到期日}", day)


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
    gift: Gift | None,
    mini: MiniProgram | None,
    base_url: str,
    picture: str = "",
) -> dict[str, Any]:
    """A customer-service text, and a card or a link to what was given."""
    return gift_message(
        fill(text, name, gift),
        way=WAYS[page_of(gift)],
        page=page_of(gift),
        title=gift.title if gift else "",
        picture=picture,
        mini=mini,
        base_url=base_url,
    )


def subscribe(text: str, name: str, gift: Gift, template_id: str) -> dict[str, Any]:
    """A subscribe message about the coupon; WeChat takes 20 characters a field."""
    assert gift.expires_at is not None
    return {
        "template_id": template_id,
        "page": COUPONS_PAGE,
        "data": {
            "thing1": gift.name[:THING],
            "time2": f"{local(gift.expires_at):%Y年%-m月%-d日 %H:%M}",
            "thing3": brief(fill(text, name, gift)),
        },
    }
