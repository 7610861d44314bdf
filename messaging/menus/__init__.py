"""The official account's menus: everybody's, and the one that staff see instead. Pure.

Three buttons on top, names of at most 16 bytes; staff are told apart by a tag, since WeChat takes
no other condition any more.
"""

from typing import Any
from urllib.parse import urlencode

REDEEM_KEY = "redeem"
CONTACT_KEY = "contact"
STAFF_KEY = "staff:"
"""Before the word that a tap of the staff menu stands for (`official_account.commands`)."""
HOME, COUPONS, MEMBER, STORES, ORDERS = (
    "pages/home/home",
    "pages/coupons/coupons",
    "pages/member/member",
    "pages/stores/stores",
    "pages/orders/orders",
)
DEFAULT_PAGES = (
    (HOME, "首页"),
    ("pages/menu/menu", "点单"),
    (COUPONS, "券包"),
    (MEMBER, "会员中心"),
    (ORDERS, "我的订单"),
    (STORES, "附近门店"),
)
"""Pages of the mini-program that a button or a card may open, in words."""


def default_menu(*, mini_appid: str | None, base_url: str) -> dict[str, Any]:
    """点单, 券包 and 会员, each into the mini-program; without one, into its browser build."""

    def page(name: str, path: str) -> dict[str, Any]:
        return _page(name, path, mini_appid, base_url)

    return {
        "button": [
            page("点单", HOME),
            page("券包", COUPONS),
            {
                "name": "会员",
                "sub_button": [
                    page("会员中心", MEMBER),
                    page("我的订单", ORDERS),
                    page("附近门店", STORES),
                    {"type": "click", "name": "联系我们", "key": CONTACT_KEY},
                ],
            },
        ]
    }


def staff_menu(*, appid: str, base_url: str) -> dict[str, Any]:
    """扫码核销 and 店务 answer in the chat; the rest opens the console, which asks who is there."""

    def console(path: str) -> str:
        return console_url(base_url, appid, path)

    def tap(name: str, word: str) -> dict[str, Any]:
        return {"type": "click", "name": name, "key": f"{STAFF_KEY}{word}"}

    return {
        "button": [
            {"type": "scancode_waitmsg", "name": "扫码核销", "key": REDEEM_KEY},
            {"type": "view", "name": "今日订单", "url": console("/console/orders/")},
            {
                "name": "店务",
                "sub_button": [
                    tap("今日数字", "今日"),
                    tap("查会员", "查"),
                    tap("发券", "发券"),
                    tap("待审与退款", "活动"),
                    {"type": "view", "name": "我的门店", "url": console("/console/stores/")},
                ],
            },
        ]
    }


def console_url(base_url: str, appid: str, path: str) -> str:
    """A page of the console, which asks WeChat who is there."""
    return f"{base_url}/console/enter?{urlencode({'appid': appid, 'next': path})}"


def _page(name: str, path: str, mini_appid: str | None, base_url: str) -> dict[str, Any]:
    url = f"{base_url}/m/#/{path}"
    if mini_appid is None:
        return {"type": "view", "name": name, "url": url}
    return {
        "type": "miniprogram",
        "name": name,
        "url": url,
        "appid": mini_appid,
        "pagepath": path,
    }
