"""Log-in inside WeChat: OAuth from the official account's menu, and invites for new staff."""

import secrets
from datetime import datetime, timedelta

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

import gateways
from console import access, cookies, login, reply
from console.access import visitor
from core import audit, limits
from core.clock import now as clock_now
from core.config import current_config
from core.database import reading, transaction
from core.errors import Gone, Malformed
from core.numbers import new_token, token_hash
from core.outbox import enqueue
from crm import merging
from gateways.wechat.errors import InvalidCode
from merchants.invites import merchant_of
from merchants.queries import get_merchant
from merchants.staff import accept_invite, find_by_person
from people import identities, logins
from people.models import Audience, Identity, IdentityKind, Person

page = Blueprint("wechat", __name__)

LIFETIME = timedelta(days=7)
UNDER_WAY = timedelta(minutes=10)
INVITES = "/console/invite/"


class NotVouched(Gone):
    code, title = "oauth_expired", "这次进入已经过期，从公众号菜单再点一次"


@page.get("/enter")
@visitor
def enter() -> Response:
    """The menu's link: off to WeChat, which sends the person back to `callback`."""
    appid = request.args.get("appid", "")
    official = gateways.wechat().official(appid)
    state = new_token()
    target = current_config().app.base_url + url_for("console.wechat.callback")
    response = reply.done(official.oauth_url(target, state))
    under_way = {"state": state, "appid": appid, "next": request.args.get("next", "")}
    cookies.write(response, cookies.OAUTH, cookies.seal(cookies.OAUTH, under_way), UNDER_WAY)
    return response


@page.get("/callback")
@visitor
def callback() -> Response:
    """WeChat vouches for somebody: staff come in, others learn how to become staff."""
    under_way, code = cookies.unseal(cookies.OAUTH), request.args.get("code", "")
    state = request.args.get("state", "")
    # As bytes: a comparison of texts fails on anything but ASCII.
    if under_way is None or not secrets.compare_digest(
        state.encode("utf-8", "replace"), str(under_way["state"]).encode()
    ):
        raise NotVouched()
    if not code:
        raise Malformed("微信没有带回登录凭证")
    limits.check("oauth", ip=request.remote_addr)
    appid, to, now = str(under_way["appid"]), str(under_way["next"]), clock_now()
    official = gateways.wechat().official(appid)
    try:
        user = official.oauth_user(code)
    except InvalidCode:
        raise NotVouched() from None
    if user.snapshot:
        raise Malformed("微信给的是快照身份，点页面右下角「使用完整服务」再进来")
    with transaction() as session:
        met = identities.recognise(
            session,
            kind=IdentityKind.official,
            appid=appid,
            openid=user.openid,
            union_id=user.unionid,
            now=now,
        )
        if met.absorbed is not None:
            merging.join_persons(session, kept=met.person, absorbed=met.absorbed, now=now)
        merchant_id = None
        if official.account.merchant:
            merchant_id = get_merchant(session, official.account.merchant).id
        who = find_by_person(session, met.person.id, merchant_id)
        token = (
            None
            if who is None
            else _open(session, who.id, met.person, met.identity, who.merchant_id, now)
        )
    if token is None:
        response = _introduce(to)
    else:
        response = login.admit(token, reply.local(to, url_for("console.login.start")), LIFETIME)
        access.prove(response, token_hash(token), now)
    if token is None or to.startswith(INVITES):  # the invite's page asks who is there
        vouched = {"identity": met.identity.id, "until": (now + UNDER_WAY).timestamp()}
        sealed = cookies.seal(cookies.WECHAT, vouched)
        cookies.write(response, cookies.WECHAT, sealed, UNDER_WAY)
    cookies.drop(response, cookies.OAUTH)
    return response


@page.get("/invite/<code>")
@visitor
def invited(code: str) -> Response:
    """Somebody followed an invite: first WeChat says who they are, then they accept."""
    identity_id = _vouched(clock_now())
    if identity_id is None:
        appid = request.args.get("appid") or reply.default_appid()
        here = url_for("console.wechat.invited", code=code)
        return reply.done(url_for("console.wechat.enter", appid=appid, next=here))
    with reading() as session:
        merchant_id = merchant_of(session, code)
        person_id = session.get_one(Identity, identity_id).person_id
        known = merchant_id and find_by_person(session, person_id, merchant_id)
    return reply.page("invite.html", code=code, known=known)


@page.post("/invite/<code>")
@visitor
def accept(code: str) -> Response:
    now = clock_now()
    limits.check("invite", ip=request.remote_addr)
    identity_id = _vouched(now)
    if identity_id is None:
        raise NotVouched()
    with transaction() as session:
        identity = session.get_one(Identity, identity_id)
        person = session.get_one(Person, identity.person_id)
        who = accept_invite(session, code, person, now)
        audit.record(
            session,
            actor=f"staff:{who.id}",
            action="staff.joined",
            subject=f"staff:{who.id}",
            merchant_id=who.merchant_id,
            after={"role": who.role.value, "identity": identity.id},
            now=now,
        )
        enqueue(session, "messaging.tag_staff", appid=identity.appid, openid=identity.openid)
        token = _open(session, who.id, person, identity, who.merchant_id, now)
    response = login.admit(token, url_for("console.login.start"), LIFETIME)
    cookies.drop(response, cookies.WECHAT)
    return response


def _vouched(now: datetime) -> int | None:
    """The identity that WeChat vouched for a few minutes ago."""
    found = cookies.unseal(cookies.WECHAT)
    if found is None or float(found["until"]) < now.timestamp():
        return None
    return int(found["identity"])


def _introduce(to: str) -> Response:
    """Known to WeChat, unknown to the shop: on to the invite they came for, or to the how-to."""
    if to.startswith(INVITES):
        return reply.done(reply.local(to, "/console/"))
    return reply.page("bind.html", 403)


def _open(
    session: Session,
    staff_id: int,
    person: Person,
    identity: Identity,
    merchant_id: int,
    now: datetime,
) -> str:
    audit.record(
        session,
        actor=f"staff:{staff_id}",
        action="staff.logged_in",
        subject=f"staff:{staff_id}",
        merchant_id=merchant_id,
        after={"by": "wechat"},
        now=now,
    )
    return logins.open_session(
        session,
        person=person,
        identity=identity,
        audience=Audience.staff,
        lifetime=LIFETIME,
        now=now,
        staff_id=staff_id,
    )
