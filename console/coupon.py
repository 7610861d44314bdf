"""One coupon: what it is, every move it made, and taking it back."""

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import audit_names, people, reply, tickets, words
from console.access import limit, me, staff
from console.forms import Form
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from coupons import anonymous, undoing, voiding
from coupons import words as coupon_words
from coupons.errors import CodeExpired, CouponNotFound
from coupons.models import Coupon, CouponEntry, CouponState, CouponTemplate, EntryKind
from crm.models import Member

page = Blueprint("coupon", __name__, url_prefix="/coupon")

MOVES = {
    EntryKind.issued: "发出",
    EntryKind.imported: "从别的系统导入",
    EntryKind.claimed: "领到手",
    EntryKind.locked: "下单占用",
    EntryKind.released: "订单没付，退回",
    EntryKind.redeemed: "核销",
    EntryKind.used: "用掉一次",
    EntryKind.returned: "撤销，退回",
    EntryKind.expired: "过期",
    EntryKind.voided: "作废",
    EntryKind.offered: "转送给朋友",
    EntryKind.gifted: "朋友收下",
    EntryKind.kept: "没人收，退回",
}
TONES = {EntryKind.redeemed: "ok", EntryKind.used: "ok", EntryKind.voided: "bad"}
SHOWN = 200
RECENT, RECENT_SHOWN = timedelta(days=7), 10


@page.get("/")
@staff("coupons.view")
def find() -> Response:
    """By the number that a guest shows or a paper carries."""
    form, code = Form(request.args), request.args.get("code", "").strip()
    if not code:
        return _find(form)
    limit("redeem")
    try:
        with reading() as session:
            coupon = anonymous.find(session, code, me().merchant_id, clock_now())
    except CodeExpired as refusal:
        form.refuse("code", refusal.detail)
        return _find(form, 422)
    if coupon is None:
        form.refuse("code", "没有这张券，看看有没有输错")
        return _find(form, 422)
    return reply.done(url_for("console.coupon.show", coupon_id=coupon.id))


@page.get("/<int:coupon_id>")
@staff("coupons.view")
def show(coupon_id: int) -> Response:
    now = clock_now()
    with reading() as session:
        coupon = _mine(session, coupon_id)
        shown = _whole(session, coupon, now)
    return reply.page("coupon/show.html", c=shown)


@page.get("/<int:coupon_id>/void")
@staff("coupons.manage")
def voiding_page(coupon_id: int) -> Response:
    return _ask(coupon_id, Form(), "void")


@page.post("/<int:coupon_id>/void")
@staff("coupons.manage")
def void(coupon_id: int) -> Response:
    form, who = Form(request.form), me()
    reason = form.text("reason", longest=60)
    if reason is None:
        return _ask(coupon_id, form, "void", 422)
    try:
        with transaction() as session:
            voiding.void(
                session,
                coupon_id,
                merchant_id=who.merchant_id,
                actor=who.actor,
                reason=reason,
                now=clock_now(),
            )
    except LinliError as refusal:
        if refusal.status not in (409, 410):
            raise
        form.refuse("reason", refusal.detail)
        return _ask(coupon_id, form, "void", 422)
    return reply.done(url_for("console.coupon.show", coupon_id=coupon_id), "已作废")


@page.get("/<int:coupon_id>/undo")
@staff("coupons.undo")
def undoing_page(coupon_id: int) -> Response:
    return _ask(coupon_id, Form(), "undo")


@page.post("/<int:coupon_id>/undo")
@staff("coupons.undo")
def undo(coupon_id: int) -> Response:
    """A redemption of anybody in my stores: what an owner does when a clerk may not any more."""
    form = Form(request.form)
    reason = form.text("reason", longest=60)
    if reason is None:
        return _ask(coupon_id, form, "undo", 422)
    try:
        with transaction() as session:
            undoing.undo(session, coupon_id, staff_id=me().staff_id, reason=reason, now=clock_now())
    except LinliError as refusal:
        if refusal.status not in (403, 409):
            raise
        form.refuse("reason", refusal.detail)
        return _ask(coupon_id, form, "undo", 422)
    return reply.done(url_for("console.coupon.show", coupon_id=coupon_id), "已撤销，券能再用了")


def _find(form: Form, status: int = 200) -> Response:
    """With what was used in my stores of late: mostly it is one of these that is asked about."""
    now = clock_now()
    with reading() as session:
        recent = [
            {
                "id": coupon.id,
                "name": name,
                "masked": tickets.masked(coupon.code),
                "who": people.name_of(holder),
                "off": f"−¥{words.yuan(coupon.discount_fen or 0)}",
                "at": words.when(coupon.redeemed_at, now),
            }
            for coupon, name, holder in session.execute(_used_since(now))
        ]
    return reply.page("coupon/find.html", status, form=form, recent=recent)


def _used_since(now: datetime) -> Any:
    return (
        select(Coupon, CouponTemplate.name, Member)
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .outerjoin(Member, Member.id == Coupon.member_id)
        .where(
            Coupon.store_id.in_(me().all_store_ids),
            Coupon.redeemed_at >= now - RECENT,
            Coupon.redeemed_at <= now,
        )
        .order_by(Coupon.redeemed_at.desc(), Coupon.id.desc())
        .limit(RECENT_SHOWN)
    )


def _mine(session: Session, coupon_id: int) -> Coupon:
    """The gate: another merchant's coupon is not found."""
    coupon = session.get(Coupon, coupon_id)
    if coupon is None or coupon.merchant_id != me().merchant_id:
        raise CouponNotFound
    return coupon


def _ask(coupon_id: int, form: Form, act: str, status: int = 200) -> Response:
    with reading() as session:
        coupon = _mine(session, coupon_id)
        name = session.get_one(CouponTemplate, coupon.template_id).name
    shown = {"id": coupon.id, "name": name, "masked": tickets.masked(coupon.code)}
    return reply.page(f"coupon/{act}.html", status, c=shown, form=form)


def _whole(session: Session, coupon: Coupon, now: datetime) -> dict[str, Any]:
    template = session.get_one(CouponTemplate, coupon.template_id)
    holder = session.get(Member, coupon.member_id) if coupon.member_id else None
    moves = select(CouponEntry).where(CouponEntry.coupon_id == coupon.id)
    entries = session.scalars(moves.order_by(CouponEntry.id.desc()).limit(SHOWN)).all()
    names = audit_names.look_up(session, me().merchant_id, {entry.actor for entry in entries})
    redeemed = coupon.state is CouponState.redeemed and coupon.order_id is None
    return {
        "id": coupon.id,
        "ticket": tickets.of_coupon(coupon, template, now),
        "used": coupon.state is not CouponState.issued,
        "name": template.name,
        "state": coupon_words.state(coupon, now),
        "masked": tickets.masked(coupon.code),
        "who": people.name_of(holder) if holder else "还没有人领",
        "who_href": url_for("console.members.show", no=holder.no)
        if holder and me().may("members.view")
        else "",
        "source": coupon_words.source(coupon.source) or "门店发放",
        "batch": coupon.batch_id,
        "valid": f"{words.on(coupon.valid_from, now)} 起，{words.on(coupon.expires_at, now)} 止",
        "moves": [_move(entry, names, now) for entry in entries],
        "voidable": coupon.state is CouponState.issued and coupon.expires_at > now,
        "undoable": redeemed and coupon.store_id in me().all_store_ids,
    }


def _move(entry: CouponEntry, names: audit_names.Names, now: datetime) -> dict[str, Any]:
    who = names.of(entry.actor)[0] or ("系统" if entry.actor == "system" else "顾客")
    parts = [who, me().name_of(entry.store_id), entry.reason]
    if entry.discount_fen:
        parts.append(f"抵 ¥{words.yuan(entry.discount_fen)}")
    if entry.happened_at is not None:
        parts.append(f"收银机离线时用的，{words.when(entry.happened_at, now)} 发生，后来补报")
    return {
        "time": words.when(entry.at, now),
        "text": MOVES[entry.kind],
        "detail": " · ".join(part for part in parts if part),
        "kind": TONES.get(entry.kind, ""),
    }
