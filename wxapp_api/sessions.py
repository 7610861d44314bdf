"""Logging in with wx.login's code, or in a browser with the one that WeChat's page with the QR sent
back. No registration: whoever comes is recognised or made."""

from datetime import timedelta

from flask import request

import gateways
from core import limits
from core.clock import now as clock_now
from core.database import transaction
from crm import members
from gateways.wechat.errors import InvalidCode
from merchants.queries import get_merchant
from people import identities, logins
from people.models import Audience, IdentityKind, Person
from wxapp_api.access import merchant_code, mini_appid, public, website
from wxapp_api.blueprints import make_blueprint
from wxapp_api.schemas.sessions import SessionIn, SessionOut, UserOut

LIFETIME = timedelta(days=30)

blueprint = make_blueprint("sessions", "Log in.")


@blueprint.post("/sessions", responses={201: SessionOut})
@public
def log_in(body: SessionIn) -> tuple[SessionOut, int]:
    """Exchange a fresh code for a session token. 401 invalid_code: wrong, used or too old."""
    web = website(body.appid)
    appid = web.appid if web else mini_appid(body.appid)
    limits.check("login", ip=request.remote_addr, merchant=merchant_code(appid))
    openid, union_id = _who(appid, body.code, on_website=web is not None)
    now = clock_now()
    with transaction() as session:
        merchant = get_merchant(session, merchant_code(appid))
        member = members.recognise(
            session,
            merchant_id=merchant.id,
            kind=IdentityKind.website if web else IdentityKind.mini,
            appid=appid,
            openid=openid,
            union_id=union_id,
            now=now,
        )
        person = session.get_one(Person, member.person_id)
        token = logins.open_session(
            session,
            person=person,
            identity=identities.find_identity(session, appid, openid),
            audience=Audience.member,
            lifetime=LIFETIME,
            now=now,
        )
    user = UserOut(id=member.no, nickname=person.nickname, avatar=person.avatar)
    return SessionOut(token=token, expires_in=int(LIFETIME.total_seconds()), user=user), 201


def _who(appid: str, code: str, *, on_website: bool) -> tuple[str, str | None]:
    """openid and UnionID. Raises InvalidCode."""
    if not on_website:
        seen = gateways.wechat().mini(appid).code_to_session(code)
        return seen.openid, seen.unionid
    user = gateways.wechat().website(appid).user(code)
    if user.snapshot:
        raise InvalidCode
    return user.openid, user.unionid
