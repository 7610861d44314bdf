"""The mini-program: log-in codes, phone numbers, subscribe messages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.config import MiniProgram as Account
from gateways.wechat.api import Api
from gateways.wechat.callback import Callback
from gateways.wechat.errors import InvalidCode, WechatError, WechatUnavailable
from gateways.wechat.shipping import ShippingCounter

_BAD_CODES = {40029, 40163, 41008, 42003}
_NOT_THEIRS = 40003


@dataclass(frozen=True)
class Session:
    """Who logged in. `session_key` must not leave the server."""

    openid: str
    unionid: str | None
    session_key: str = field(repr=False)


@dataclass(frozen=True)
class Card:
    """A service card at WeChat. `state`: 0 well, 1 at risk, 2 wrong, 10 refused by its person."""

    content: dict[str, Any]
    state: int


class MiniProgram:
    def __init__(self, account: Account, api: Api, callback: Callback) -> None:
        self.account = account
        self.callback = callback
        self.shipping = ShippingCounter(api)
        self._api = api

    def check(self) -> None:
        """Whether WeChat accepts our credentials. Raises WechatError or WechatUnavailable."""
        self._api.check()

    def code_to_session(self, code: str) -> Session:
        """Spend a `wx.login` code. Raises InvalidCode when it is wrong, used or out of time."""
        path = "/sns/jscode2session"
        try:
            given = self._api.sns(path, js_code=code, grant_type="authorization_code")
        except WechatError as error:
            raise _as_invalid_code(error) from None
        return Session(
            text(path, given, "openid"),
            given.get("unionid") or None,
            str(given.get("session_key", "")),
        )

    def phone_number(self, code: str, openid: str) -> str:
        """Spend a phone code (not a log-in code): the number, foreign ones with their country.

        WeChat checks that it was given to `openid`. Raises InvalidCode when it was not, or is
        wrong, used or out of time.
        """
        path = "/wxa/business/getuserphonenumber"
        try:
            given = self._api.post(path, {"code": code, "openid": openid})
        except WechatError as error:
            if error.errcode == _NOT_THEIRS:
                raise InvalidCode from None
            raise _as_invalid_code(error) from None
        info = given.get("phone_info")
        return text(path, info if isinstance(info, dict) else {}, "phoneNumber")

    def send_subscribe(
        self, openid: str, template_id: str, data: dict[str, str], page: str = ""
    ) -> None:
        """Spend one granted message. 43101: nothing is granted."""
        body: dict[str, Any] = {
            "touser": openid,
            "template_id": template_id,
            "data": {key: {"value": value} for key, value in data.items()},
        }
        if page:
            body["page"] = page.lstrip("/")
        self._api.post("/cgi-bin/message/subscribe/send", body)

    def show_card(
        self,
        openid: str,
        kind: int,
        code: str,
        content: Mapping[str, Any],
        *,
        payment: Mapping[str, int] | None = None,
    ) -> None:
        """Put up the service card of a payment, or bring it up to date; to repeat it is harmless.

        `code` is the payment's transaction; `payment`: its amount and time, when it is put up.
        """
        body: dict[str, Any] = {
            "openid": openid,
            "notify_type": kind,
            "notify_code": code,
            "content_json": json.dumps(content, ensure_ascii=False),
        }
        if payment is not None:
            body["check_json"] = json.dumps(payment)
        self._api.post("/wxa/set_user_notify", body)

    def read_card(self, openid: str, kind: int, code: str) -> Card:
        """What WeChat shows now."""
        path = "/wxa/get_user_notify"
        body = {"openid": openid, "notify_type": kind, "notify_code": code}
        info = self._api.post(path, body).get("notify_info")
        if not isinstance(info, dict):
            raise WechatUnavailable(path, "no notify_info in the answer")
        try:
            content = json.loads(info.get("content_json") or "{}")
        except ValueError:
            raise WechatUnavailable(path, "content_json is not JSON") from None
        return Card(content if isinstance(content, dict) else {}, int(info.get("code_state", 0)))


def text(path: str, given: dict[str, Any], key: str) -> str:
    """A text that the answer must have."""
    value = given.get(key)
    if not isinstance(value, str) or not value:
        raise WechatUnavailable(path, f"no {key} in the answer")
    return value


def _as_invalid_code(error: WechatError) -> Exception:
    return InvalidCode() if error.errcode in _BAD_CODES else error
