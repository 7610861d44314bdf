"""QR codes with a source: what each has brought, a new one, and sheets to print."""

from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from analytics import scenes as brought
from analytics.scenes import Brought
from console import qr, reply, words
from console.access import me, staff
from console.forms import Form, whole
from console.official import code_days
from console.official.blueprint import find_account, get_account, page, shown
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import NotFound
from coupons.models import TemplateState
from coupons.queries import list_templates
from crm import tags
from merchants.models import Staff, StaffState
from merchants.queries import list_stores, list_tables
from messaging import scenes
from messaging.models import Scene, SceneKind

KINDS = {
    SceneKind.store: "门店",
    SceneKind.table: "桌台",
    SceneKind.staff: "员工",
    SceneKind.poster: "海报",
}
NOTHING = "—"
MADE = (SceneKind.poster, SceneKind.staff)


@page.get("/codes")
@staff("official.manage")
def codes() -> Response:
    chosen, store = request.args.get("kind", ""), request.args.get("store", "")
    now = clock_now()
    with reading() as session:
        account = find_account(session)
        every = brought.list_brought(session, me().merchant_id, account.appid) if account else []
    there = [each for each in every if not store or str(each.scene.store_id) == store]
    tabs = [("全部", url_for("console.official.codes", store=store), len(there), not chosen)]
    for kind, title in KINDS.items():
        count = sum(1 for each in there if each.scene.kind is kind)
        href = url_for("console.official.codes", kind=kind.value, store=store)
        tabs.append((title, href, count, chosen == kind.value))
    return reply.page(
        "official/codes.html",
        account=shown(account) if account else None,
        rows=[_row(each, now) for each in _of_kind(there, chosen)],
        tabs=tabs,
        kind=chosen,
        store=store,
        stores=[("", "全部门店"), *((str(each.id), each.name) for each in me().stores)],
        missing=_missing(every),
    )


@page.get("/codes/new")
@staff("official.manage")
def new_code() -> Response:
    return _new_page(Form(kind=SceneKind.poster.value))


@page.post("/codes/new")
@staff("official.manage")
def create_code() -> Response:
    form, now = Form(request.form), clock_now()
    kind = form.one_of("kind", MADE)
    name = form.text("name", longest=20)
    tag = form.text("tag", longest=tags.MAX_LENGTH, needed=False)
    with reading() as session:
        get_account(session)
        offered = _offered(session)
    picked = {
        field: _picked(form, field, offered[field]) for field in ("store", "person", "coupon")
    }
    if kind == SceneKind.staff and picked["person"] is None:
        form.refuse("person", "选一位员工")
    if form.errors or kind is None or name is None:
        return _new_page(form, 422)
    with transaction() as session:
        account = get_account(session)
        tag_id = tags.ensure_tag(session, me().merchant_id, tag, now=now).id if tag else None
        scene = scenes.create_scene(
            session,
            merchant_id=me().merchant_id,
            appid=account.appid,
            kind=SceneKind(kind),
            name=name,
            store_id=picked["store"],
            staff_id=picked["person"] if kind == SceneKind.staff else None,
            tag_id=tag_id,
            template_id=picked["coupon"],
            now=now,
        )
        _record(session, scene, now)
    return reply.done(url_for("console.official.code", scene_id=scene.id), "正在向微信取二维码")


@page.post("/codes/missing")
@staff("official.manage")
def make_missing() -> Response:
    """A code for every store and table that has none."""
    now, made = clock_now(), 0
    with transaction() as session:
        account = get_account(session)
        for store in list_stores(session, me().merchant_id):
            for table in (None, *list_tables(session, store.id)):
                scenes.ensure_scene(
                    session,
                    merchant_id=me().merchant_id,
                    appid=account.appid,
                    kind=SceneKind.table if table else SceneKind.store,
                    store_id=store.id,
                    table_id=table.id if table else None,
                    now=now,
                )
                made += 1
    return reply.done(url_for("console.official.codes"), f"门店和桌台的 {made} 个码都有了")


@page.get("/codes/<int:scene_id>")
@staff("official.manage")
def code(scene_id: int) -> Response:
    """One code, large, to print or to download."""
    now = clock_now()
    with reading() as session:
        each = _find(session, scene_id)
        days = code_days.of(session, each.scene.appid, now, scene_id=scene_id)
    row, picture = _row(each, now), _picture(each.scene)
    return reply.page("official/code.html", row=row, scene=picture, days=days)


@page.get("/codes/<int:scene_id>/picture")
@staff("official.manage")
def code_picture(scene_id: int) -> Response:
    """The code alone as a file, for whoever draws the poster."""
    with reading() as session:
        each = _find(session, scene_id)
    if each.scene.url is None:
        raise NotFound("二维码还没取到，过几秒再来")
    response = Response(qr.drawing(each.scene.url), mimetype="image/svg+xml")
    response.headers["Content-Disposition"] = f'attachment; filename="{each.scene.code}.svg"'
    return response


@page.get("/codes/sheet")
@staff("official.manage")
def code_sheet() -> Response:
    """Codes of one kind, of one store, on paper, to cut out."""
    chosen, store = request.args.get("kind", ""), request.args.get("store", "")
    with reading() as session:
        every = brought.list_brought(session, me().merchant_id, get_account(session).appid)
    there = [each for each in every if not store or str(each.scene.store_id) == store]
    wanted = _of_kind(there, chosen)
    cells = [(qr.svg(each.scene.url), _title(each)) for each in wanted if each.scene.url]
    waiting = len(wanted) - len(cells)
    return reply.page("official/sheet.html", cells=cells, waiting=waiting)


def _new_page(form: Form, status: int = 200) -> Response:
    with reading() as session:
        offered = _offered(session)
    kinds = [(kind.value, KINDS[kind]) for kind in MADE]
    return reply.page("official/code_new.html", status, form=form, kinds=kinds, **offered)


def _offered(session: Session) -> dict[str, list[tuple[int, str]]]:
    """What a code may name: stores, people who work here, coupons that are given out."""
    people = session.execute(
        select(Staff.id, Staff.name)
        .where(Staff.merchant_id == me().merchant_id, Staff.state == StaffState.active)
        .order_by(Staff.id)
    )
    coupons = list_templates(session, me().merchant_id)
    return {
        "store": [(store.id, store.name) for store in me().stores],
        "person": list(dict(people.all()).items()),
        "coupon": [(each.id, each.name) for each in coupons if each.state is TemplateState.active],
    }


def _picked(form: Form, field: str, offered: list[tuple[int, str]]) -> int | None:
    wanted = whole(form[field])
    if form[field] and wanted not in dict(offered):
        form.refuse(field, "选一个")
    return wanted


def _find(session: Session, scene_id: int) -> Brought:
    every = brought.list_brought(session, me().merchant_id, get_account(session).appid)
    found = next((each for each in every if each.scene.id == scene_id), None)
    if found is None:
        raise NotFound("没有这个码")
    return found


def _of_kind(every: list[Brought], kind: str) -> list[Brought]:
    return [each for each in every if not kind or each.scene.kind.value == kind]


def _missing(every: list[Brought]) -> bool:
    having = {each.scene.store_id for each in every if each.scene.kind is SceneKind.store}
    return any(store.id not in having for store in me().stores)


def _row(each: Brought, now: datetime) -> dict[str, Any]:
    return {
        "id": each.scene.id,
        "kind": KINDS[each.scene.kind],
        "title": _title(each),
        "code": each.scene.code,
        "scans": words.count(each.scans) if each.scans else NOTHING,
        "follows": words.count(each.follows) if each.follows else NOTHING,
        "orderers": words.count(each.orderers) if each.orderers else NOTHING,
        "takings": words.yuan(each.takings_fen) if each.takings_fen else "",
        "ready": each.scene.url is not None,
        "made": words.when(each.scene.created_at, now),
        "extra": "、".join(
            word
            for word, given in (("打标签", each.scene.tag_id), ("送券", each.scene.template_id))
            if given
        ),
    }


def _title(each: Brought) -> str:
    """`静安寺店 A3`, `地铁口灯箱`, `小周`."""
    named = each.scene.name or each.staff
    place = " ".join(filter(None, (each.store, each.table)))
    return " · ".join(filter(None, (named, place))) or each.scene.code


def _picture(scene: Scene) -> dict[str, Any]:
    return {"id": scene.id, "qr": qr.svg(scene.url) if scene.url else None}


def _record(session: Session, scene: Scene, now: datetime) -> None:
    audit.record(
        session,
        actor=me().actor,
        action="scene.create",
        subject=f"scene:{scene.id}",
        after={"name": scene.name, "template_id": scene.template_id},
        merchant_id=me().merchant_id,
        now=now,
    )
