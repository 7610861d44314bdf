"""Who may call: `@member` and `@public`, the two audiences of this door.

`@member` reads the bearer token, refuses with 401 before it looks at the request's content, and
leaves `flask.g.member`, `g.session` and `g.identity`: detached rows, to be read and not changed.
The merchant of a request is that of the mini-program through which the session was opened.
"""

from collections.abc import Callable
from typing import Any

from flask import Response, g, request
from sqlalchemy import select

from core import web
from core.clock import now
from core.config import MiniProgram, Website, current_config
from core.database import reading, transaction
from core.errors import NotFound, Unauthorized
from core.parsing import parsed
from crm import members
from crm.models import Member
from merchants import queries as merchants
from merchants.models import Merchant
from people import logins
from people.models import Audience, Identity, LoginSession, Person

View = Callable[..., Any]


class NotLoggedIn(Unauthorized):
    code = "not_logged_in"
    title = "请先登录"


class UnknownMiniProgram(NotFound):
    code = "unknown_mini_program"
    title = "没有这个小程序"


def public(view: View) -> Callable[..., Response]:
    """Anyone may call; nothing of a member may be answered."""
    return web.public(parsed(view))


def member(view: View) -> Callable[..., Response]:
    """Only a logged-in member of the merchant; see the module for what is left in `flask.g`."""
    return web.declare(web.Audience("member", gate=log_in))(parsed(view))


def bearer_token() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotLoggedIn("请先登录")
    return token.strip()


def log_in() -> None:
    """The gate of `@member`: one query finds the session, the identity and the member."""
    with reading() as session:
        rows = session.execute(
            select(LoginSession, Identity, Member, Merchant.code)
            .join(Identity, Identity.id == LoginSession.identity_id)
            .outerjoin(Member, Member.person_id == LoginSession.person_id)
            .outerjoin(Merchant, Merchant.id == Member.merchant_id)
            .where(
                logins.is_live(bearer_token(), now()),
                LoginSession.audience == Audience.member,
            )
        ).all()
    if not rows:
        raise NotLoggedIn("登录已失效，请重新登录")
    login, identity = rows[0][0], rows[0][1]
    assert login.person_id is not None  # a member's session always has a person
    code = merchant_code(identity.appid)
    mine = [row[2] for row in rows if row[3] == code and row[2].merged_into_id is None]
    g.session, g.identity = login, identity
    g.member = mine[0] if mine else join(code, login.person_id)


def join(code: str, person_id: int) -> Member:
    """The member, made now: for a session opened before this merchant knew the person."""
    with transaction() as session:
        merchant = merchants.get_merchant(session, code)
        person = session.get_one(Person, person_id)
        made = members.ensure(session, merchant_id=merchant.id, person=person, now=now())
        session.flush()
        session.refresh(made)
        session.expunge(made)
    return made


def mini_appid(appid: str | None) -> str:
    """The mini-program that is meant; without `appid`, the only configured one."""
    return _program(appid).appid


def merchant_code(appid: str | None) -> str:
    """The merchant behind a mini-program or website; without `appid`, the only mini-program."""
    owner = (website(appid) or _program(appid)).merchant
    if not owner:
        raise UnknownMiniProgram("这个小程序不属于某一个商家")
    return owner


def website(appid: str | None) -> Website | None:
    """The website that is meant; None: no website."""
    known = (each for each in current_config().wechat.websites if each.appid == appid)
    return next(known, None)


def _program(appid: str | None) -> MiniProgram:
    programs = current_config().wechat.mini_programs
    wanted = [each for each in programs if appid in (None, "", each.appid)]
    if len(wanted) != 1:
        raise UnknownMiniProgram("没有这个小程序，或者没说是哪一个")
    return wanted[0]
