"""Texts for the chat. Pure."""

import re
from html import escape
from typing import Any

from core.config import MiniProgram

_TAGS = str.maketrans("<>", "＜＞")
_HOST_DOT = re.compile(r"(?<=\w)\.(?=[A-Za-z]{2})")


def plain(name: str) -> str:
    """A name that somebody chose, inside a text of ours: it makes no link, no line of its own."""
    words = " ".join(name.split()).translate(_TAGS)
    return _HOST_DOT.sub("．", words.replace("://", "：／／"))


def mini_link(text: str, page: str, *, mini: MiniProgram | None, base_url: str) -> str:
    """A link in a chat text that opens a page of the mini-program (or its browser build)."""
    url = f"{base_url.rstrip('/')}/m/#/{page}"
    if mini is None:
        return link(text, url)
    return (
        f'<a data-miniprogram-appid="{mini.appid}" data-miniprogram-path="{escape(page)}"'
        f' href="{escape(url)}">{text}</a>'
    )


def link(text: str, url: str) -> str:
    return f'<a href="{escape(url)}">{text}</a>'


def gift_message(
    text: str,
    *,
    way: str,
    page: str,
    title: str,
    picture: str,
    mini: MiniProgram | None,
    base_url: str,
) -> dict[str, Any]:
    """The payload of a text about a coupon: a card follows that opens it, or a link says `way`.

    A card needs a picture that the account has uploaded (`card_media_id`).
    """
    link_there = mini_link(way, page, mini=mini, base_url=base_url)
    if not picture or mini is None or not title:
        return {"type": "text", "text": f"{text}\n{link_there}"}
    card = {"title": title, "appid": mini.appid, "page": page, "thumb_media_id": picture}
    return {"type": "text", "text": text, "card": {**card, "instead": link_there}}


def gift_card(text: str, **offer: Any) -> dict[str, Any]:
    """The same with the card alone, where there is one: the greeting before it said the words."""
    told = gift_message(text, **offer)
    card = told.get("card")
    if card is None:
        return told
    return {"type": "mini_card", **card, "instead": f"{text}\n{card['instead']}"}
