"""The signature with which our own web pages use WeChat's JavaScript."""

from urllib.parse import urlsplit

from flask import request

import gateways
from core import limits
from core.clock import now as clock_now
from core.config import current_config
from core.errors import Forbidden
from gateways.wechat.registry import UnknownAccount
from wxapp_api.access import public
from wxapp_api.blueprints import make_blueprint
from wxapp_api.schemas.jssdk import PageQuery, PageSignatureOut

blueprint = make_blueprint("jssdk", "网页")


class ForeignPage(Forbidden):
    code = "foreign_page"
    title = "只给自己的网页签名"


@blueprint.get("/jssdk", responses={200: PageSignatureOut})
@public
def sign_page(query: PageQuery) -> PageSignatureOut:
    """Sign one of our own pages: whoever signs for others lends them the account's rights."""
    limits.check("jssdk", ip=request.remote_addr)
    config = current_config()
    if not _is_ours(query.url, config.app.base_url):
        raise ForeignPage()
    accounts = config.wechat.official_accounts
    appid = query.appid or (accounts[0].appid if accounts else "")
    if not appid:
        raise UnknownAccount
    signed = gateways.wechat().official(appid).sign_page(query.url, now=clock_now())
    return PageSignatureOut.model_validate(signed)


def _is_ours(url: str, base_url: str) -> bool:
    """The same scheme, host and port; nothing that a browser would read in another way."""
    if not url.isprintable() or "\\" in url or " " in url:
        return False
    try:
        given, own = urlsplit(url), urlsplit(base_url)
        same = (given.scheme, given.hostname, given.port) == (own.scheme, own.hostname, own.port)
    except ValueError:
        return False
    return same and given.username is None
