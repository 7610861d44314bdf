"""The official account: followers, messages, menus, tags, parametric QR codes, OAuth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from core.config import OfficialAccount as Account
from gateways.wechat import jssdk, oauth
from gateways.wechat.api import Api
from gateways.wechat.callback import Callback
from gateways.wechat.errors import WechatError
from gateways.wechat.jssdk import PageSignature
from gateways.wechat.mass import Mass
from gateways.wechat.materials import Materials
from gateways.wechat.mini import text
from gateways.wechat.oauth import OAuthUser
from gateways.wechat.tokens import Tokens

_NO_MENU = 46003
_SEND = "/cgi-bin/message/custom/send"


@dataclass(frozen=True)
class UserInfo:
    """What WeChat still tells of a follower; of others only that they do not follow."""

    openid: str
    subscribed: bool
    unionid: str | None
    subscribe_time: datetime | None
    scene: str
    tag_ids: list[int]


@dataclass(frozen=True)
class FollowerPage:
    total: int
    openids: list[str]
    next: str


@dataclass(frozen=True)
class Ticket:
    """A parametric QR code: `url` is what it encodes, `image_url` a picture of it."""

    ticket: str
    url: str
    image_url: str


class OfficialAccount:
    def __init__(
        self, account: Account, api: Api, callback: Callback, *, oauth_base: str, mp_base: str
    ) -> None:
        self.account = account
        self.callback = callback
        self.mass = Mass(api)
        self.materials = Materials(api)
        self._api = api
        self._oauth_base = oauth_base
        self._mp_base = mp_base.rstrip("/")
        self._tickets = Tokens(f"{account.appid}:jsapi", self._fetch_ticket)

    def check(self) -> None:
        """Whether WeChat accepts our credentials. Raises WechatError or WechatUnavailable."""
        self._api.check()

    # Followers

    def user_info(self, openid: str) -> UserInfo:
        return _user(self._api.get("/cgi-bin/user/info", openid=openid, lang="zh_CN"), openid)

    def list_followers(self, after: str = "") -> FollowerPage:
        """Up to 10,000 openids after one, "" for the first."""
        given = self._api.get("/cgi-bin/user/get", next_openid=after)
        openids = [str(openid) for openid in (given.get("data") or {}).get("openid", [])]
        return FollowerPage(int(given.get("total", 0)), openids, str(given.get("next_openid", "")))

    def users(self, openids: Sequence[str]) -> list[UserInfo]:
        """What `user_info` tells, of at most 100 at once."""
        rows = [{"openid": openid, "lang": "zh_CN"} for openid in openids]
        given = self._api.post("/cgi-bin/user/info/batchget", {"user_list": rows})
        return [_user(row) for row in given.get("user_info_list", [])]

    def list_tagged(self, tag_id: int) -> list[str]:
        """The openids of all followers with a tag, 10,000 a call."""
        found: list[str] = []
        after = ""
        while True:
            body = {"tagid": tag_id, "next_openid": after}
            given = self._api.post("/cgi-bin/user/tag/get", body)
            page = [str(openid) for openid in (given.get("data") or {}).get("openid", [])]
            found += page
            after = str(given.get("next_openid", ""))
            if not page or not after:
                return found

    def create_tag(self, name: str) -> int:
        """The new tag's id. 45157: the name exists."""
        return int(self._api.post("/cgi-bin/tags/create", {"tag": {"name": name}})["tag"]["id"])

    def list_tags(self) -> dict[str, int]:
        """Tag ids by name."""
        given = self._api.get("/cgi-bin/tags/get")
        return {str(tag["name"]): int(tag["id"]) for tag in given.get("tags", [])}

    def tag_users(self, tag_id: int, openids: Sequence[str]) -> None:
        """At most 50 openids."""
        body = {"openid_list": list(openids), "tagid": tag_id}
        self._api.post("/cgi-bin/tags/members/batchtagging", body)

    def untag_users(self, tag_id: int, openids: Sequence[str]) -> None:
        """At most 50 openids."""
        body = {"openid_list": list(openids), "tagid": tag_id}
        self._api.post("/cgi-bin/tags/members/batchuntagging", body)

    # Customer-service messages: only in an open window (45015 over, 45047 used up)

    def send_text(self, openid: str, content: str) -> None:
        self._say(openid, "text", {"content": content})

    def send_news(
        self, openid: str, title: str, description: str, url: str, pic_url: str = ""
    ) -> None:
        article = {"title": title, "description": description, "url": url, "picurl": pic_url}
        self._say(openid, "news", {"articles": [article]})

    def send_mini_card(
        self, openid: str, title: str, appid: str, page: str, thumb_media_id: str
    ) -> None:
        card = {"title": title, "appid": appid, "pagepath": page, "thumb_media_id": thumb_media_id}
        self._say(openid, "miniprogrampage", card)

    def send_media(self, openid: str, kind: str, media_id: str) -> None:
        """A picture or a voice that was uploaded before: `kind` is image or voice."""
        self._say(openid, kind, {"media_id": media_id})

    def send_video(
        self, openid: str, media_id: str, thumb: str, title: str, description: str
    ) -> None:
        """A film that was uploaded before; without a `thumb` WeChat takes one of its own frames."""
        film = {"media_id": media_id, "title": title, "description": description}
        self._say(openid, "video", film | ({"thumb_media_id": thumb} if thumb else {}))

    def send_music(
        self, openid: str, title: str, description: str, url: str, thumb_media_id: str
    ) -> None:
        song = {"title": title, "description": description, "musicurl": url, "hqmusicurl": url}
        self._say(openid, "music", song | {"thumb_media_id": thumb_media_id})

    def media(self, media_id: str) -> bytes:
        """A picture or a voice that somebody sent; 40007 once its three days are over."""
        return self._api.file("/cgi-bin/media/get", media_id=media_id)

    def _say(self, openid: str, kind: str, content: dict[str, Any]) -> None:
        self._api.post(_SEND, {"touser": openid, "msgtype": kind, kind: content})

    # Template messages

    def send_template(
        self,
        openid: str,
        template_id: str,
        data: dict[str, str],
        url: str | None = None,
        mini: tuple[str, str] | None = None,
        client_msg_id: str | None = None,
    ) -> str:
        """WeChat's message id. `mini` is (appid, page) and wins over `url`.

        The same `client_msg_id` to the same openid is sent once within ten minutes, so a message
        whose outcome is unknown may be sent again.
        """
        body: dict[str, Any] = {
            "touser": openid,
            "template_id": template_id,
            "data": {key: {"value": value} for key, value in data.items()},
        }
        if url:
            body["url"] = url
        if mini:
            body["miniprogram"] = {"appid": mini[0], "pagepath": mini[1]}
        if client_msg_id:
            body["client_msg_id"] = client_msg_id
        return str(self._api.post("/cgi-bin/message/template/send", body).get("msgid", ""))

    # Menus and QR codes

    def create_menu(self, menu: dict[str, Any]) -> None:
        self._api.post("/cgi-bin/menu/create", menu)

    def add_conditional_menu(self, menu: dict[str, Any], tag_id: int) -> str:
        """A menu for the followers with this tag; the newest that matches wins. Its id."""
        body = {**menu, "matchrule": {"tag_id": str(tag_id)}}
        return str(self._api.post("/cgi-bin/menu/addconditional", body).get("menuid", ""))

    def get_menus(self) -> dict[str, Any]:
        """What the interface has published: `menu` and `conditionalmenu`; {} when nothing has been.

        A menu made by hand at WeChat's own pages shows in `current_menu` only.
        """
        try:
            return self._api.get("/cgi-bin/menu/get")
        except WechatError as error:
            if error.errcode == _NO_MENU:
                return {}
            raise

    def current_menu(self) -> dict[str, Any]:
        """What everybody sees now, however it was made: `is_menu_open`, `selfmenu_info`."""
        return self._api.get("/cgi-bin/get_current_selfmenu_info")

    def delete_conditional_menu(self, menu_id: str) -> None:
        self._api.post("/cgi-bin/menu/delconditional", {"menuid": menu_id})

    def create_qr(self, scene: str, expire_seconds: int | None = None) -> Ticket:
        """A QR code that follows and reports `scene` (1–64 characters); None: for ever."""
        path = "/cgi-bin/qrcode/create"
        body: dict[str, Any] = {
            "action_name": "QR_LIMIT_STR_SCENE",
            "action_info": {"scene": {"scene_str": scene}},
        }
        if expire_seconds is not None:
            body |= {"action_name": "QR_STR_SCENE", "expire_seconds": expire_seconds}
        given = self._api.post(path, body)
        ticket = text(path, given, "ticket")
        image = f"{self._mp_base}/cgi-bin/showqrcode?ticket={quote(ticket, safe='')}"
        return Ticket(ticket, text(path, given, "url"), image)

    # JavaScript of web pages

    def sign_page(self, url: str, *, now: datetime) -> PageSignature:
        """What a page at `url` hands to `wx.config`. The ticket is shared like the token."""
        return jssdk.sign(self.account.appid, self._tickets.get(), url, now=now)

    def _fetch_ticket(self) -> tuple[str, int]:
        path = "/cgi-bin/ticket/getticket"
        given = self._api.get(path, type="jsapi")
        return text(path, given, "ticket"), int(given.get("expires_in", 0))

    # OAuth

    def oauth_url(self, redirect_uri: str, state: str, scope: str = "snsapi_base") -> str:
        """Where to send a browser inside WeChat to learn who is there."""
        return oauth.page_url(self._oauth_base, self.account.appid, redirect_uri, state, scope)

    def oauth_user(self, code: str) -> OAuthUser:
        """Spend a code. Raises InvalidCode."""
        return oauth.spend(self._api, code)


def _user(given: dict[str, Any], openid: str = "") -> UserInfo:
    subscribed_at = given.get("subscribe_time")
    return UserInfo(
        openid=str(given.get("openid") or openid),
        subscribed=given.get("subscribe") == 1,
        unionid=given.get("unionid") or None,
        subscribe_time=datetime.fromtimestamp(subscribed_at, UTC) if subscribed_at else None,
        scene=str(given.get("subscribe_scene", "")),
        tag_ids=list(given.get("tagid_list", [])),
    )
