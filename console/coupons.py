"""Coupon templates: what is being given out, how much of it came back, and a new one."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from analytics import templates as figures
from console import offer_forms, offer_view, reply, tickets, words
from console.access import me, staff
from console.forms import Form
from console.offer_forms import Choices
from core.clock import day_bounds
from core.clock import now as clock_now
from core.database import reading, transaction
from coupons import queries, templates
from coupons import words as coupon_words
from coupons.models import CouponKind, CouponTemplate, StackGroup, TemplateState, UseChannel
from crm.tiers import programme

page = Blueprint("coupons", __name__, url_prefix="/coupons")

FIELDS = {
    "face_fen": "face",
    "off_bp": "tenths",
    "cap_fen": "cap",
    "pay_fen": "pay",
    "uses_total": "uses",
    "valid_days": "days",
    "valid_until": "ends",
    "member_daily_limit": "daily_each",
    "total_limit": "total",
    "per_member_limit": "each",
    "daily_limit": "daily",
    "remind_days": "remind",
    "store_ids": "stores",
    "product_ids": "goods",
    "from_minute": "from",
    "stack_group": "stacking",
}
KINDS = [
    ("amount", "满减", "减固定金额"),
    ("percent", "折扣", "可以设上限"),
    ("exchange", "兑换", "换一件商品"),
    ("nth", "第 N 件", "第二件半价"),
    ("delivery", "免配送费", "外送订单用"),
]
STACKING = [
    ("coupon", "一单一张，和店铺活动同享"),
    ("extra", "能和别的券一起用"),
    ("promotion", "和满减活动二选一"),
    ("exclusive", "不和任何优惠同用"),
]
CHANNELS = [
    ("any", "下单和到店都能用"),
    ("online", "只能小程序下单用"),
    ("counter", "只能到店核销"),
]
USUAL: dict[str, Any] = {
    "uses": "1",
    "channel": "any",
    "stacking": "coupon",
    "goods": "all",
    "remind": "3",
}
"""What a form that does not ask means."""
DEFAULTS = {**USUAL, "kind": "amount", "nth": "2", "days": "7", "each": "1"}
EXAMPLE = {"name": "老客回店券", "face": "12", "min": "80", "tenths": "8.5", "pay": "0"}
"""What stands in grey where nothing was typed yet; the ticket beside is drawn with it."""
SELDOM = ("ends", "weekdays", "from", "channel", "tiers", "first")
SELDOM_GIVEN = ("daily", "daily_each", "stacking", "remind", "giftable")
"""What most coupons leave as it is: folded until something of it is given, or wrong."""


@page.get("/")
@staff("coupons.view")
def index() -> Response:
    now = clock_now()
    with reading() as session:
        found = queries.list_templates(session, me().merchant_id)
        used = figures.usage(session, [template.id for template in found])
        goods = offer_forms.names(session)
    names = {store.id: store.name for store in me().stores}
    found = sorted(found, key=lambda each: (-used[each.id].redeemed, -used[each.id].issued))
    shown = [
        {
            "id": template.id,
            "ticket": tickets.of_template(template),
            "where": coupon_words.scope(template, names, *goods),
            "stacking": coupon_words.stacking(template),
            "active": template.state is TemplateState.active
            and (template.valid_until is None or template.valid_until > now),
            "paused": template.state is TemplateState.paused,
            "issued": words.count(used[template.id].issued),
            "redeemed": words.count(used[template.id].redeemed),
            "rate": words.share(used[template.id].redeemed, used[template.id].issued),
            "pct": used[template.id].redeemed * 100 // max(1, used[template.id].issued),
            "cost": words.yuan(used[template.id].cost_fen),
            "left": "" if template.left is None else f"还能发 {words.count(template.left)} 张",
            "claimable": template.claimable,
        }
        for template in found
    ]
    running = [row for row in shown if row["active"]]
    over = [row for row in shown if not row["active"]]
    said = f"{len(running)} 种在发"
    return reply.page("coupons/index.html", templates=[*running, *over], words=said)


@page.get("/new")
@staff("coupons.manage")
def new() -> Response:
    with reading() as session:
        return _page(session, Form(DEFAULTS), offer_forms.everything(session))


@page.post("/new")
@staff("coupons.manage")
def create() -> Response:
    form, now = Form(request.form, **USUAL), clock_now()
    with reading() as session:
        choices = offer_forms.ticked(session)
        draft = _draft(form, choices)
        if draft is None:
            return _page(session, form, choices, 422)
        warned = offer_view.severe(session, templates.build(draft, choices.goods), now)
        if warned and form["anyway"] != "on":
            form.refuse("anyway", "上面的重叠看过了，勾上再上线")
            return _page(session, form, choices, 422)
    try:
        with transaction() as session:
            template = templates.create(session, me().merchant_id, draft, actor=me().actor, now=now)
    except templates.TemplateInvalid as refusal:
        for name, why in refusal.errors.items():
            form.refuse(FIELDS.get(name, name), why)
        with reading() as session:
            return _page(session, form, choices, 422)
    return reply.done(url_for("console.coupons.index"), f"「{template.name}」已上线")


@page.post("/preview")
@staff("coupons.manage")
def preview() -> Response:
    """The ticket as members will see it, while it is being written, and what it would cost."""
    with reading() as session:
        choices = offer_forms.ticked(session)
        shown = _look(session, Form(request.form, **USUAL), choices)
    return reply.page("coupons/preview.html", **shown)


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


@page.get("/<int:template_id>/total")
@staff("coupons.manage")
def ask_total(template_id: int) -> Response:
    with reading() as session:
        template = templates.get_template_of(session, me().merchant_id, template_id)
    total = "" if template.total_limit is None else template.total_limit
    return _total_page(template, Form(total=total))


@page.post("/<int:template_id>/total")
@staff("coupons.manage")
def set_total(template_id: int) -> Response:
    """More of it, or no end to it; what stood still because it was used up can go on."""
    form, now = Form(request.form), clock_now()
    total = form.whole("total", low=1, needed=False)
    with reading() as session:
        template = templates.get_template_of(session, me().merchant_id, template_id)
    if form.errors:
        return _total_page(template, form, 422)
    try:
        with transaction() as session:
            mine = templates.get_template_of(session, me().merchant_id, template_id)
            templates.set_total(session, mine, total, actor=me().actor, now=now)
    except templates.TemplateInvalid as refusal:
        form.refuse("total", refusal.errors["total"])
        return _total_page(template, form, 422)
    said = "不限张数了" if total is None else f"一共 {words.count(total)} 张"
    return reply.done(url_for("console.coupons.index"), f"「{template.name}」{said}")


def _total_page(template: CouponTemplate, form: Form, status: int = 200) -> Response:
    issued = words.count(template.issued_count)
    shown = {"id": template.id, "name": template.name, "issued": issued}
    return reply.page("coupons/total.html", status, t=shown, form=form)


def _ends(form: Form) -> datetime | None:
    """The end of the day that was typed; with it nobody has to say for how many days."""
    typed = form["ends"].strip()
    if not typed:
        return None
    try:
        return day_bounds(date.fromisoformat(typed))[1]
    except ValueError:
        form.refuse("ends", "选一个日子")
        return None


def _draft(form: Form, choices: Choices) -> templates.TemplateDraft | None:
    """What was typed, or None with what is wrong noted in the form."""
    kind = CouponKind(form.one_of("kind", CouponKind) or CouponKind.amount)
    values: dict[str, Any] = {
        "name": form.text("name", longest=templates.MAX_NAME),
        "min_spend_fen": form.yuan("min", needed=False) or 0,
        "uses_total": form.whole("uses", low=1, high=templates.MAX_USES),
        "valid_until": (ends := _ends(form)),
        "valid_days": form.whole("days", low=1, high=templates.MAX_DAYS, needed=ends is None),
        "total_limit": form.whole("total", low=1, needed=False),
        "per_member_limit": form.whole("each", low=1, high=100),
        "daily_limit": form.whole("daily", low=1, needed=False),
        "member_daily_limit": form.whole("daily_each", low=1, high=100, needed=False),
        "remind_days": form.whole("remind", high=templates.MAX_REMIND),
        **_worth(form, kind),
        **offer_forms.limits(form, choices),
    }
    stacking = form.one_of("stacking", [name for name, _ in STACKING])
    if form.errors:
        return None
    return templates.TemplateDraft(
        kind=kind,
        channel=UseChannel(form.one_of("channel", UseChannel) or UseChannel.any),
        first_order=form["first"] == "on",
        tiers=choices.tiers or None,
        stack_group=StackGroup.coupon if stacking == "exclusive" else StackGroup(str(stacking)),
        exclusive=stacking == "exclusive",
        claimable=form["claimable"] == "on",
        giftable=form["giftable"] == "on",
        **values,
    )


def _worth(form: Form, kind: CouponKind) -> dict[str, Any]:
    """The fields that this kind has; those of the others are hidden and not looked at."""
    if kind is CouponKind.amount:
        return {"face_fen": form.yuan("face", low=1)}
    if kind is CouponKind.percent:
        return {"off_bp": form.tenths("tenths"), "cap_fen": form.yuan("cap", low=1, needed=False)}
    if kind is CouponKind.exchange:
        return {"pay_fen": form.yuan("pay", needed=False) or 0}
    if kind is CouponKind.nth:
        return {"nth": form.whole("nth", low=2, high=9), "off_bp": form.tenths("tenths")}
    return {"face_fen": form.yuan("fee", needed=False) or 0}


def _look(session: Session, form: Form, choices: Choices) -> dict[str, Any]:
    """The ticket, where it is good, a sum on real orders, and what it meets."""
    draft, now = _draft(Form(form.given), choices), clock_now()
    if draft is None:
        return {"ticket": _sketch(form, choices), "sketched": True, "meetings": []}
    template = templates.build(draft, choices.goods)
    template.merchant_id = me().merchant_id
    most = template.worth_fen * template.uses_total
    names = {store.id: store.name for store in me().stores}
    goods = {good.id: good.name for good in choices.goods}
    return {
        "ticket": tickets.of_template(template),
        "where": coupon_words.scope(template, names, goods, choices.category_names),
        "stacking": coupon_words.stacking(template),
        "most": words.yuan(most * draft.total_limit) if most and draft.total_limit else "",
        "trial": offer_view.template_trial(session, template, now),
        "meetings": offer_view.meetings(session, template, now),
    }


def _sketch(form: Form, choices: Choices) -> tickets.Ticket | None:
    """The ticket while it is half written: the example stands where nothing was typed yet."""
    typed = {name: value for name, value in form.given.items() if str(value or "").strip()}
    draft = _draft(Form({**DEFAULTS, **EXAMPLE, **typed}), choices)
    if draft is None:
        return None
    template = templates.build(draft, choices.goods)
    template.merchant_id = me().merchant_id
    return tickets.of_template(template)


def _given(form: Form, choices: Choices, names: Sequence[str]) -> bool:
    """Whether anything of the fields was set, or is wrong: then they stand open."""
    ticked = {"weekdays": choices.weekdays, "tiers": choices.tiers}
    return any(
        bool(form.errors[name])
        or bool(ticked[name] if name in ticked else form[name] != USUAL.get(name, ""))
        for name in names
    )


def _page(session: Session, form: Form, choices: Choices, status: int = 200) -> Response:
    return reply.page(
        "coupons/new.html",
        status,
        form=form,
        choices=choices,
        kinds=KINDS,
        stackings=STACKING,
        channels=CHANNELS,
        days=offer_forms.DAYS,
        tiers=list(programme.names(session, me().merchant_id).items()),
        example=EXAMPLE,
        limited=_given(form, choices, SELDOM),
        tuned=_given(form, choices, SELDOM_GIVEN),
        **_look(session, form, choices),
    )
