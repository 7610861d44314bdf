"""Passive replies: what may be said in the answer to a callback."""

import re
from dataclasses import dataclass

_MAX_TEXT_BYTES = 2048
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Text:
    content: str


@dataclass(frozen=True)
class News:
    """One article: WeChat shows no more in a reply to a message."""

    title: str
    description: str
    url: str
    pic_url: str = ""


@dataclass(frozen=True)
class Transfer:
    """Hand the conversation to a human in WeChat's own customer service."""


Reply = Text | News | Transfer


def render(reply: Reply, *, to_user: str, from_user: str, seconds: int) -> str:
    """The reply as WeChat's XML."""
    match reply:
        case Text(content):
            kind, body = "text", _tag("Content", _cut(content))
        case News(title, description, url, pic_url):
            article = (
                _tag("Title", title)
                + _tag("Description", description)
                + _tag("PicUrl", pic_url)
                + _tag("Url", url)
            )
            kind = "news"
            body = f"<ArticleCount>1</ArticleCount><Articles><item>{article}</item></Articles>"
        case Transfer():
            kind, body = "transfer_customer_service", ""
    return (
        f"<xml>{_tag('ToUserName', to_user)}{_tag('FromUserName', from_user)}"
        f"<CreateTime>{seconds}</CreateTime>{_tag('MsgType', kind)}{body}</xml>"
    )


def envelope(encrypted: str, signature: str, timestamp: str, nonce: str) -> str:
    """The sealed reply as WeChat's XML."""
    return (
        f"<xml>{_tag('Encrypt', encrypted)}{_tag('MsgSignature', signature)}"
        f"<TimeStamp>{timestamp}</TimeStamp>{_tag('Nonce', nonce)}</xml>"
    )


def _tag(name: str, value: str) -> str:
    safe = _NOT_XML.sub("", value).replace("]]>", "]]]]><![CDATA[>")
    return f"<{name}><![CDATA[{safe}]]></{name}>"


def _cut(text: str) -> str:
    raw = _NOT_XML.sub("", text).encode()
    if len(raw) <= _MAX_TEXT_BYTES:
        return text
    return raw[: _MAX_TEXT_BYTES - 3].decode(errors="ignore") + "…"
