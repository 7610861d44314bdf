"""Broadcasts of a service account (群发): one request for up to ten thousand followers.

WeChat answers with a number and tells hours later, in an event, how many were reached; never who.
A request carries a client id: repeated within a day it is recognised (45065) and not sent twice.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateways.wechat.api import Api
from gateways.wechat.errors import WechatError

FEWEST, MOST = 2, 10_000
"""How many openids one request takes."""
SENT_BEFORE = 45065
Content = Mapping[str, Any]


@dataclass(frozen=True)
class Accepted:
    """WeChat has the broadcast. `before`: it had it already under this client id."""

    msg_id: str
    before: bool = False


@dataclass(frozen=True)
class Quota:
    """Calls of one interface on this day."""

    daily_limit: int
    used: int
    remain: int


class Mass:
    """`content` is what `text`, `article`, `picture`, `voice` and `film` below make."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def send(self, openids: Sequence[str], content: Content, client_id: str) -> Accepted:
        """To these followers; from 2 to 10,000."""
        return self._send(
            "/cgi-bin/message/mass/send", {"touser": list(openids)}, content, client_id
        )

    def send_to_all(self, content: Content, client_id: str) -> Accepted:
        """To every follower, and into the account's history: the admin has to confirm it."""
        target = {"filter": {"is_to_all": True}}
        return self._send("/cgi-bin/message/mass/sendall", target, content, client_id)

    def preview(self, content: Content, *, openid: str = "", wechat_id: str = "") -> None:
        """Show it to one person only, by openid or by WeChat id. It costs nobody a broadcast."""
        target = {"touser": openid} if openid else {"towxname": wechat_id}
        if content["msgtype"] == "image":  # here of one picture, in a broadcast of several
            content = {"msgtype": "image", "image": {"media_id": content["images"]["media_ids"][0]}}
        self._api.post("/cgi-bin/message/mass/preview", {**target, **content})

    def status(self, msg_id: str) -> str:
        """SEND_SUCCESS, SENDING, SEND_FAIL or DELETE."""
        given = self._api.post("/cgi-bin/message/mass/get", {"msg_id": _number(msg_id)})
        return str(given.get("msg_status", "")).upper()

    def delete(self, msg_id: str) -> None:
        """Take an article or video back out of the chats; words stay."""
        self._api.post("/cgi-bin/message/mass/delete", {"msg_id": _number(msg_id)})

    def add_draft(self, article: Mapping[str, Any]) -> str:
        """Keep an article among the account's drafts; the media id to send it by."""
        given = self._api.post("/cgi-bin/draft/add", {"articles": [dict(article)]})
        return str(given.get("media_id", ""))

    def add_film(self, media_id: str, title: str, description: str) -> str:
        """Make a lasting film one that can be broadcast; the media id to send it by."""
        body = {"media_id": media_id, "title": title, "description": description}
        return str(self._api.post("/cgi-bin/media/uploadvideo", body).get("media_id", ""))

    def followers_of_tag(self, tag_id: int) -> Iterator[list[str]]:
        """Openids, page by page."""
        after = ""
        while True:
            body = {"tagid": tag_id, "next_openid": after}
            given = self._api.post("/cgi-bin/user/tag/get", body)
            openids = [str(openid) for openid in (given.get("data") or {}).get("openid", [])]
            if not openids:
                return
            yield openids
            after = str(given.get("next_openid") or "")
            if not after:
                return

    def quota(self, path: str) -> Quota:
        """What WeChat says is left of an interface today."""
        given = self._api.post("/cgi-bin/openapi/quota/get", {"cgi_path": path}).get("quota") or {}
        return Quota(*(int(given.get(name, 0)) for name in ("daily_limit", "used", "remain")))

    def _send(
        self, path: str, target: Mapping[str, Any], content: Content, client_id: str
    ) -> Accepted:
        body = {**target, **content, "send_ignore_reprint": 1, "clientmsgid": client_id}
        try:
            given = self._api.post(path, body)
        except WechatError as error:
            if error.errcode == SENT_BEFORE:
                return Accepted(str(error.answer.get("msg_id", "")), before=True)
            raise
        return Accepted(str(given.get("msg_id", "")))


def text(words: str) -> dict[str, Any]:
    return {"msgtype": "text", "text": {"content": words}}


def article(media_id: str) -> dict[str, Any]:
    return {"msgtype": "mpnews", "mpnews": {"media_id": media_id}}


def picture(media_id: str) -> dict[str, Any]:
    return {"msgtype": "image", "images": {"media_ids": [media_id]}}


def voice(media_id: str) -> dict[str, Any]:
    return {"msgtype": "voice", "voice": {"media_id": media_id}}


def film(media_id: str) -> dict[str, Any]:
    """`media_id` is what `Mass.add_film` answered."""
    return {"msgtype": "mpvideo", "mpvideo": {"media_id": media_id}}


def _number(msg_id: str) -> int | str:
    return int(msg_id) if msg_id.isascii() and msg_id.isdigit() else msg_id
