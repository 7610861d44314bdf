"""The form of a menu: three buttons on top, five below each; the form is the menu. Pure.

What a button does is chosen in words; the keys and addresses behind it are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from core.numbers import token_hash
from messaging.menus import REDEEM_KEY, checking, console_url
from messaging.menus.adopting import MATERIALS, TEXT_KEY, material_field

CONSOLE, NEW = "console", "+"
TYPES = {
    "miniprogram": "打开小程序",
    "view": "打开网页",
    "click": "回复一段话",
    CONSOLE: "打开控制台",
    "scancode_waitmsg": "扫码核销",
    "scancode_push": "扫一扫",
    "pic_photo_or_album": "发照片",
    "location_select": "发位置",
    "group": "有下级菜单",
}
KEPT = {
    "pic_sysphoto": "拍照",
    "pic_weixin": "从相册发照片",
    **dict.fromkeys(MATERIALS, "微信上的素材"),
}
"""Kinds that nobody is offered, but that a menu may come with: they stay as they are."""

Button = dict[str, Any]


@dataclass
class Drawn:
    """A menu as WeChat wants it, and the texts that its new keys stand for."""

    menu: dict[str, Any]
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Reader:
    form: Mapping[str, str]
    mini_appid: str
    base_url: str
    appid: str
    texts: dict[str, str]

    def button(self, path: str) -> Button | None:
        form = self.form
        name, kind = form.get(f"{path}.name", "").strip(), form.get(f"{path}.type", "")
        value = _fitting(kind, form.get(f"{path}.value", "").strip())
        if not name and not kind:
            return None
        button: Button = {"type": kind, "name": name}
        if kind == "miniprogram":
            return {**button, **self._page(path, value)}
        if kind == CONSOLE:
            there = console_url(self.base_url, self.appid, value or "/console/")
            return {**button, "type": "view", "url": there}
        if kind == "view":
            return {**button, "url": value}
        if kind in MATERIALS:
            return {**button, material_field(kind): value}
        if kind == "click":
            return {**button, "key": self._key(path, value)}
        if kind == "scancode_waitmsg":
            return {**button, "key": REDEEM_KEY}
        return {**button, "key": value or kind} if kind in checking.KEYED else button

    def _page(self, path: str, value: str) -> dict[str, str]:
        """Ours, unless it still opens the page of another mini-program that it came with."""
        given = {part: self.form.get(f"{path}.{part}", "") for part in ("appid", "page", "url")}
        if given["appid"] and given["page"] == value:
            return {"url": given["url"], "appid": given["appid"], "pagepath": value}
        url = f"{self.base_url}/m/#/{value}"
        return {"url": url, "appid": self.mini_appid, "pagepath": value}

    def _key(self, path: str, value: str) -> str:
        """Of the answer that was chosen, or of a new one that is typed beside it."""
        if value != NEW:
            return value
        text = self.form.get(f"{path}.text", "").strip()
        if not text:
            return ""
        key = TEXT_KEY + token_hash(text)[:12]
        self.texts[key] = text
        return key


def read(form: Mapping[str, str], *, mini_appid: str, base_url: str, appid: str) -> Drawn:
    """What is drawn; a place without a name and a kind is empty."""
    drawn = Drawn({"button": []})
    reader = _Reader(form, mini_appid, base_url, appid, drawn.texts)
    for top in range(checking.MOST_TOP):
        button = reader.button(f"{top}")
        if button is None:
            continue
        if form.get(f"{top}.type") == "group":
            subs = [reader.button(f"{top}.{below}") for below in range(checking.MOST_SUB)]
            button = {"name": button["name"], "sub_button": [sub for sub in subs if sub]}
        drawn.menu["button"].append(button)
    return drawn


def typed(menu: dict[str, Any], *, base_url: str) -> dict[str, str]:
    """A menu as its form shows it."""
    values: dict[str, str] = {}
    for top, button in enumerate(menu.get("button") or []):
        values |= _typed(str(top), button, base_url)
        for below, sub in enumerate(button.get("sub_button") or []):
            values |= _typed(f"{top}.{below}", sub, base_url)
    return values


def console_page(url: str, base_url: str) -> str:
    """Which page of the console an address opens; "" for any other address."""
    if not url.startswith(f"{base_url}/console/enter?"):
        return ""
    return parse_qs(urlsplit(url).query).get("next", [""])[0]


def places(form: Mapping[str, str], wrong: dict[str, str]) -> list[dict[str, Any]]:
    """What the template draws: each top place with the places below it, and what is wrong there.

    What is empty does not count in `wrong`, so the places are matched in their order.
    """
    drawn: list[dict[str, Any]] = []
    used = 0
    for top in range(checking.MOST_TOP):
        place = _place(form, f"{top}", checking.NAME_TOP)
        filled = bool(place["name"].strip() or place["type"])
        place["problem"] = wrong.get(str(used), "") if filled else ""
        subs, used_below = [], 0
        for below in range(checking.MOST_SUB if place["type"] == "group" else 0):
            sub = _place(form, f"{top}.{below}", checking.NAME_SUB)
            here = bool(sub["name"].strip() or sub["type"])
            sub["problem"] = wrong.get(f"{used}.{used_below}", "") if here else ""
            used_below += here
            subs.append(sub)
        place["subs"] = subs
        used += filled
        drawn.append(place)
    return drawn


def _fitting(kind: str, value: str) -> str:
    """What was chosen, unless it was for the kind that the button was before."""
    fits = {
        "miniprogram": "/" in value and not value.startswith(("http", "/")),
        CONSOLE: value.startswith("/console/"),
        "view": "://" in value,
        "click": "/" not in value,
    }
    return value if fits.get(kind, True) else ""


def _place(form: Mapping[str, str], path: str, most: int) -> dict[str, Any]:
    name, kind = form.get(f"{path}.name", ""), form.get(f"{path}.type", "")
    parts = ("text", "appid", "page", "url")
    return {
        "path": path,
        "name": name,
        "type": kind,
        "value": _fitting(kind, form.get(f"{path}.value", "")),
        "kept": KEPT.get(kind, ""),
        "bytes": f"{checking.size(name)} / {most} 字节" if name else "",
        **{part: form.get(f"{path}.{part}", "") for part in parts},
    }


def _typed(path: str, button: Button, base_url: str) -> dict[str, str]:
    kind = "group" if button.get("sub_button") else str(button.get("type", ""))
    fields = ("pagepath", "url", "key", "media_id", "article_id")
    value = next((str(button[field]) for field in fields if button.get(field)), "")
    values = {f"{path}.name": str(button["name"])}
    if kind == "view" and (page := console_page(value, base_url)):
        kind, value = CONSOLE, page
    if kind == "miniprogram":
        whose = {"appid": button.get("appid", ""), "page": value, "url": button.get("url", "")}
        values |= {f"{path}.{part}": str(given) for part, given in whose.items()}
    return values | {f"{path}.type": kind, f"{path}.value": value}
