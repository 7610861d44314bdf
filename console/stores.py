"""Stores and the people who work there: QR posters, tables, invites."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import qr, reply, words
from console.access import ROLES, me, staff
from console.forms import Form, whole
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError, NotFound
from merchants import invites, queries
from merchants.models import Role, Staff, StaffState, StaffStore, Store
from merchants.staff import list_staff
from messaging import scenes
from messaging.accounts import officials_of
from messaging.models import Scene, SceneKind

page = Blueprint("stores", __name__, url_prefix="/stores")


class NoAccount(LinliError):
    status, code, title = 409, "no_official_account", "还没有配置公众号，生成不了二维码"


@page.get("/")
@staff("stores.view")
def index() -> Response:
    now = clock_now()
    with reading() as session:
        stores = [_store(store, now) for store in queries.list_stores(session, me().merchant_id)]
        people = _people(session)
        waiting = _waiting(session, now) if me().may("staff.manage") else []
    return reply.page("stores/index.html", stores=stores, people=people, waiting=waiting)


@page.get("/<int:store_id>/poster")
@staff("stores.view")
def poster(store_id: int) -> Response:
    """The store's follow code, large, to print; fetched from WeChat by a job the first time."""
    with transaction() as session:
        store = _mine(session, store_id)
        scene = scenes.ensure_scene(
            session,
            merchant_id=store.merchant_id,
            appid=_appid(),
            kind=SceneKind.store,
            store_id=store.id,
            now=clock_now(),
        )
    return reply.page("stores/poster.html", store=store, scene=_scene(scene))


@page.get("/invites/new")
@staff("staff.manage")
def inviting() -> Response:
    return _invite_page(Form(role=Role.clerk.value))


@page.post("/invites/new")
@staff("staff.manage")
def invite() -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    name = form.text("name", longest=32)
    role = form.one_of("role", Role)
    chosen = [whole(text) or 0 for text in request.form.getlist("stores")]
    if not set(chosen) <= set(who.all_store_ids) or (not chosen and role != Role.owner):
        form.refuse("stores", "至少选一家店")
    if form.errors or name is None or role is None:
        return _invite_page(form, 422, chosen)
    with transaction() as session:
        code = invites.invite(
            session,
            merchant_id=who.merchant_id,
            name=name,
            role=role,
            store_ids=chosen,
            now=now,
            invited_by_id=who.staff_id,
        )
        scene = scenes.create_invite_scene(
            session,
            merchant_id=who.merchant_id,
            appid=_appid(),
            invite_code=code,
            expires_at=now + invites.LIFETIME,
            now=now,
        )
        audit.record(
            session,
            actor=who.actor,
            action="staff.invite",
            subject=f"scene:{scene.id}",
            after={"name": name, "role": role, "stores": chosen},
            merchant_id=who.merchant_id,
            now=now,
        )
    return reply.done(url_for("console.stores.invited", scene_id=scene.id))


@page.get("/invites/<int:scene_id>")
@staff("staff.manage")
def invited(scene_id: int) -> Response:
    with reading() as session:
        scene = session.scalar(
            select(Scene).where(
                Scene.id == scene_id,
                Scene.merchant_id == me().merchant_id,
                Scene.kind == SceneKind.staff_invite,
            )
        )
        offered = invites.find_invite(session, scenes.invite_code(scene)) if scene else None
    if scene is None or offered is None:
        raise NotFound("没有这个邀请")
    return reply.page(
        "stores/invited.html",
        name=offered.name,
        role=ROLES[offered.role],
        scene=_scene(scene),
        until=words.when(scene.expires_at, clock_now()),
    )


def _invite_page(form: Form, status: int = 200, chosen: list[int] | None = None) -> Response:
    return reply.page(
        "stores/invite.html",
        status,
        form=form,
        roles=[(role.value, text) for role, text in ROLES.items()],
        chosen=me().all_store_ids[:1] if chosen is None else chosen,
    )


def _scene(scene: Scene) -> dict[str, Any]:
    return {"id": scene.id, "qr": qr.svg(scene.url) if scene.url else None}


def _store(store: Store, now: datetime) -> dict[str, Any]:
    opening = queries.opening(store, now)
    return {
        "id": store.id,
        "name": store.name,
        "address": store.address,
        "open": opening.is_open,
        "state": "营业中" if opening.is_open else "休息中",
    }


def _people(session: Session) -> list[dict[str, Any]]:
    members = [
        row for row in list_staff(session, me().merchant_id) if row.state is StaffState.active
    ]
    names = {store.id: store.name for store in me().stores}
    rows = session.execute(
        select(StaffStore.staff_id, StaffStore.store_id).where(
            StaffStore.staff_id.in_([row.id for row in members])
        )
    )
    places: dict[int, list[str]] = {}
    for staff_id, store_id in rows:
        places.setdefault(staff_id, []).append(names.get(store_id, ""))
    return [
        {
            "id": row.id,
            "name": row.name,
            "role": ROLES[row.role],
            "stores": "全部门店" if row.role is Role.owner else "、".join(places.get(row.id, [])),
            "ways": _ways(row),
        }
        for row in members
    ]


def _waiting(session: Session, now: datetime) -> list[dict[str, Any]]:
    """Invites that nobody has accepted yet."""
    names = {store.id: store.name for store in me().stores}
    return [
        {
            "id": invite.id,
            "name": invite.name,
            "role": ROLES[invite.role],
            "stores": "全部门店"
            if invite.role is Role.owner
            else "、".join(names.get(store_id, "") for store_id in invite.store_ids),
            "until": words.when(invite.expires_at, now),
        }
        for invite in invites.list_open(session, me().merchant_id, now)
    ]


def _ways(row: Staff) -> str:
    ways = ["微信"] if row.person_id else []
    return "、".join([*ways, "密码"] if row.password_hash else ways) or "还没有绑定"


def _mine(session: Session, store_id: int) -> Store:
    if store_id not in me().all_store_ids:
        raise NotFound("没有这家门店")
    return queries.get_store_of(session, me().merchant_id, store_id)


def _appid() -> str:
    accounts = officials_of(me().merchant_code)
    if not accounts:
        raise NoAccount()
    return accounts[0].appid
