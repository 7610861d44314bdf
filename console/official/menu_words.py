"""What the buttons of a menu do, in words: an answer by what it says, a page by its name."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from console.official import menu_form
from core.config import current_config
from messaging import answers, replies
from messaging.menus import DEFAULT_PAGES, REDEEM_KEY, STAFF_KEY
from messaging.menus.versions import Menus

STAFF_WORDS = {
    "今日": "今天的数字",
    "查": "查会员",
    "发券": "给会员发券",
    "核销": "核销一张券",
    "活动": "等点头的活动和退款",
    "退款": "等点头的退款",
    "帮助": "能做什么",
}
"""Commands that a tap may stand for (`official_account.commands`)."""
CONSOLE_PAGES = {
    "/console/": "今日",
    "/console/orders/": "订单",
    "/console/redeem/": "核销",
    "/console/inbox/": "会话",
    "/console/members/": "会员",
    "/console/campaigns/": "营销活动",
    "/console/stores/": "我的门店",
}
_SHOWN = 24

Options = list[tuple[str, str]]


@dataclass(frozen=True)
class Words:
    """`said` is what each menu key answers, as a draft or a rule has it."""

    said: dict[str, str]
    base_url: str

    def options(self, audience: str) -> Options:
        """What a button may answer: a text that there is, a new one, for staff a command."""
        texts = [(key, f"「{_short(text)}」") for key, text in self.said.items()]
        commands = [(STAFF_KEY + word, f"店员：{does}") for word, does in STAFF_WORDS.items()]
        return [*(commands if audience == "staff" else []), *texts, (menu_form.NEW, "另写一段…")]

    def of_key(self, key: str) -> str:
        """`回复「直接在这里留言…」`."""
        if key.startswith(STAFF_KEY):
            word = key.removeprefix(STAFF_KEY)
            return f"店员：{STAFF_WORDS.get(word, word)}"
        return f"回复「{_short(self.said[key])}」" if key in self.said else "回复（还没写）"

    def describe(self, button: dict[str, Any]) -> str:
        """`点单 → 小程序「首页」`."""
        does = self._does(button)
        return f"{button.get('name', '')} → {does}" if does else str(button.get("name", ""))

    def _does(self, button: dict[str, Any]) -> str:
        kind, url = button.get("type", ""), str(button.get("url", ""))
        match kind:
            case "miniprogram":
                page = str(button.get("pagepath", ""))
                return f"小程序「{dict(DEFAULT_PAGES).get(page, page)}」"
            case "view":
                page = menu_form.console_page(url, self.base_url)
                return f"控制台「{CONSOLE_PAGES.get(page, page)}」" if page else url
            case "click":
                return self.of_key(str(button.get("key", "")))
            case "text":
                return f"回复「{_short(str(button.get('value', '')))}」"
            case "scancode_waitmsg" if button.get("key") != REDEEM_KEY:
                return "扫码"
        return menu_form.TYPES.get(kind) or menu_form.KEPT.get(kind, "微信上的内容")


def read(session: Session, appid: str, menus: Menus | None) -> Words:
    """The words for an account, with what a version of its menus is to say besides."""
    said = {
        rule.word: answers.describe(rule.parts[0])
        for rule in replies.list_rules(session, appid)
        if rule.kind == replies.CLICK and rule.word and rule.parts
    }
    texts = (menus or {}).get("texts") or {}
    return Words({**texts, **said}, current_config().app.base_url.rstrip("/"))


def button_names(menus: Menus) -> dict[str, str]:
    """The name of the button behind each key."""
    names: dict[str, str] = {}
    for audience in ("default", "staff"):
        for top in (menus.get(audience) or {}).get("button") or []:
            for button in (top, *(top.get("sub_button") or [])):
                if button.get("key"):
                    names.setdefault(str(button["key"]), str(button.get("name", "")))
    return names


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
