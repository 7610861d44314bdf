"""Log-in by password on a desktop, log-out, and where each role starts its day."""

from datetime import timedelta

from flask import Blueprint, Response, request, url_for

from console import access, cookies, reply, state
from console.access import Me, me, staff, visitor
from console.forms import Form
from core import audit, limits
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import TooMany
from merchants.staff import authenticate
from people import logins
from people.models import Audience

page = Blueprint("login", __name__)

LIFETIME = timedelta(hours=12)


@page.get("/")
@staff()
def start() -> Response:
    """Owners and managers begin with the day's figures, clerks with the orders."""
    return reply.done(home_of(me()))


@page.get("/login")
@visitor
def ask() -> Response:
    with reading() as session:
        known = access.find_me(session, cookies.read(cookies.STAFF), clock_now())
    if known is not None:
        return reply.done(reply.local(request.args.get("next"), home_of(known)))
    return reply.page("login.html", form=Form(), next=request.args.get("next", ""))


@page.post("/login")
@visitor
def enter() -> Response:
    form, now = Form(request.form), clock_now()
    username = (form.text("username", longest=64) or "").strip()
    password = form["password"]
    if not password:
        form.refuse("password", "要填")
    if not form.errors:
        try:
            # Whoever tries one password on many names is met by no lock-out of a name.
            limits.check("password", ip=request.remote_addr)
            with transaction() as session:
                place = limits.place(request.remote_addr)
                who = authenticate(session, username, password, now, place=place)
                if who is not None:
                    token = logins.open_session(
                        session,
                        person=None,
                        identity=None,
                        audience=Audience.staff,
                        lifetime=LIFETIME,
                        now=now,
                        staff_id=who.id,
                    )
                    audit.record(
                        session,
                        actor=f"staff:{who.id}",
                        action="staff.logged_in",
                        subject=f"staff:{who.id}",
                        merchant_id=who.merchant_id,
                        after={"by": "password"},
                        now=now,
                    )
        except TooMany as locked:
            form.refuse("password", f"错的次数太多，{locked.retry_after // 60 + 1} 分钟后再试")
            response = reply.page("login.html", 429, form=form, next=form["next"])
            response.headers["Retry-After"] = str(locked.retry_after)
            return response
        else:
            if who is None:
                form.refuse("password", "账号或密码不对")
    if form.errors:
        return reply.page("login.html", 422, form=form, next=form["next"])
    return admit(token, reply.local(form["next"], url_for("console.login.start")), LIFETIME)


@page.post("/logout")
@staff()
def leave() -> Response:
    with transaction() as session:
        logins.close_session(session, cookies.read(cookies.STAFF), clock_now())
    response = reply.done(url_for("console.login.ask"))
    for name in (cookies.STAFF, cookies.STORE, cookies.PROVED):
        cookies.drop(response, name)
    return response


def admit(token: str, to: str, lifetime: timedelta) -> Response:
    """Give the browser its new session; whatever it was before is forgotten."""
    state.put("new_session", token)
    response = reply.done(to)
    cookies.write(response, cookies.STAFF, token, lifetime)
    for name in (cookies.VISIT, cookies.STORE, cookies.PROVED):
        cookies.drop(response, name)
    return response


def home_of(who: Me) -> str:
    if who.may("reports.view"):
        return url_for("console.home.show")
    return url_for("console.orders.index")
