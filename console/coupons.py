"""Coupon templates: what is being given out, how much of it came back, and a new one."""

from typing import Any

from flask import Blueprint, Response, request, url_for

from analytics import templates as figures
from console import reply, tickets, words
from console.access import me, staff
from console.forms import Form, whole
from core.clock import now as clock_now
from core.database import reading, transaction
from coupons import queries, templates
from coupons import words as coupon_words
from coupons.models import CouponKind, CouponTemplate, TemplateState

page = Blueprint("coupons", __name__, url_prefix="/coupons")

FIELDS = {
    "face_fen": "face",
    "off_bp": "tenths",
    "cap_fen": "cap",
    "valid_days": "days",
    "total_limit": "total",
    "per_member_limit": "each",
    "store_ids": "stores",
}


@page.get("/")
@staff("coupons.view")
def index() -> Response:
    now = clock_now()
    with reading() as session:
        found = queries.list_templates(session, me().merchant_id)
        used = figures.usage(session, [template.id for template in found])
    names = {store.id: store.name for store in me().stores}
    shown = [
        {
            "id": template.id,
            "ticket": tickets.of_template(template),
            "where": coupon_words.scope(template, names),
            "active": template.state is TemplateState.active
            and (template.valid_until is None or template.valid_until > now),
            "paused": template.state is TemplateState.paused,
            "issued": words.count(used[template.id].issued),
            "redeemed": words.count(used[template.id].redeemed),
            "rate": words.share(used[template.id].redeemed, used[template.id].issued),
            "cost": words.yuan(used[template.id].cost_fen),
            "left": ""
            if template.total_limit is None
            else f"还能发 {words.count(template.total_limit - template.issued_count)} 张",
            "claimable": template.claimable,
        }
        for template in found
    ]
    giving = sum(1 for row in shown if row["active"])
    return reply.page("coupons/index.html", templates=shown, words=f"{giving} 种在发")


@page.get("/new")
@staff("coupons.manage")
def new() -> Response:
    form = Form(kind="amount", name="", face="12", min="80", tenths="8.5", days="8", each="1")
    return _page(form, me().all_store_ids)


@page.post("/new")
@staff("coupons.manage")
def create() -> Response:
    form, now = Form(request.form), clock_now()
    chosen = _chosen()
    draft = _draft(form, chosen)
    if draft is None:
        return _page(form, chosen, 422)
    try:
        with transaction() as session:
            template = templates.create(session, me().merchant_id, draft, actor=me().actor, now=now)
    except templates.TemplateInvalid as refusal:
        for name, why in refusal.errors.items():
            form.refuse(FIELDS.get(name, name), why)
        return _page(form, chosen, 422)
    return reply.done(url_for("console.coupons.index"), f"「{template.name}」已上线")


@page.post("/preview")
@staff("coupons.manage")
def preview() -> Response:
    """The ticket as members will see it, while it is being written."""
    form = Form(request.form)
    return reply.page("coupons/preview.html", **_ticket(form, _chosen()))


@page.post("/<int:template_id>/state")
@staff("coupons.manage")
def put(template_id: int) -> Response:
    wanted = Form(request.form).one_of("state", TemplateState) or TemplateState.paused
    state = TemplateState(wanted)
    with transaction() as session:
        template = templates.get_template_of(session, me().merchant_id, template_id)
        templates.set_state(session, template, state, actor=me().actor, now=clock_now())
    said = "不再发了，已发出的还能用" if state is TemplateState.paused else "继续发了"
    return reply.done(url_for("console.coupons.index"), f"「{template.name}」{said}")


def _chosen() -> list[int]:
    given = {whole(text) for text in request.form.getlist("stores")}
    return [store_id for store_id in me().all_store_ids if store_id in given]


def _draft(form: Form, stores: list[int]) -> templates.TemplateDraft | None:
    """What was typed, or None with what is wrong noted in the form."""
    kind = CouponKind(form.one_of("kind", CouponKind) or CouponKind.amount)
    amount = kind is CouponKind.amount
    name = form.text("name", longest=templates.MAX_NAME)
    face = form.yuan("face", low=1) if amount else 0
    off_bp = 0 if amount else _off_bp(form)
    cap = None if amount else form.yuan("cap", low=1, needed=False)
    least = form.yuan("min", needed=False)
    days = form.whole("days", low=1, high=templates.MAX_DAYS)
    total = form.whole("total", low=1, needed=False)
    each = form.whole("each", low=1, high=100)
    if form.errors or name is None or face is None or off_bp is None or each is None:
        return None
    return templates.TemplateDraft(
        name=name,
        kind=kind,
        face_fen=face,
        off_bp=off_bp,
        cap_fen=cap,
        min_spend_fen=least or 0,
        store_ids=None if stores == me().all_store_ids else stores,
        valid_days=days,
        total_limit=total,
        per_member_limit=each,
        claimable=form["claimable"] == "on",
    )


def _off_bp(form: Form) -> int | None:
    """`8.5` 折 is 1,500 basis points off."""
    try:
        tenths = float(form["tenths"])
    except ValueError:
        form.refuse("tenths", "填 0.1 到 9.9，比如 8.5")
        return None
    if not 0.1 <= tenths <= 9.9:
        form.refuse("tenths", "填 0.1 到 9.9，比如 8.5")
        return None
    return 10_000 - round(tenths * 1_000)


def _ticket(form: Form, stores: list[int]) -> dict[str, Any]:
    draft = _draft(Form({**{name: form[name] for name in _NAMES}}), stores)
    if draft is None:
        return {"ticket": None, "where": "", "most": ""}
    template = CouponTemplate(
        name=draft.name,
        kind=draft.kind,
        face_fen=draft.face_fen,
        off_bp=draft.off_bp,
        cap_fen=draft.cap_fen,
        min_spend_fen=draft.min_spend_fen,
        store_ids=draft.store_ids,
        valid_days=draft.valid_days,
    )
    most = draft.face_fen or draft.cap_fen or 0
    names = {store.id: store.name for store in me().stores}
    return {
        "ticket": tickets.of_template(template),
        "where": coupon_words.scope(template, names),
        "most": words.yuan(most * draft.total_limit) if most and draft.total_limit else "",
    }


_NAMES = ("kind", "name", "face", "min", "tenths", "cap", "days", "total", "each", "claimable")


def _page(form: Form, stores: list[int], status: int = 200) -> Response:
    return reply.page("coupons/new.html", status, form=form, chosen=stores, **_ticket(form, stores))
