"""The form of a menu: three buttons on top, five below each; the form is the menu. Pure."""

from collections.abc import Mapping
from typing import Any

from messaging.menus import checking

TYPES = {
    "miniprogram": "打开小程序",
    "view": "打开网页",
    "click": "回复一段话",
    "scancode_waitmsg": "扫码（核销）",
    "scancode_push": "扫一扫",
    "pic_photo_or_album": "发照片",
    "location_select": "发位置",
    "group": "有下级菜单",
}
HINTS = {
    "miniprogram": "小程序页面",
    "view": "网址",
    "click": "编号，自动回复里对上它",
    "scancode_waitmsg": "编号，核销填 redeem",
}

Button = dict[str, Any]


def read(form: Mapping[str, str], *, mini_appid: str, base_url: str) -> dict[str, Any]:
    """The menu as WeChat wants it; a place without a name and a kind is empty."""
    buttons: list[Button] = []
    for top in range(checking.MOST_TOP):
        button = _button(form, f"{top}", mini_appid, base_url)
        if button is None:
            continue
        if form.get(f"{top}.type") == "group":
            subs = [
                _button(form, f"{top}.{below}", mini_appid, base_url)
                for below in range(checking.MOST_SUB)
            ]
            button = {"name": button["name"], "sub_button": [sub for sub in subs if sub]}
        buttons.append(button)
    return {"button": buttons}


def typed(menu: dict[str, Any]) -> dict[str, str]:
    """A menu as its form shows it."""
    values: dict[str, str] = {}
    for top, button in enumerate(menu.get("button") or []):
        values |= _typed(str(top), button)
        for below, sub in enumerate(button.get("sub_button") or []):
            values |= _typed(f"{top}.{below}", sub)
    return values


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


def _place(form: Mapping[str, str], path: str, most: int) -> dict[str, Any]:
    name, kind = form.get(f"{path}.name", ""), form.get(f"{path}.type", "")
    return {
        "path": path,
        "name": name,
        "type": kind,
        "value": form.get(f"{path}.value", ""),
        "bytes": f"{checking.size(name)} / {most} 字节" if name else "",
        "hint": HINTS.get(kind, "编号"),
    }


def _button(form: Mapping[str, str], path: str, mini_appid: str, base_url: str) -> Button | None:
    name, kind = form.get(f"{path}.name", "").strip(), form.get(f"{path}.type", "")
    value = form.get(f"{path}.value", "").strip()
    if not name and not kind:
        return None
    button: Button = {"type": kind, "name": name}
    if kind == "miniprogram":
        url = f"{base_url}/m/#/{value}"
        return {**button, "url": url, "appid": mini_appid, "pagepath": value}
    if kind == "view":
        return {**button, "url": value}
    return {**button, "key": value} if kind in checking.KEYED else button


def _typed(path: str, button: Button) -> dict[str, str]:
    kind = "group" if button.get("sub_button") else str(button.get("type", ""))
    value = button.get("pagepath") or button.get("url") or button.get("key") or ""
    return {f"{path}.name": str(button["name"]), f"{path}.type": kind, f"{path}.value": str(value)}
