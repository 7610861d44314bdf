"""OAuth of web pages: the page that asks nobody (or the person), then code, token, profile."""

from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from flask import Response, current_app, redirect, request
from flask.typing import ResponseReturnValue

from sandbox.people import openid_of
from sandbox.state import World
from sandbox.wechat import asking_who
from sandbox.wechat.door import ApiError, Body, Call, api, wechat_api
from sandbox.wechat.login import by_secret, used

COOKIE = "sandbox_person"
REFRESH_SECONDS = 30 * 86_400


@api.get("/connect/oauth2/authorize")
def authorize() -> ResponseReturnValue:
    """Redirects at once for the person whose phone this is (cookie or `person=`)."""
    world: World = current_app.extensions["sandbox"]
    query = request.args
    account = world.settings.accounts.get(query.get("appid", ""))
    if account is None or account.kind != "official":
        return asking_who.page("appid 不对", "这个公众号不存在"), 400
    target, scope = query.get("redirect_uri", ""), query.get("scope", "")
    is_web = target.startswith(("http://", "https://"))
    if not is_web or not world.settings.knows_host(target):
        return asking_who.page("redirect_uri 域名与后台配置不一致", "错误码：10003"), 400
    if scope not in ("snsapi_base", "snsapi_userinfo"):
        return asking_who.page("scope 参数错误或没有 scope 权限", "错误码：10005"), 400
    if query.get("response_type") != "code" or len(query.get("state", "")) > 128:
        return asking_who.page("参数错误", "response_type 或 state 不对"), 400
    person_id = query.get("person") or request.cookies.get(COOKIE, "")
    try:
        person = world.people.get(person_id)
    except KeyError:
        return _choice(world)
    with world.lock:
        code = world.codes.new("oauth", account.appid, person.id, scope)
    world.feed.add(
        f"{person.name}打开网页，微信替他证明身份",
        direction="out",
        api="oauth.authorize",
        tag="已跳转",
        person=person.id,
        raw={"redirect_uri": target, "scope": scope},
    )
    parts = urlsplit(target)
    added = [*parse_qsl(parts.query, keep_blank_values=True), ("code", code)]
    added.append(("state", query.get("state", "")))
    return redirect(urlunsplit(parts._replace(query=urlencode(added))))


@api.get("/connect/qrconnect")
def website() -> ResponseReturnValue:
    """The page with the QR of a website: here the choice of who scans it."""
    world: World = current_app.extensions["sandbox"]
    query = request.args
    account = world.settings.accounts.get(query.get("appid", ""))
    target = query.get("redirect_uri", "")
    if account is None or account.kind != "website" or not world.settings.knows_host(target):
        return asking_who.page("Oops! Something went wrong:(", "appid 或 redirect_uri 不对"), 400
    if query.get("scope") != "snsapi_login" or query.get("response_type") != "code":
        return asking_who.page("Oops! Something went wrong:(", "scope 或 response_type 不对"), 400
    try:
        person = world.people.get(query.get("person", ""))
    except KeyError:
        return _choice(world, scanned=request.url)
    with world.lock:
        code = world.codes.new("oauth", account.appid, person.id, "snsapi_login")
    parts = urlsplit(target)
    added = [*parse_qsl(parts.query, keep_blank_values=True), ("code", code)]
    added.append(("state", query.get("state", "")))
    return redirect(urlunsplit(parts._replace(query=urlencode(added))))


@wechat_api(
    "oauth_token", "/sns/oauth2/access_token", method="GET", token=False, title="换网页身份"
)
def access_token(call: Call) -> Body:
    account = by_secret(call)
    if account.kind == "mini":
        raise ApiError(40013)
    code = used(call.world, call.query.get("code", ""), "oauth", account.appid)
    person = call.world.people.get(code.person_id)
    if person.id in call.world.snapshots:
        call.title, call.person = f"{person.name}没有点同意，给了一个虚拟身份", person.id
        virtual = openid_of(account.appid, f"snapshot of {person.id}")
        return {**_tokens(call, account.appid, virtual, code.scope, None), "is_snapshotuser": 1}
    openid = openid_of(account.appid, person.id)
    call.title, call.person = f"认出了打开网页的是{person.name}", person.id
    return _tokens(call, account.appid, openid, code.scope, person.union_id)


@wechat_api(
    "oauth_refresh", "/sns/oauth2/refresh_token", method="GET", token=False, title="续网页身份"
)
def refresh_token(call: Call) -> Body:
    token = call.world.tokens.find(call.query.get("refresh_token", ""))
    if token is None or token.kind != "refresh" or token.appid != call.query.get("appid"):
        raise ApiError(40030)
    if call.world.tokens.is_expired(token):
        raise ApiError(42002)
    return _tokens(call, token.appid, token.openid, token.scope, None)


@wechat_api("oauth_userinfo", "/sns/userinfo", method="GET", token=False, title="查网页用户资料")
def user_info(call: Call) -> Body:
    token = call.world.tokens.find(call.query.get("access_token", ""))
    if token is None or token.kind != "oauth" or token.openid != call.query.get("openid"):
        raise ApiError(40001 if token is None else 40003)
    if call.world.tokens.is_expired(token):
        raise ApiError(42001)
    if token.scope != "snsapi_userinfo":
        raise ApiError(48001)
    person = call.world.people.owner_of(token.openid, token.appid)
    if person is None:
        raise ApiError(40003)
    return {
        "openid": token.openid,
        "nickname": person.name,
        "sex": 0,
        "province": "",
        "city": "",
        "country": "",
        "headimgurl": "",
        "privilege": [],
        "unionid": person.union_id,
    }


def _tokens(call: Call, appid: str, openid: str, scope: str, union_id: str | None) -> Body:
    tokens = call.world.tokens
    new = tokens.new("oauth", appid, openid=openid, scope=scope)
    refresh = tokens.new("refresh", appid, life=REFRESH_SECONDS, openid=openid, scope=scope)
    answer: Body = {
        "access_token": new,
        "expires_in": call.world.settings.token_seconds,
        "refresh_token": refresh,
        "openid": openid,
        "scope": scope,
    }
    return {**answer, "unionid": union_id} if union_id else answer


def _choice(world: World, *, scanned: str = "") -> Response:
    """Opened outside a phone: ask whose phone it should be, or who scans the code."""
    query = request.args.to_dict()
    people = [
        (person.name, person.role, f"?{urlencode({**query, 'person': person.id})}")
        for person in world.people.list()
    ]
    return asking_who.choice(people, scanned=scanned)
