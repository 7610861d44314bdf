"""Texts for the chat. Pure."""

from html import escape

from core.config import MiniProgram


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
