"""Materials: pictures, voices and films uploaded to WeChat, to be chosen in answers and chats."""

from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy.orm import Session

from console import reply, words
from console.access import me, staff, takes_file
from console.forms import Form, whole
from console.official.blueprint import find_account, get_account, page, shown
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import NotFound
from gateways.wechat.errors import WechatUnavailable
from messaging.materials import files, remote, shelf
from messaging.models import Material, MaterialState

STATES = {
    MaterialState.uploading: ("正在传", "note"),
    MaterialState.ready: ("", ""),
    MaterialState.failed: ("没传成", "bad"),
    MaterialState.dropped: ("已删", ""),
}
SHELVES = {"lasting": "一直留着", "days": "只留三天"}


@page.get("/materials")
@staff("official.manage")
def list_materials() -> Response:
    return _list_page(Form(shelf="lasting"))


@page.post("/materials")
@takes_file
@staff("official.manage")
def upload_material() -> Response:
    """Checked here, written down, uploaded, and what WeChat said recorded: three steps."""
    form, now = Form(request.form), clock_now()
    given = request.files.get("file")
    raw = given.read() if given else b""
    name = form.text("name", longest=30, needed=False) or name_of(given.filename if given else "")
    lasting = form.one_of("shelf", SHELVES) == "lasting"
    try:
        file = files.check(raw, as_thumb=form["thumb"] == "on")
    except files.Refused as refused:
        form.refuse("file", str(refused))
    if form.errors:
        return _list_page(form, 422)
    with transaction() as session:
        account = get_account(session)
        made = shelf.prepare(
            session, account.appid, file, name=name, size=len(raw), actor=me().actor, now=now
        )
        _record(session, "material.upload", made, now)
    problem = remote.upload(made, raw, lasting=lasting)
    if problem:
        form.refuse("file", problem)
        return _list_page(form, 422)
    return reply.done(url_for("console.official.list_materials"), f"「{name}」传好了")


@page.post("/materials/<int:material_id>/drop")
@staff("official.manage")
def drop_material(material_id: int) -> Response:
    now = clock_now()
    with transaction() as session:
        found = _mine(session, material_id)
        name = found.name
        if shelf.drop(session, found, now=now):
            _record(session, "material.drop", found, now)
    return reply.done(url_for("console.official.list_materials"), f"「{name}」删掉了")


@page.get("/materials/<int:material_id>/picture")
@staff("official.manage")
def material_picture(material_id: int) -> Response:
    """The picture itself, through us: the page asks no other host."""
    with reading() as session:
        found = _mine(session, material_id)
    if found.kind not in (files.IMAGE, files.THUMB) or found.state is not MaterialState.ready:
        raise NotFound("这个素材没有图")
    try:
        seen = remote.fetch_picture(found.appid, found.media_id)
    except WechatUnavailable:
        seen = None
    if seen is None:
        raise NotFound("微信那边没有这张图了")
    return picture(*seen)


def picture(raw: bytes, mime: str) -> Response:
    response = Response(raw, mimetype=mime)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def options(session: Session, appid: str, *kinds: str, lasting: bool) -> list[tuple[str, str]]:
    """What may be chosen, as (media id, name), the latest first."""
    now = clock_now()
    found = shelf.list_usable(session, appid, kinds, lasting=lasting, now=now)
    return [(each.media_id, _title(each, now)) for each in found]


def _list_page(form: Form, status: int = 200) -> Response:
    now = clock_now()
    with reading() as session:
        account = find_account(session)
        before = whole(request.args.get("before", ""))
        found = (
            shelf.list_page(session, account.appid, now=now, before_id=before) if account else []
        )
    more = None
    if len(found) > shelf.PAGE:
        last = found[shelf.PAGE - 1].id
        more = url_for("console.official.list_materials", before=last)
    return reply.page(
        "official/materials.html",
        status,
        account=shown(account) if account else None,
        rows=[_row(each, now) for each in found[: shelf.PAGE]],
        more=more,
        form=form,
        shelves=list(SHELVES.items()),
    )


def _row(each: Material, now: datetime) -> dict[str, Any]:
    state, tone = STATES[each.state]
    has_picture = each.state is MaterialState.ready and each.kind in (files.IMAGE, files.THUMB)
    address = url_for("console.official.material_picture", material_id=each.id)
    return {
        "id": each.id,
        "name": each.name,
        "kind": files.WORDS[each.kind],
        "icon": each.kind,
        "picture": address if has_picture else "",
        "size": f"{each.size / 1024:.0f} KB",
        "state": state,
        "tone": tone,
        "problem": each.problem,
        "ends": _ends(each, now),
        "at": words.when(each.created_at, now),
    }


def _ends(each: Material, now: datetime) -> str:
    if each.state is not MaterialState.ready or each.ends_at is None:
        return ""
    hours = int((each.ends_at - now).total_seconds() // 3600)
    return f"还能用 {hours} 小时" if hours < 48 else f"还能用 {hours // 24} 天"


def _title(each: Material, now: datetime) -> str:
    ends = _ends(each, now)
    return f"{each.name}（{ends}）" if ends else each.name


def name_of(filename: str | None) -> str:
    """What a file without a name of its own is called: its file's, without the ending."""
    return (filename or "").replace("\\", "/").rpartition("/")[2].rpartition(".")[0][:30] or "素材"


def _mine(session: Session, material_id: int) -> Material:
    found = shelf.get(session, get_account(session).appid, material_id)
    if found is None or found.state is MaterialState.dropped:
        raise NotFound("没有这个素材")
    return found


def _record(session: Session, action: str, each: Material, now: datetime) -> None:
    audit.record(
        session,
        actor=me().actor,
        action=action,
        subject=f"material:{each.id}",
        after={"name": each.name},
        merchant_id=me().merchant_id,
        now=now,
    )
