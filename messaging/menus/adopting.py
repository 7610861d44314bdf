"""A menu as WeChat tells of it, made one that the interface takes back. Pure.

What was made by hand at WeChat's own pages holds kinds that only those pages know: a text becomes a
key that an answer of ours is found by, a picture a material, an article or a film its page.
"""

from typing import Any

from core.numbers import token_hash

Button = dict[str, Any]
TEXT_KEY = "live."
"""Before what names the text that a button said."""
MATERIALS = ("media_id", "article_id", "article_view_limited", "view_limited")
"""Kinds that show a material which WeChat has; the editor keeps them as they are."""
_FIELDS = ("type", "name", "key", "url", "appid", "pagepath", "media_id", "article_id")


def adopt(menu: dict[str, Any] | None) -> tuple[dict[str, Any], dict[str, str]]:
    """The menu, and the texts that its buttons say, by their keys."""
    texts: dict[str, str] = {}
    buttons: list[Button] = []
    for button in (menu or {}).get("button") or []:
        subs = below(button)
        if subs:
            adopted = {"name": str(button.get("name", ""))}
            buttons.append({**adopted, "sub_button": [_adopt(sub, texts) for sub in subs]})
        else:
            buttons.append(_adopt(button, texts))
    return {"button": buttons}, texts


def below(button: Button) -> list[Button]:
    """The buttons under one on top, which WeChat tells in two ways."""
    subs = button.get("sub_button") or []
    return list(subs.get("list") or [] if isinstance(subs, dict) else subs)


def material_field(kind: str) -> str:
    """Where a button that shows a material names it."""
    return "article_id" if kind.startswith("article") else "media_id"


def _adopt(button: Button, texts: dict[str, str]) -> Button:
    name, value = str(button.get("name", "")), str(button.get("value", ""))
    match button.get("type"):
        case "text":
            key = TEXT_KEY + token_hash(value)[:12]
            texts[key] = value
            return {"type": "click", "name": name, "key": key}
        case "img" | "photo" | "voice":
            return {"type": "media_id", "name": name, "media_id": value}
        case "news" | "video":
            return {"type": "view", "name": name, "url": _page(button) or value}
    return {field: button[field] for field in _FIELDS if button.get(field)}


def _page(button: Button) -> str:
    """Where the first article of a button can be read."""
    told = button.get("news_info")
    listed = told.get("list") if isinstance(told, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else {}
    return str(first.get("content_url", "")) if isinstance(first, dict) else ""
