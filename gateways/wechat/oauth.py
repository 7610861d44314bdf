"""OAuth: who looks at a page of ours inside WeChat, or in a browser beside it."""

from dataclasses import dataclass
from urllib.parse import quote

from core.config import Website
from gateways.wechat.api import Api
from gateways.wechat.errors import InvalidCode, WechatError, WechatUnavailable

_BAD_CODES = {40029, 40163, 41008, 42003}


@dataclass(frozen=True)
class OAuthUser:
    """`snapshot`: a made-up identity of somebody who did not agree; never bind it to anything."""

    openid: str
    unionid: str | None
    snapshot: bool


def page_url(oauth_base: str, appid: str, redirect_uri: str, state: str, scope: str) -> str:
    """Where to send the browser; WeChat insists on this order of parameters."""
    return (
        f"{oauth_base.rstrip('/')}/connect/oauth2/authorize?appid={appid}"
        f"&redirect_uri={quote(redirect_uri, safe='')}&response_type=code"
        f"&scope={quote(scope, safe='')}&state={quote(state, safe='')}#wechat_redirect"
    )


class WebsiteLogin:
    """A web application: its codes come from WeChat's page with the QR (`login_url`)."""

    def __init__(self, account: Website, api: Api, *, oauth_base: str) -> None:
        self.account = account
        self._api = api
        self.login_url = f"{oauth_base.rstrip('/')}/connect/qrconnect"

    def user(self, code: str) -> OAuthUser:
        """Spend a code. Raises InvalidCode when it is wrong, used or out of time."""
        return spend(self._api, code)


def spend(api: Api, code: str) -> OAuthUser:
    """Spend a code. Raises InvalidCode when it is wrong, used or out of time."""
    path = "/sns/oauth2/access_token"
    try:
        given = api.sns(path, code=code, grant_type="authorization_code")
    except WechatError as error:
        if error.errcode in _BAD_CODES:
            raise InvalidCode from None
        raise
    openid = given.get("openid")
    if not isinstance(openid, str) or not openid:
        raise WechatUnavailable(path, "no openid in the answer")
    return OAuthUser(openid, given.get("unionid") or None, given.get("is_snapshotuser") == 1)
