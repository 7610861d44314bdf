"""Passive replies: opened and checked as strictly as WeChat does, then shown in the chat."""

from typing import Any

from sandbox.settings import Account
from sandbox.wechat import crypto, xml

TEXT_BYTES = 2048


class BadReply(ValueError):
    """WeChat would show the person that the account's service is broken."""


def read(account: Account, sealed: bool, body: str, openid: str) -> dict[str, Any] | None:
    """The reply's fields, or None for silence ("" and "success"). Raises BadReply."""
    text = body.strip()
    if text in ("", "success"):
        return None
    fields = _parse(text)
    if "Encrypt" in fields:
        fields = _parse(_open(account, fields))
    elif sealed and account.mode == "safe":
        raise BadReply("a reply in safe mode must be sealed")
    if fields.get("ToUserName") != openid or fields.get("FromUserName") != account.original_id:
        raise BadReply("the reply goes to somebody else")
    if not str(fields.get("CreateTime", "")).isdigit():
        raise BadReply("CreateTime is missing")
    return fields


def content(fields: dict[str, Any]) -> dict[str, Any] | None:
    """The reply as a chat message; None for a transfer to customer service."""
    kind = fields.get("MsgType")
    if kind == "text":
        text = fields.get("Content", "")
        if not text or len(text.encode()) > TEXT_BYTES:
            raise BadReply("text must have 1 to 2048 bytes")
        return {"kind": "text", "text": text}
    if kind == "news":
        return _news(fields)
    if kind in ("image", "voice", "video", "music"):
        part = fields.get(kind.capitalize())
        if not isinstance(part, dict):
            raise BadReply(f"{kind} without its element")
        shown = {"kind": kind, **{name.lower(): value for name, value in part.items()}}
        if "MediaId" in part:
            shown["pic_url"] = f"/sandbox/media/{part['MediaId']}"
        return {**shown, "url": part["MusicUrl"]} if kind == "music" else shown
    if kind == "transfer_customer_service":
        return None
    raise BadReply(f"unknown MsgType {kind!r}")


def _news(fields: dict[str, Any]) -> dict[str, Any]:
    articles = fields.get("Articles")
    if not isinstance(articles, list) or not articles:
        raise BadReply("news without articles")
    if str(fields.get("ArticleCount")) != str(len(articles)) or len(articles) > 1:
        raise BadReply("news replies carry exactly one article")
    article = articles[0]
    return {
        "kind": "news",
        "articles": [
            {
                "title": article.get("Title", ""),
                "description": article.get("Description", ""),
                "url": article.get("Url", ""),
                "pic_url": article.get("PicUrl", ""),
            }
        ],
    }


def _parse(text: str) -> dict[str, Any]:
    try:
        return xml.parse(text)
    except ValueError as error:
        raise BadReply(str(error)) from error


def _open(account: Account, fields: dict[str, Any]) -> str:
    parts = [str(fields.get(name, "")) for name in ("TimeStamp", "Nonce", "Encrypt")]
    expected = crypto.signature(account.token, *parts)
    if not crypto.same(expected, str(fields.get("MsgSignature", ""))):
        raise BadReply("MsgSignature does not match")
    try:
        return crypto.unseal(account.encoding_aes_key, account.appid, parts[2]).decode()
    except (crypto.Unsealed, UnicodeDecodeError) as error:
        raise BadReply(str(error)) from error
