"""Who is calling: mini-program login, phone numbers, access tokens, JS tickets."""

import base64
import hmac
import os

from sandbox.people import openid_of
from sandbox.settings import Account
from sandbox.state import World
from sandbox.wechat.codes import Code
from sandbox.wechat.door import ApiError, Body, Call, wechat_api


@wechat_api("code2session", "/sns/jscode2session", method="GET", token=False, title="换登录凭证")
def code_to_session(call: Call) -> Body:
    account = by_secret(call, kind="mini")
    code = used(call.world, call.query.get("js_code", ""), "login", account.appid)
    person = call.world.people.get(code.person_id)
    call.title, call.person = f"认出了{person.name}，小程序登录", person.id
    return {
        "openid": openid_of(account.appid, person.id),
        "session_key": base64.b64encode(os.urandom(16)).decode(),
        "unionid": person.union_id,
    }


@wechat_api("phone_number", "/wxa/business/getuserphonenumber", title="换手机号")
def phone_number(call: Call) -> Body:
    code = used(call.world, call.text("code", 40029), "phone", call.own.appid)
    person = call.world.people.get(code.person_id)
    openid = call.body.get("openid")
    if openid and openid != openid_of(call.own.appid, person.id):
        raise ApiError(40003)
    call.title, call.person = f"拿到了{person.name}同意给的手机号", person.id
    return {
        "phone_info": {
            "phoneNumber": person.phone,
            "purePhoneNumber": person.phone,
            "countryCode": "86",
            "watermark": {"timestamp": int(call.world.clock.stamp()), "appid": call.own.appid},
        }
    }


@wechat_api("stable_token", "/cgi-bin/stable_token", token=False, title="取接口凭证")
def stable_token(call: Call) -> Body:
    if call.body.get("grant_type") != "client_credential":
        raise ApiError(40002)
    account = _known(call, call.body.get("appid"), call.body.get("secret"))
    call.body = {**call.body, "secret": "…"}
    force = call.body.get("force_refresh") is True
    found = call.world.tokens.stable(account.appid, force=force)
    if found is None:
        raise ApiError(45011)
    call.title = f"{account.name}换了新的接口凭证" if force else f"{account.name}取了接口凭证"
    return {"access_token": found[0], "expires_in": found[1]}


@wechat_api("token", "/cgi-bin/token", method="GET", token=False, title="取接口凭证（旧接口）")
def plain_token(call: Call) -> Body:
    if call.query.get("grant_type") != "client_credential":
        raise ApiError(40002)
    account = by_secret(call)
    value = call.world.tokens.new("plain", account.appid)
    return {"access_token": value, "expires_in": call.world.settings.token_seconds}


@wechat_api("ticket", "/cgi-bin/ticket/getticket", method="GET", title="取网页接口的票据")
def js_ticket(call: Call) -> Body:
    if call.query.get("type") not in ("jsapi", "wx_card"):
        raise ApiError(40097)
    ticket = call.world.tokens.new("ticket", call.own.appid)
    return {"ticket": ticket, "expires_in": call.world.settings.token_seconds}


def by_secret(call: Call, kind: str = "") -> Account:
    """The account whose appid and secret stand in the query."""
    account = _known(call, call.query.get("appid"), call.query.get("secret"))
    if kind and account.kind != kind:
        raise ApiError(40013)
    return account


def _known(call: Call, appid: object, secret: object) -> Account:
    if not appid:
        raise ApiError(41002)
    if not secret:
        raise ApiError(41004)
    account = call.world.settings.accounts.get(str(appid))
    if account is None:
        raise ApiError(40013)
    if not hmac.compare_digest(account.secret.encode(), str(secret).encode()):
        raise ApiError(40125)
    return account


def used(world: World, value: str, purpose: str, appid: str) -> Code:
    """Spend the code; 40029 for a stranger's or an old one, 40163 for the second time."""
    if not value:
        raise ApiError(41008)
    code = world.codes.use(value, purpose, appid)
    if not isinstance(code, Code):
        # A phone code that was used is plainly invalid; only login codes say "been used".
        raise ApiError(40163 if code == "used" and purpose != "phone" else 40029)
    return code
