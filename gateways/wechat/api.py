"""Calls to api.weixin.qq.com: the token put in, the answer read, a dead token healed once."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from core import clock
from gateways.http import Answer, Http, NoAnswer
from gateways.wechat.errors import WechatError, WechatUnavailable
from gateways.wechat.tokens import Tokens

_MAX_ERRMSG = 200
JSON = "application/json; charset=utf-8"


class Sending(NamedTuple):
    """What a body is, and how long its answer may take."""

    content_type: str
    read_seconds: float


class Api:
    """One account's calls. `get` and `post` carry the access token, `sns` carries the secret.

    All raise WechatError when WechatUnavailable is not the better word: no answer, a 5xx, or an
    answer that nobody can read leave the outcome unknown.
    """

    def __init__(self, http: Http, base: str, appid: str, secret: str, read_seconds: float) -> None:
        self.appid = appid
        self._http = http
        self._base = base.rstrip("/")
        self._secret = secret
        self._read_seconds = read_seconds
        self._tokens = Tokens(appid, self._fetch_token)

    def check(self) -> None:
        """Prove appid, secret and allow-list by asking for a token nobody uses."""
        self._fetch_token()

    def get(self, path: str, **params: str) -> dict[str, Any]:
        return self._json(path, self._with_token("GET", path, params, None))

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._json(path, self._with_token("POST", path, {}, encode(body)))

    def upload(
        self, path: str, body: bytes, content_type: str, *, read_seconds: float, **params: str
    ) -> dict[str, Any]:
        """A form with a file; it may take longer than other calls."""
        sending = Sending(content_type, read_seconds)
        return self._json(path, self._with_token("POST", path, params, body, sending))

    def file(self, path: str, **params: str) -> bytes:
        """A file; where WeChat answers JSON instead it said no, or gave an address."""
        return self._file(path, self._with_token("GET", path, params, None))

    def posted_file(self, path: str, body: Mapping[str, Any]) -> bytes:
        """A file that is asked for by a body."""
        return self._file(path, self._with_token("POST", path, {}, encode(body)))

    def _file(self, path: str, answer: Answer) -> bytes:
        if answer.body[:1] == b"{" or answer.status >= 400:
            self._json(path, answer)
            raise WechatUnavailable(path, "no file in the answer")
        return answer.body

    def sns(self, path: str, **params: str) -> dict[str, Any]:
        """A call that proves itself with appid and secret instead of a token."""
        known = {"appid": self.appid, "secret": self._secret}
        return self._json(path, self._send("GET", path, known | params, None))

    def _with_token(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        body: bytes | None,
        sending: Sending | None = None,
    ) -> Answer:
        token = self._tokens.get()
        began = clock.now().timestamp()
        answer = self._send(method, path, {**params, "access_token": token}, body, sending)
        if _refuses_token(path, answer):
            token = self._tokens.renew(token, since=began)
            answer = self._send(method, path, {**params, "access_token": token}, body, sending)
        return answer

    def _fetch_token(self) -> tuple[str, int]:
        path = "/cgi-bin/stable_token"
        asked = {
            "grant_type": "client_credential",
            "appid": self.appid,
            "secret": self._secret,
            "force_refresh": False,
        }
        given = self._json(path, self._send("POST", path, {}, encode(asked)))
        token, lifetime = given.get("access_token"), given.get("expires_in")
        if not isinstance(token, str) or not isinstance(lifetime, int) or not token:
            raise WechatUnavailable(path, "no token in the answer")
        return token, lifetime

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        body: bytes | None,
        sending: Sending | None = None,
    ) -> Answer:
        sending = sending or Sending(JSON, self._read_seconds)
        headers = {"Content-Type": sending.content_type} if body is not None else {}
        try:
            answer = self._http.send(
                method,
                self._base + path,
                params=params,
                body=body,
                headers=headers,
                read_seconds=sending.read_seconds,
            )
        except NoAnswer as error:
            raise WechatUnavailable(path, str(error), sent=error.sent) from None
        if answer.status >= 500:
            raise WechatUnavailable(path, f"HTTP {answer.status}")
        return answer

    def _json(self, path: str, answer: Answer) -> dict[str, Any]:
        """The body of an answer that says yes. WeChat calls its JSON text/plain at times."""
        value = _read(path, answer)
        errcode = value.get("errcode", 0)
        if not isinstance(errcode, int):
            raise WechatUnavailable(path, "errcode is no number")
        if errcode != 0:
            errmsg = self._scrubbed(value.get("errmsg"))
            raise WechatError(errcode, errmsg, api=path, answer=value)
        if answer.status >= 400:
            raise WechatUnavailable(path, f"HTTP {answer.status}")
        return value

    def _scrubbed(self, errmsg: Any) -> str:
        text = str(errmsg or "").replace(self._secret or "\0", "***")
        return "".join(char for char in text if char.isprintable())[:_MAX_ERRMSG]


def encode(body: Mapping[str, Any]) -> bytes:
    """JSON as WeChat wants it: Chinese as itself, not as escapes."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _read(path: str, answer: Answer) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError):
        raise WechatUnavailable(path, "answer is not JSON") from None
    if not isinstance(value, dict):
        raise WechatUnavailable(path, "answer is not an object")
    return value


def _refuses_token(path: str, answer: Answer) -> bool:
    if answer.body[:1] != b"{":
        return False
    errcode = _read(path, answer).get("errcode", 0)
    return isinstance(errcode, int) and errcode != 0 and WechatError(errcode).token
