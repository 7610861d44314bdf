"""Passive replies: what may be said in the answer to a callback."""

import re
from dataclasses import dataclass

_MAX_TEXT_BYTES = 2048
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Text:
    content: str


@dataclass(frozen=True)
class Image:
    media_id: str


@dataclass(frozen=True)
class Voice:
    media_id: str


@dataclass(frozen=True)
class Video:
    media_id: str
    title: str = ""
    description: str = ""


@dataclass(frozen=True)
class Music:
    """`thumb_media_id` is the picture beside the title; WeChat insists on one."""

    title: str
    description: str
    url: str
    thumb_media_id: str
    hq_url: str = ""


@dataclass(frozen=True)
class News:
    """One article: WeChat shows no more in a reply to a message."""

    title: str
    description: str
    url: str
    pic_url: str = ""


@dataclass(frozen=True)
class Transfer:
    """Hand the conversation to a human in WeChat's own customer service, to one if named."""

    account: str = ""


Reply = Text | Image | Voice | Video | Music | News | Transfer


def render(reply: Reply, *, to_user: str, from_user: str, seconds: int) -> str:
    """The reply as WeChat's XML."""
    kind, body = _body(reply)
    return (
        f"<xml>{_tag('ToUserName', to_user)}{_tag('FromUserName', from_user)}"
        f"<CreateTime>{seconds}</CreateTime>{_tag('MsgType', kind)}{body}</xml>"
    )


def _body(reply: Reply) -> tuple[str, str]:
    """WeChat's word for the kind, and the elements that go with it."""
    match reply:
        case Text(content):
            return "text", _tag("Content", _cut(content))
        case Image(media_id):
            return "image", f"<Image>{_tag('MediaId', media_id)}</Image>"
        case Voice(media_id):
            return "voice", f"<Voice>{_tag('MediaId', media_id)}</Voice>"
        case Video(media_id, title, description):
            inner = _tag("MediaId", media_id) + _tag("Title", title)
            return "video", f"<Video>{inner}{_tag('Description', description)}</Video>"
        case Music(title, description, url, thumb, hq_url):
            inner = _tag("Title", title) + _tag("Description", description)
            inner += _tag("MusicUrl", url) + _tag("HQMusicUrl", hq_url or url)
            return "music", f"<Music>{inner}{_tag('ThumbMediaId', thumb)}</Music>"
        case News(title, description, url, pic_url):
            article = _tag("Title", title) + _tag("Description", description)
            article += _tag("PicUrl", pic_url) + _tag("Url", url)
            count = "<ArticleCount>1</ArticleCount>"
            return "news", f"{count}<Articles><item>{article}</item></Articles>"
        case Transfer(account):
            whom = f"<TransInfo>{_tag('KfAccount', account)}</TransInfo>" if account else ""
            return "transfer_customer_service", whom


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
