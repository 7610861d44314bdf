"""What WeChat allows in a menu, said before it refuses. Pure.

Three buttons on top, five below each; names are counted in bytes, three for a Chinese character.
"""

from typing import Any
from urllib.parse import urlsplit

from messaging.menus.adopting import MATERIALS, material_field

MOST_TOP, MOST_SUB = 3, 5
NAME_TOP, NAME_SUB, KEY, URL = 16, 60, 128, 1024
MOST_DOMAINS = 3
KEYED = (
    "click",
    "scancode_push",
    "scancode_waitmsg",
    "pic_sysphoto",
    "pic_photo_or_album",
    "pic_weixin",
    "location_select",
)
"""The kinds of buttons that report their key."""

Button = dict[str, Any]


def size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def check(menu: dict[str, Any], *, conditional: bool = False) -> dict[str, str]:
    """What is wrong, by the button's place (`1`, `1.2`; "" for all of it); empty: nothing."""
    buttons = menu.get("button") or []
    wrong: dict[str, str] = {}
    if not 1 <= len(buttons) <= MOST_TOP:
        wrong[""] = f"最外层要有 1 到 {MOST_TOP} 个按钮"
    for top, button in enumerate(buttons):
        subs = button.get("sub_button") or []
        problem = _name(button, NAME_TOP)
        if len(subs) > MOST_SUB:
            problem = problem or f"下级最多 {MOST_SUB} 个"
        if not subs:
            problem = problem or _act(button)
        if problem:
            wrong[str(top)] = problem
        for below, sub in enumerate(subs):
            if problem := _name(sub, NAME_SUB) or _act(sub):
                wrong[f"{top}.{below}"] = problem
    if conditional and len(_domains(buttons)) > MOST_DOMAINS:
        wrong.setdefault("", f"给一部分人看的菜单最多链到 {MOST_DOMAINS} 个网站")
    return wrong


def _name(button: Button, most: int) -> str:
    name = str(button.get("name", ""))
    if not name.strip():
        return "名字要填"
    used = size(name)
    return f"名字占 {used} 字节，最多 {most}（一个汉字 3 字节）" if used > most else ""


def _act(button: Button) -> str:
    kind = button.get("type")
    if kind in KEYED:
        return _length(button.get("key"), KEY, "回复的话")
    if kind in ("view", "miniprogram"):
        url = str(button.get("url", ""))
        if urlsplit(url).scheme not in ("http", "https"):
            return "网址要以 https:// 开头"
        if kind == "miniprogram" and not (button.get("appid") and button.get("pagepath")):
            return "选一个小程序页面"
        return _length(url, URL, "网址")
    if kind in MATERIALS:
        return _length(button.get(material_field(kind)), URL, "素材")
    return "选点了以后做什么"


def _length(value: Any, most: int, what: str) -> str:
    if not value:
        return f"{what}要填"
    used = size(str(value))
    return f"{what}占 {used} 字节，最多 {most}" if used > most else ""


def _domains(buttons: list[Button]) -> set[str]:
    leaves = [leaf for button in buttons for leaf in button.get("sub_button") or [button]]
    return {urlsplit(leaf.get("url", "")).netloc for leaf in leaves if leaf.get("type") == "view"}
