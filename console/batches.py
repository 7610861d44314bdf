"""Many coupons in one go: look first, then do; progress; the printed sheet; taking back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for

from analytics import templates as figures
from console import access, qr, reply, step_up, tickets, words
from console.access import me, staff
from console.forms import Form, whole
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from coupons import queries
from coupons.models import CouponTemplate, TemplateState
from crm.batches import lists, making, revoking, sizes, working
from crm.batches.lists import Line
from crm.models import NEXT_BATCH, BatchKind, BatchState, CouponBatch
from crm.segments import saving as segments
from crm.segments.preview import count as count_segment

page = Blueprint("batches", __name__, url_prefix="/batches")

WAYS = [
    ("segment", "发给一群人", "按人群，发的时候算"),
    ("members", "发给名单", "会员号或手机号，一行一个"),
    ("sheet", "印成券码", "传单、卡片，谁拿到谁用"),
    ("codes", "导入券码", "别的系统发出去的"),
]
STATES = {
    BatchState.preparing: ("准备中", "info"),
    BatchState.running: ("发放中", "info"),
    BatchState.stopped: ("停住了", "warn"),
    BatchState.done: ("发完了", "ok"),
    BatchState.revoking: ("作废中", "warn"),
    BatchState.revoked: ("已作废", ""),
}
KINDS = {BatchKind.members: "发给会员", BatchKind.sheet: "印成券码", BatchKind.codes: "导入券码"}
MOVING = (BatchState.preparing, BatchState.running, BatchState.revoking)
FAULTS_SHOWN = 100
A_SHEET = 120


@page.get("/")
@staff("coupons.issue")
def index() -> Response:
    before = whole(request.args.get("before", ""))
    with reading() as session:
        found = making.list_batches(session, me().merchant_id, before=before, limit=31)
    now = clock_now()
    shown = [_row(batch, template, now) for batch, template in found[:30]]
    following = url_for("console.batches.index", before=found[29][0].id) if len(found) > 30 else ""
    return reply.page("batches/index.html", batches=shown, next=following, before=before)


@page.get("/new")
@staff("coupons.issue")
def new() -> Response:
    way = request.args.get("way", "segment")
    return _form(Form(way=way, number="100", template=request.args.get("template", "")))


@page.post("/new")
@staff("coupons.issue")
def create() -> Response:
    """Looked at first; what was shown is read again and done when it is confirmed."""
    form, now = Form(request.form), clock_now()
    file = request.files.get("file")
    if file and file.filename:
        form.put("list", file.read().decode("utf-8-sig", "replace"))
    way = form.one_of("way", [value for value, _, _ in WAYS]) or "segment"
    form.text("name", longest=making.MAX_NAME)
    try:
        looked = _look(form, way, now)
        if form.errors or form["step"] != "go":
            return _form(form, 422 if form.errors else 200, looked)
        batch = _make(form, way, looked, now)
    except LinliError as refusal:
        if refusal.status not in (409, 422):
            raise
        form.refuse_with(refusal, "template" if refusal.status == 409 else "list")
        return _form(form, 422)
    return reply.done(url_for("console.batches.show", batch_id=batch.id))


@page.get("/<int:batch_id>")
@staff("coupons.issue")
def show(batch_id: int) -> Response:
    with reading() as session:
        batch = making.get_batch(session, me().merchant_id, batch_id)
        template = session.get_one(CouponTemplate, batch.template_id)
        faults = making.list_faults(session, batch.id, FAULTS_SHOWN) if batch.faulty else []
        used = figures.used_of_batch(session, batch.id)
    shown = _row(batch, template, clock_now())
    shown |= {
        "used": words.count(used),
        "used_share": words.share(used, batch.issued) if used else "",
        "used_pct": used * 100 // max(1, batch.issued),
        "ticket": tickets.of_template(template),
        "moving": batch.state in MOVING,
        "why": batch.stop_words,
        "reason": batch.revoke_reason,
        "revocable": BatchState.revoking in NEXT_BATCH[batch.state],
        "resumable": batch.state is BatchState.stopped,
        "printable": making.is_printable(batch),
        "faults": [(row.number, row.given, row.problem) for row in faults],
        "more_faults": max(0, batch.faulty - len(faults)),
    }
    return reply.page("batches/show.html", b=shown)


@page.post("/<int:batch_id>/resume")
@staff("coupons.issue")
def resume(batch_id: int) -> Response:
    now, who = clock_now(), me()
    with transaction() as session:
        batch = making.get_batch(session, who.merchant_id, batch_id)
        if working.resume(session, batch, now):
            audit.record(
                session,
                actor=who.actor,
                action="batch.resume",
                subject=f"batch:{batch.id}",
                after={"name": batch.name},
                merchant_id=who.merchant_id,
                now=now,
            )
    return reply.done(url_for("console.batches.show", batch_id=batch_id), "接着发了")


@page.get("/<int:batch_id>/sheet")
@staff("coupons.manage")
def sheet(batch_id: int) -> Response:
    """Codes with their QR, to be printed: whoever holds the paper holds the coupon."""
    after, now = whole(request.args.get("after", "")) or 0, clock_now()
    with transaction() as session:
        batch = making.get_batch(session, me().merchant_id, batch_id)
        template = session.get_one(CouponTemplate, batch.template_id)
        found = making.list_codes(session, batch, after=after, limit=A_SHEET + 1)
        audit.record(
            session,
            actor=me().actor,
            action="batch.print",
            subject=f"batch:{batch.id}",
            after={"name": batch.name, "people": len(found[:A_SHEET])},
            merchant_id=batch.merchant_id,
            now=now,
        )
    shown = found[:A_SHEET]
    following = ""
    if len(found) > A_SHEET:
        following = url_for("console.batches.sheet", batch_id=batch.id, after=shown[-1].id)
    return reply.page(
        "batches/sheet.html",
        b=_row(batch, template, now),
        ticket=tickets.of_template(template),
        codes=[(qr.svg(coupon.code), _grouped(coupon.code)) for coupon in shown],
        until=words.on(shown[0].expires_at, now) if shown else "",
        next=following,
    )


@page.get("/<int:batch_id>/revoke")
@staff("coupons.manage")
def revoking_page(batch_id: int) -> Response:
    return _revoke_page(batch_id, Form(), 200)


@page.post("/<int:batch_id>/revoke")
@staff("coupons.manage")
def revoke(batch_id: int) -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    reason = form.text("reason", longest=revoking.MAX_REASON)
    if reason is None or not step_up.is_proved(form, now):
        return _revoke_page(batch_id, form, 422)
    with transaction() as session:
        batch = making.get_batch(session, who.merchant_id, batch_id)
        revoking.start(session, batch, staff_id=who.staff_id, reason=reason, now=now)
    response = reply.done(url_for("console.batches.show", batch_id=batch_id), "正在作废没用的券")
    step_up.remember(response, now)
    return response


def _look(form: Form, way: str, now: datetime) -> dict[str, Any]:
    """What would happen; the lines stand under `lines`. Raises what the list is refused with."""
    merchant_id = me().merchant_id
    with reading() as session:
        open_ids = [template.id for template in _open(session, now)]
        form.one_of("template", open_ids, "选一张券")
        if way == "segment":
            chosen = form.one_of(
                "segment", [s.id for s in segments.list_segments(session, merchant_id)], "选一群人"
            )
            if chosen is None:
                return {}
            segment = segments.get_segment(session, merchant_id, int(chosen))
            people = count_segment(session, segment.rule, merchant_id, now)
            if not form.errors:
                template = session.get_one(CouponTemplate, int(form["template"]))
                sizes.check(session, template, people, now=now)
            return {"good": people, "bad": 0}
        if way == "sheet":
            number = form.whole("number", low=1, high=making.MOST_ON_A_SHEET)
            return {"good": number or 0, "bad": 0}
        read = lists.read_members if way == "members" else lists.read_codes
        lines = read(session, merchant_id, form["list"])
    good = sum(1 for line in lines if not line.problem)
    if not good:
        form.refuse("list", "没有一行能用，看看右边的原因")
    return {"good": good, "bad": len(lines) - good, "lines": lines}


def _make(form: Form, way: str, looked: dict[str, Any], now: datetime) -> CouponBatch:
    who = me()
    common: dict[str, Any] = {
        "template_id": int(form["template"]),
        "name": form["name"],
        "staff_id": who.staff_id,
        "now": now,
    }
    with transaction() as session:
        if way == "segment":
            return making.to_segment(
                session, who.merchant_id, segment_id=int(form["segment"]), **common
            )
        if way == "sheet":
            return making.sheet(session, who.merchant_id, number=int(looked["good"]), **common)
        kind = BatchKind.members if way == "members" else BatchKind.codes
        return making.from_lines(
            session, who.merchant_id, kind=kind, lines=looked["lines"], **common
        )


def _form(form: Form, status: int = 200, looked: dict[str, Any] | None = None) -> Response:
    now = clock_now()
    with reading() as session:
        templates = _open(session, now)
        groups = segments.list_segments(session, me().merchant_id)
    lines: list[Line] = (looked or {}).get("lines", [])
    bad = [line for line in lines if line.problem]
    preview = None
    if looked and "good" in looked:
        preview = {
            "good": words.count(looked["good"]),
            "bad": words.count(looked["bad"]) if looked["bad"] else "",
            "faults": [(line.number, line.given, line.problem) for line in bad[:FAULTS_SHOWN]],
            "more": max(0, len(bad) - FAULTS_SHOWN),
            "ready": bool(looked["good"]) and not form.errors,
        }
    return reply.page(
        "batches/new.html",
        status,
        form=form,
        ways=WAYS,
        templates=_to_choose("选一张券", templates),
        segments=_to_choose("选一群人", groups),
        preview=preview,
        limit=words.count(lists.MOST_LINES),
    )


def _to_choose(words: str, found: Sequence[Any]) -> list[tuple[str | int, str]]:
    """Nothing is chosen for anybody; nothing to choose from stays empty."""
    return [("", words), *((each.id, each.name) for each in found)] if found else []


def _open(session: Any, now: datetime) -> list[CouponTemplate]:
    return [
        template
        for template in queries.list_templates(session, me().merchant_id)
        if template.state is TemplateState.active
        and (template.valid_until is None or template.valid_until > now)
    ]


def _row(batch: CouponBatch, template: CouponTemplate, now: datetime) -> dict[str, Any]:
    state, tone = STATES[batch.state]
    unit = "个" if batch.kind is not BatchKind.members else "人"
    return {
        "id": batch.id,
        "name": batch.name,
        "what": template.name,
        "kind": KINDS[batch.kind],
        "state": state,
        "tone": tone,
        "total": f"{words.count(batch.total)} {unit}",
        "issued": words.count(batch.issued),
        "faulty": words.count(batch.faulty) if batch.faulty else "",
        "voided": words.count(batch.voided) if batch.voided else "",
        "pct": batch.issued * 100 // batch.total if batch.total else 0,
        "at": words.when(batch.created_at, now),
    }


def _revoke_page(batch_id: int, form: Form, status: int) -> Response:
    now = clock_now()
    with reading() as session:
        batch = making.get_batch(session, me().merchant_id, batch_id)
        template = session.get_one(CouponTemplate, batch.template_id)
    return reply.page(
        "batches/revoke.html",
        status,
        b=_row(batch, template, now),
        form=form,
        stepped_up=access.is_proved(now),
    )


def _grouped(code: str) -> str:
    return " ".join(code[i : i + 4] for i in range(0, len(code), 4))
