"""Promotions: what goods cost less by themselves; written as a draft, started, stopped."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import offer_calendar, offer_forms, offer_view, reply, words
from console.access import me, staff
from console.forms import Form
from console.offer_forms import Choices
from core.clock import local, parse_local
from core.clock import now as clock_now
from core.database import reading, transaction
from core.money import format_yuan
from coupons import floors, offering, rationing, scope
from coupons import words as coupon_words
from coupons.models import Promotion, PromotionKind, PromotionState, StackGroup

page = Blueprint("promotions", __name__, url_prefix="/promotions")

FIELDS = {
    "off_bp": "tenths",
    "price_fen": "price",
    "pieces_each": "stock",
    "pieces_per_member": "each",
    "starts_at": "starts",
    "ends_at": "ends",
    "store_ids": "stores",
    "product_ids": "goods",
    "from_minute": "from",
    "stack_group": "stacking",
}
KINDS = [
    ("spend", "满减", "满 30 减 3，可以分档"),
    ("pieces", "满件折", "满 2 件 9 折"),
    ("nth", "第 N 件", "第二件半价"),
    ("price", "限时折扣", "打折或特价"),
]
STACKING = [
    ("promotion", "几个活动里取最省的，可再用券"),
    ("goods", "和别的活动、券都能叠加"),
    ("coupon", "和优惠券二选一"),
]
STEPS = (1, 2, 3)


@page.get("/")
@staff("coupons.view")
def index() -> Response:
    now = clock_now()
    with reading() as session:
        found = offering.list_promotions(session, me().merchant_id)
        sold = rationing.sold_of(session, [each.id for each in found if _is_rationed(each)])
        names = offer_forms.names(session)
        rows = [_row(promotion, names, sold.get(promotion.id, 0), now) for promotion in found]
    running = sum(1 for row in rows if row["phase"] == "在进行")
    return reply.page("promotions/index.html", rows=rows, words=f"{running} 个在进行")


@page.get("/calendar")
@staff("coupons.view")
def calendar() -> Response:
    """A month of promotions and coupons side by side, with what meets marked."""
    now = clock_now()
    with reading() as session:
        shown = offer_calendar.month(
            session, request.args.get("month", ""), now, request.args.get("day", "")
        )
        floor_bp = floors.floor_of(session, me().merchant_id)
    form = Form(floor=coupon_words.tenths(10_000 - floor_bp))
    return reply.page("promotions/calendar.html", c=shown, form=form)


@page.post("/floor")
@staff("coupons.manage")
def set_floor() -> Response:
    """Below which price the calendar and the forms point out what meets."""
    form, now = Form(request.form), clock_now()
    off_bp = form.tenths("floor")
    if off_bp is None:
        with reading() as session:
            shown = offer_calendar.month(session, "", now)
        return reply.page("promotions/calendar.html", 422, c=shown, form=form)
    with transaction() as session:
        floors.set_floor(session, me().merchant_id, 10_000 - off_bp, actor=me().actor, now=now)
    return reply.done(url_for("console.promotions.calendar"), "记下了，低过它的重叠会标出来")


@page.get("/new")
@staff("coupons.manage")
def new() -> Response:
    start = local(clock_now())
    form = Form(kind="spend", goods="all", stacking="promotion", nth="2", starts=_typed(start))
    with reading() as session:
        return _page(session, form, offer_forms.everything(session))


@page.get("/<int:promotion_id>")
@staff("coupons.manage")
def edit(promotion_id: int) -> Response:
    """A draft to be changed; one that has run, to be looked at and copied."""
    with reading() as session:
        promotion = offering.get_promotion_of(session, me().merchant_id, promotion_id)
        choices = offer_forms.everything(session)
        choices.stores = promotion.store_ids or choices.stores
        choices.weekdays = promotion.weekdays or []
        choices.products = promotion.product_ids or []
        choices.categories = promotion.category_ids or []
        return _page(session, _form_of(promotion), choices, promotion=promotion)


@page.post("/new")
@staff("coupons.manage")
def create() -> Response:
    return _save(None)


@page.post("/<int:promotion_id>")
@staff("coupons.manage")
def change(promotion_id: int) -> Response:
    with reading() as session:
        return _save(offering.get_promotion_of(session, me().merchant_id, promotion_id))


@page.post("/preview")
@staff("coupons.manage")
def preview() -> Response:
    """What customers will read, a sum on real orders, and what it meets, while it is written."""
    with reading() as session:
        choices = offer_forms.ticked(session)
        shown = _look(session, Form(request.form), choices, None)
    return reply.page("promotions/preview.html", **shown)


@page.post("/<int:promotion_id>/state")
@staff("coupons.manage")
def put(promotion_id: int) -> Response:
    wanted = Form(request.form).one_of("state", ("running", "stopped")) or "stopped"
    now = clock_now()
    with transaction() as session:
        promotion = offering.get_promotion_of(session, me().merchant_id, promotion_id)
        state = PromotionState(wanted)
        offering.set_state(session, promotion, state, actor=me().actor, now=now)
    said = "停了，下过的单不变" if state is PromotionState.stopped else "上线了"
    return reply.done(url_for("console.promotions.index"), f"「{promotion.name}」{said}")


def phase(promotion: Promotion, now: datetime) -> tuple[str, str]:
    """One word for its state and its days, and the colour of it."""
    if promotion.state is PromotionState.draft:
        return "草稿", ""
    if promotion.state is PromotionState.stopped:
        return "已停", "bad"
    if promotion.ends_at is not None and promotion.ends_at <= now:
        return "已结束", "note"
    return ("未开始", "note") if promotion.starts_at > now else ("在进行", "ok")


def _save(known: Promotion | None) -> Response:
    """Keep the draft, or start it at once; severe meetings want a second look before that."""
    form, now = Form(request.form), clock_now()
    start = form["do"] == "start"
    with reading() as session:
        choices = offer_forms.ticked(session)
        draft = _draft(form, choices)
        if draft is not None:
            try:
                written = offering.build(draft, now)
            except offering.PromotionInvalid as refusal:
                for name, why in refusal.errors.items():
                    form.refuse(FIELDS.get(name, name), why)
                draft = None
        if draft is None:
            return _page(session, form, choices, 422, promotion=known)
        written.id = known.id if known else None  # type: ignore[assignment]
        if start and form["anyway"] != "on" and offer_view.severe(session, written, now):
            form.refuse("anyway", "上面的重叠看过了，勾上再上线")
            return _page(session, form, choices, 422, promotion=known)
    with transaction() as session:
        promotion = _write(session, known, draft, now)
        if start:
            offering.set_state(
                session, promotion, PromotionState.running, actor=me().actor, now=now
            )
    said = "上线了" if start else "存成草稿了，还没上线"
    return reply.done(url_for("console.promotions.index"), f"「{promotion.name}」{said}")


def _write(
    session: Session, known: Promotion | None, draft: offering.PromotionDraft, now: datetime
) -> Promotion:
    if known is None:
        return offering.create(session, me().merchant_id, draft, actor=me().actor, now=now)
    promotion = offering.get_promotion_of(session, me().merchant_id, known.id)
    offering.change(session, promotion, draft, actor=me().actor, now=now)
    return promotion


def _draft(form: Form, choices: Choices) -> offering.PromotionDraft | None:
    """What was typed, or None with what is wrong noted in the form."""
    kind = PromotionKind(form.one_of("kind", PromotionKind) or PromotionKind.spend)
    values: dict[str, Any] = {
        "name": form.text("name", longest=20),
        "starts_at": _moment(form, "starts") or clock_now(),
        "ends_at": _moment(form, "ends"),
        **_worth(form, kind),
        **offer_forms.limits(form, choices),
    }
    stacking = form.one_of("stacking", [name for name, _ in STACKING]) or "promotion"
    if form.errors:
        return None
    return offering.PromotionDraft(kind=kind, stack_group=StackGroup(stacking), **values)


def _worth(form: Form, kind: PromotionKind) -> dict[str, Any]:
    """The fields that this kind has; those of the others are hidden and not looked at."""
    if kind is PromotionKind.spend:
        steps = [(form.yuan(f"t{n}", low=1), form.yuan(f"o{n}", low=1)) for n in _filled(form, "t")]
    elif kind is PromotionKind.pieces:
        steps = [
            (form.whole(f"n{n}", low=1, high=99), form.tenths(f"z{n}")) for n in _filled(form, "n")
        ]
    elif kind is PromotionKind.nth:
        return {"nth": form.whole("nth", low=2, high=9), "off_bp": form.tenths("tenths")}
    else:
        gives = {"price_fen": form.yuan("price")} if form["price"].strip() else {}
        return {
            **(gives or {"off_bp": form.tenths("tenths")}),
            "pieces_each": form.whole("stock", low=1, needed=False),
            "pieces_per_member": form.whole("each", low=1, high=99, needed=False),
        }
    if not steps:
        form.refuse("steps", "至少写一档")
    return {"steps": [list(step) for step in steps]}


def _filled(form: Form, name: str) -> list[int]:
    return [n for n in STEPS if form[f"{name}{n}"].strip()]


def _moment(form: Form, name: str) -> datetime | None:
    if not form[name].strip():
        return None
    try:
        return parse_local(form[name])
    except ValueError:
        form.refuse(name, "选一个日子和时间")
        return None


def _look(
    session: Session, form: Form, choices: Choices, known: Promotion | None
) -> dict[str, Any]:
    draft, now = _draft(Form(form.given), choices), clock_now()
    try:
        promotion = offering.build(draft, now) if draft else None
    except offering.PromotionInvalid:
        promotion = None
    if promotion is None:
        return {"says": "", "where": "", "trial": "", "most": "", "meetings": []}
    promotion.id = known.id if known else None  # type: ignore[assignment]
    names = {good.id: good.name for good in choices.goods}
    return {
        "says": _says(promotion),
        "where": _where(promotion, (names, choices.category_names)),
        "trial": offer_view.promotion_trial(session, promotion, now),
        "most": "",
        "meetings": offer_view.meetings(session, promotion, now),
    }


def _says(of: Promotion) -> str:
    gives = coupon_words.promotion(of.kind, of.steps, of.off_bp, of.price_fen, of.nth)
    return gives + coupon_words.rations(of.pieces_each, of.pieces_per_member)


def _where(promotion: Promotion, names: tuple[dict[int, str], dict[int, str]]) -> str:
    """静安寺店 · 杨枝甘露 · 周一至周五 14:00–17:00."""
    stores = "全部门店"
    if promotion.store_ids is not None:
        stores = "、".join(me().name_of(id_) or "其他门店" for id_ in promotion.store_ids)
    goods = coupon_words.only(coupon_words.goods(promotion, *names)).removeprefix("仅限：")
    parts = (stores, goods or "全部商品", scope.hours_words(promotion))
    return " · ".join(part for part in parts if part)


def _is_rationed(of: Promotion) -> bool:
    return of.pieces_each is not None or of.pieces_per_member is not None


def _row(
    promotion: Promotion, names: tuple[dict[int, str], dict[int, str]], sold: int, now: datetime
) -> dict[str, Any]:
    word, colour = phase(promotion, now)
    ends = f"{words.when(promotion.ends_at, now)} 结束" if promotion.ends_at else "长期"
    return {
        "id": promotion.id,
        "name": promotion.name,
        "says": _says(promotion),
        "where": _where(promotion, names),
        "phase": word,
        "colour": colour,
        "sold": f"按特价卖了 {words.count(sold)} 件"
        if _is_rationed(promotion) and promotion.state is not PromotionState.draft
        else "",
        "days": f"{words.when(promotion.starts_at, now)} 起，{ends}",
        "draft": promotion.state is PromotionState.draft,
        "stoppable": word in ("在进行", "未开始"),
        "startable": promotion.state is not PromotionState.running
        and (promotion.ends_at is None or promotion.ends_at > now),
    }


def _form_of(promotion: Promotion) -> Form:
    some = promotion.product_ids or promotion.category_ids
    form = Form(
        kind=promotion.kind.value,
        name=promotion.name,
        nth=promotion.nth or 2,
        tenths=coupon_words.tenths(promotion.off_bp) if promotion.off_bp else "",
        price="" if promotion.price_fen is None else format_yuan(promotion.price_fen, trim=True),
        stock="" if promotion.pieces_each is None else promotion.pieces_each,
        each="" if promotion.pieces_per_member is None else promotion.pieces_per_member,
        goods="some" if some else "all",
        stacking=promotion.stack_group.value,
        starts=_typed(local(promotion.starts_at)),
        ends=_typed(local(promotion.ends_at)) if promotion.ends_at else "",
        until=offer_forms.shown(promotion.until_minute),
    )
    form.put("from", offer_forms.shown(promotion.from_minute))
    for n, (threshold, off) in zip(STEPS, promotion.steps, strict=False):
        if promotion.kind is PromotionKind.spend:
            form.put(f"t{n}", format_yuan(threshold, trim=True))
            form.put(f"o{n}", format_yuan(off, trim=True))
        else:
            form.put(f"n{n}", threshold)
            form.put(f"z{n}", coupon_words.tenths(off))
    return form


def _typed(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M}"


def _page(
    session: Session,
    form: Form,
    choices: Choices,
    status: int = 200,
    promotion: Promotion | None = None,
) -> Response:
    return reply.page(
        "promotions/edit.html",
        status,
        form=form,
        choices=choices,
        kinds=KINDS,
        stackings=STACKING,
        step_rows=STEPS,
        days=offer_forms.DAYS,
        known=promotion,
        fixed=promotion is not None and promotion.state is not PromotionState.draft,
        **_look(session, form, choices, promotion),
    )
