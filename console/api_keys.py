"""Keys for tills and other systems: made, shown once, revoked."""

from datetime import datetime

from flask import Blueprint, Response, request, url_for

from console import access, reply, step_up, words
from console.access import me, staff
from console.forms import Form, whole
from core.clock import now as clock_now
from core.config import current_config
from core.database import reading, transaction
from merchants import api_keys
from merchants.models import ApiKey

page = Blueprint("keys", __name__, url_prefix="/keys")


@page.get("/")
@staff("settings.manage")
def index() -> Response:
    now = clock_now()
    with reading() as session:
        found = [_shown(key, now) for key in api_keys.list_keys(session, me().merchant_id)]
    live = sum(1 for key in found if key["live"])
    return reply.page("keys/index.html", keys=found, live=live)


@page.get("/new")
@staff("settings.manage")
def new() -> Response:
    return _form(Form(name="", store=""), ["coupons.read", "coupons.redeem"], clock_now())


@page.post("/new")
@staff("settings.manage")
def create() -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    scopes = [scope for scope in request.form.getlist("scopes") if scope in api_keys.SCOPES]
    store_id = whole(form["store"]) if form["store"] else None
    form.text("name", longest=api_keys.MAX_NAME)
    if not scopes:
        form.refuse("scopes", "至少选一项")
    if store_id is not None and store_id not in who.all_store_ids:
        form.refuse("store", "选一家店")
    if form.errors or not step_up.is_proved(form, now):
        return _form(form, scopes, now, 422)
    with transaction() as session:
        key, secret = api_keys.make(
            session,
            who.merchant_id,
            name=form["name"],
            scopes=scopes,
            store_id=store_id,
            staff_id=who.staff_id,
            now=now,
        )
    base = f"{current_config().app.base_url.rstrip('/')}/open/v1"
    response = reply.page("keys/made.html", key=_shown(key, now), secret=secret, base=base)
    step_up.remember(response, now)
    return response


@page.get("/<int:key_id>/revoke")
@staff("settings.manage")
def revoking(key_id: int) -> Response:
    now = clock_now()
    with reading() as session:
        key = api_keys.get(session, me().merchant_id, key_id)
    return reply.page("keys/revoke.html", key=_shown(key, now))


@page.post("/<int:key_id>/revoke")
@staff("settings.manage")
def revoke(key_id: int) -> Response:
    """No proof is asked for: to shut a door in a hurry must be easy."""
    who = me()
    with transaction() as session:
        api_keys.revoke(session, who.merchant_id, key_id, staff_id=who.staff_id, now=clock_now())
    return reply.done(url_for("console.keys.index"), "已停用，用它的收银机马上连不上了")


def _shown(key: ApiKey, now: datetime) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "live": key.revoked_at is None,
        "store": me().name_of(key.store_id) or "全部门店",
        "scopes": [api_keys.SCOPES[scope] for scope in key.scopes],
        "made": words.when(key.created_at, now),
        "used": words.when(key.last_used_at, now) or "还没用过",
    }


def _form(form: Form, scopes: list[str], now: datetime, status: int = 200) -> Response:
    return reply.page(
        "keys/new.html",
        status,
        form=form,
        scopes=list(api_keys.SCOPES.items()),
        chosen=scopes,
        stores=[("", "全部门店，收银机自己说是哪家"), *((s.id, s.name) for s in me().stores)],
        stepped_up=access.is_proved(now),
    )
