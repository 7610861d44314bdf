"""Members from another system: a file is looked at, then brought over by a job, line by line."""

import csv
import io
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import access, people, reply, step_up, words
from console.access import me, staff, takes_file
from console.forms import Form
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from crm import tiers
from crm.importing import making
from crm.importing import reading as files
from crm.models import ImportState, MemberImport

page = Blueprint("member_imports", __name__, url_prefix="/members/imports")

STATES = {
    ImportState.checked: ("还没导入", "warn"),
    ImportState.running: ("导入中", "note"),
    ImportState.stopped: ("停下了", "warn"),
    ImportState.done: ("导入完了", "ok"),
}
FAULTS_SHOWN = 100
SAMPLE = [
    "13800001234",
    "林小满",
    "",
    "1280",
    "2027-06-30",
    "200.00",
    "20.00",
    "",
    "1992-05-14",
    "",
]


@page.get("/")
@staff("members.import")
def index() -> Response:
    return _index(Form())


@page.post("/")
@takes_file
@staff("members.import")
def upload() -> Response:
    """Read and kept, so that it can be looked at; nothing happens to anybody yet."""
    form, now, who = Form(request.form), clock_now(), me()
    given = request.files.get("file")
    raw = given.read() if given else b""
    if not raw:
        form.refuse("file", "选一个 CSV 文件")
        return _index(form, 422)
    try:
        with reading() as session:  # takes seconds, in which everybody else goes on writing
            file = files.read(session, who.merchant_id, _text(raw), now)
        with transaction() as session:
            found, fresh = making.keep(
                session,
                who.merchant_id,
                name=(given.filename if given else "") or "",
                raw=raw,
                file=file,
                actor=who.actor,
                now=now,
            )
    except LinliError as refusal:
        if refusal.status != 422:
            raise
        form.refuse_with(refusal, "file")
        return _index(form, 422)
    to = url_for("console.member_imports.show", import_id=found.id)
    return reply.done(to, "" if fresh else "这份文件传过了，这是上次的结果")


@page.get("/sample")
@staff("members.import")
def sample() -> Response:
    """The columns as we call them, with one line to write over."""
    heading = [names[0] for names in files.COLUMNS.values()]
    return _csv("members-sample.csv", [heading, SAMPLE])


@page.get("/<int:import_id>")
@staff("members.import")
def show(import_id: int) -> Response:
    return _page(import_id, Form())


@page.post("/<int:import_id>/start")
@staff("members.import")
def start(import_id: int) -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    if not step_up.is_proved(form, now):
        return _page(import_id, form, 422)
    with transaction() as session:
        found = making.get(session, who.merchant_id, import_id)
        making.start(session, found, actor=who.actor, now=now)
    response = reply.done(_at(import_id), "开始导入了，可以离开这页")
    step_up.remember(response, now)
    return response


@page.post("/<int:import_id>/stop")
@staff("members.import")
def stop(import_id: int) -> Response:
    with transaction() as session:
        found = making.get(session, me().merchant_id, import_id)
        stopped = making.stop(session, found, actor=me().actor, now=clock_now())
    return reply.done(_at(import_id), "停下了，没导的留着" if stopped else "已经导完了")


@page.post("/<int:import_id>/drop")
@staff("members.import")
def drop(import_id: int) -> Response:
    with transaction() as session:
        found = making.get(session, me().merchant_id, import_id)
        gone = making.drop(session, found, actor=me().actor, now=clock_now())
    to = url_for("console.member_imports.index") if gone else _at(import_id)
    return reply.done(to, "扔掉了，什么都没有导入" if gone else "已经开始导入，扔不掉了")


@page.get("/<int:import_id>/faults")
@staff("members.import")
def faults(import_id: int) -> Response:
    """The lines that were left out, as they stood in the file and why: to mend and bring again."""
    with transaction() as session:
        found = making.get(session, me().merchant_id, import_id)
        rows = making.list_faults(session, import_id, files.MOST_LINES)
        lines = [[*making.cells_of(row), row.problem] for row in rows if row.data]
        audit.record(
            session,
            actor=me().actor,
            action="members.import_faults",
            subject=f"import:{import_id}",
            after={"name": found.name, "people": len(lines)},
            merchant_id=me().merchant_id,
            now=clock_now(),
        )
    return _csv("members-faults.csv", [[*found.summary["heading"], "问题"], *lines])


def _index(form: Form, status: int = 200) -> Response:
    now = clock_now()
    with reading() as session:
        rows = [_row(found, now) for found in making.list_imports(session, me().merchant_id)]
        levels = "、".join(tiers.names(session, me().merchant_id).values())
    return reply.page(
        "members/imports.html",
        status,
        form=form,
        imports=rows,
        columns=[(names[0], _others(names)) for names in files.COLUMNS.values()],
        limit=words.count(files.MOST_LINES),
        levels=levels,
    )


def _page(import_id: int, form: Form, status: int = 200) -> Response:
    now = clock_now()
    with reading() as session:
        found = making.get(session, me().merchant_id, import_id)
        shown = _row(found, now) | _facts(session, found)
        if shown["ready"]:
            shown["why"] = making.why_other(session, found, actor=me().actor, now=now)
        rows = making.list_faults(session, import_id, FAULTS_SHOWN)
    return reply.page(
        "members/import.html",
        status,
        i=shown,
        faults=[(row.number, row.shown, row.problem) for row in rows],
        more=max(0, found.faulty - len(rows)),
        form=form,
        stepped_up=access.is_proved(now),
    )


def _facts(session: Session, found: MemberImport) -> dict[str, Any]:
    """What it would do, or has done."""
    sums, names = found.summary, tiers.names(session, found.merchant_id)
    known = sums["known"]
    return {
        "known": words.count(known),
        "fresh": words.count(max(found.total - known, 0)),
        "facts": [
            ("积分", f"{words.count(sums['points'])} 分"),
            ("储值本金", f"¥{words.yuan(sums['principal_fen'])}"),
            ("储值赠送", f"¥{words.yuan(sums['bonus_fen'])}"),
            *((names.get(code, code), f"{n} 人") for code, n in sums["tiers"].items()),
            ("文件里写着接受营销消息", f"{words.count(sums['allowed'])} 人"),
        ],
        "has_balance": sums["principal_fen"] + sums["bonus_fen"] > 0,
        "ignored": "、".join(sums["ignored"]),
    }


def _row(found: MemberImport, now: datetime) -> dict[str, Any]:
    return {
        "id": found.id,
        "name": found.name,
        "at": words.when(found.created_at, now),
        "state": STATES[found.state],
        "total": words.count(found.total),
        "imported": words.count(found.imported),
        "faulty": words.count(found.faulty) if found.faulty else "",
        "percent": found.imported * 100 // found.total if found.total else 0,
        "checked": found.state is ImportState.checked,
        "running": found.state is ImportState.running,
        "stopped": found.state is ImportState.stopped,
        "left": words.count(found.total - found.imported),
        "ready": found.state in making.STARTABLE and found.total > 0,
    }


def _others(names: tuple[str, ...]) -> str:
    """What else a column may be called, in Chinese."""
    return "、".join(name for name in names[1:4] if not name.isascii())


def _text(raw: bytes) -> str:
    """Spreadsheets in Chinese write UTF-8 or GB 18030."""
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("gb18030", "replace")


def _csv(name: str, lines: list[list[str]]) -> Response:
    out = io.StringIO()
    csv.writer(out).writerows([[people.harmless(cell) for cell in line] for line in lines])
    response = Response("\ufeff" + out.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f"attachment; filename={name}"
    return response


def _at(import_id: int) -> str:
    return url_for("console.member_imports.show", import_id=import_id)
