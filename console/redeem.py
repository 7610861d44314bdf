"""Coupons at the counter: type or scan, look, confirm, and undo within ten minutes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import people, reply, scanning, tickets, words
from console.access import limit, me, staff
from console.forms import Form
from console.scanning import scans
from console.typed_member import typed_member
from core import lockouts
from core.clock import business_day, day_bounds
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError, NotFound
from core.numbers import new_token
from coupons import amounts, codes, redemption, undoing
from coupons import words as coupon_words
from coupons.errors import BelowMinimum, BillNeeded, CodeExpired, CouponNotFound, UndoQuota
from coupons.models import Coupon, CouponKind, CouponTemplate
from crm.models import Member

page = Blueprint("redeem", __name__, url_prefix="/redeem")

REASONS = [(text, text) for text in ("核错了券", "顾客改主意了", "试一下")]


@page.get("/signature")
@staff("coupons.redeem")
def signature() -> Response:
    return scanning.signature()


@page.get("/")
@scans
@staff("coupons.redeem")
def ask() -> Response:
    if token := request.args.get("token"):  # the link in the chat's answer to a scan
        return reply.done(url_for("console.redeem.check", token=token))
    return _ask(Form())


@page.get("/check")
@scans
@staff("coupons.redeem")
def check() -> Response:
    """The coupon behind a code, before anything happens."""
    form, now = Form(request.args), clock_now()
    typed = (request.args.get("token") or form["code"]).strip()
    if not typed:
        form.refuse("code", "输入或扫一下券码")
        return _ask(form, 422)
    limit("redeem")
    try:
        with _guess(now):
            return _preview(typed, form, now)
    except (CouponNotFound, CodeExpired) as refusal:
        form.refuse("code", refusal.detail)
        return _ask(form, 422)


@page.post("/confirm")
@scans
@staff("coupons.redeem")
def confirm() -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    limit("redeem")
    bill_fen = _bill_of(form)
    member_id = typed_member(form, "没有这位会员，不填也能核销")
    store_id = who.store_id or int(form.one_of("store", who.all_store_ids, "选一家店") or 0)
    try:
        if form.errors:
            with _guess(now):
                return _preview(form["code"], form, now)
        with _guess(now), transaction() as session:
            coupon = redemption.redeem(
                session,
                form["code"],
                store_id=store_id,
                staff_id=who.staff_id,
                key=f"console:{who.staff_id}:{form['key'][:64]}",
                bill_fen=bill_fen,
                device="console",
                member_id=member_id,
                now=now,
            )
            lockouts.clear(session, _subject(), now=now)
    except (CouponNotFound, CodeExpired) as refusal:
        form.refuse("code", refusal.detail)
        return _ask(form, 422)
    except (BillNeeded, BelowMinimum) as refusal:
        form.refuse("bill", refusal.detail)
        return _preview(form["code"], form, now)
    except LinliError as refusal:
        if refusal.status not in (409, 410, 422):
            raise
        form.refuse("code", refusal.detail)
        return _ask(form, 422)
    return reply.done(url_for("console.redeem.ask", done=coupon.code))


@page.get("/<code>/undo")
@staff("coupons.undo")
def ask_undo(code: str) -> Response:
    with reading() as session:
        return _undo_page(session, _mine(session, code), Form(reason=REASONS[0][0]))


@page.post("/<code>/undo")
@staff("coupons.undo")
def undo(code: str) -> Response:
    form, now = Form(request.form), clock_now()
    reason = form.one_of("reason", [value for value, _ in REASONS])
    if reason is None:
        with reading() as session:
            return _undo_page(session, _mine(session, code), form, 422)
    try:
        with transaction() as session:
            coupon = _mine(session, code)
            undoing.undo(session, coupon.id, staff_id=me().staff_id, reason=reason, now=now)
    except UndoQuota as refusal:
        form.refuse("reason", refusal.detail)
        with reading() as session:
            return _undo_page(session, _mine(session, code), form, 422)
    return reply.done(url_for("console.redeem.ask"), "已撤销，券还给顾客了")


def _ask(form: Form, status: int = 200) -> Response:
    now = clock_now()
    with reading() as session:
        return reply.page(
            "redeem/ask.html",
            status,
            form=form,
            done=_done(session, now),
            mine=_today(session, now),
            sdk=scanning.sdk(),
        )


def _preview(typed: str, form: Form, now: datetime) -> Response:
    """What is about to happen; with a bill, what the coupon takes off. 422: the bill is wrong."""
    with reading() as session:
        lockouts.check(session, _subject(), now=now)
        found = redemption.preview(session, typed, me().all_store_ids, now)
        member = _holder(session, found.coupon)
        stores = [store for store in me().stores if store.id in found.store_ids]
        here = me().store_id
        problem = found.problem
        if not problem and here and here not in found.store_ids:
            problem = f"这张券只能在{redemption.where(session, found.template)}用"
        checks = []
        if found.fresh:
            checks.append("二维码是刚生成的，不是旧截图")
        if not problem:
            checks.append(f"{words.when(found.coupon.expires_at, now)} 前有效")
            checks.append(f"适用门店：{redemption.where(session, found.template) or '全部门店'}")
        goods = tickets.goods(found.template)
        shown = {
            "ticket": tickets.of_coupon(found.coupon, found.template, now),
            "ok": not problem,
            "why": problem,
            "who": people.name_of(member),
            "who_sub": f"上次到店 {words.days_ago(member.last_visit_at, now)}"
            if member
            else "还没有人领的券码",
            "nobodys": member is None,
            "masked": tickets.masked(found.coupon.code),
            "source": coupon_words.source(found.coupon.source) or "门店发放",
            "checks": checks,
            "to_check": "" if problem or not goods else f"请确认买的是 {' 或 '.join(goods)}",
        }
        bill = _bill(found.template, form)
    return reply.page(
        "redeem/preview.html",
        422 if form.errors else 200,
        p=shown,
        bill=bill,
        form=form,
        code=typed,
        key=new_token(),
        ask_store=here is None and len(stores) > 1,
        stores=[(store.id, store.name) for store in stores],
        store_name=me().name_of(here or (stores[0].id if len(stores) == 1 else None)),
    )


def _bill_of(form: Form) -> int | None:
    return form.yuan("bill", low=1, needed=False)


def _bill(template: CouponTemplate, form: Form) -> dict[str, Any]:
    """The bill and what the coupon takes off it. `first`: nothing can be confirmed without it."""
    fen, off = _bill_of(form), None
    if not form.errors:
        try:
            off = amounts.counter_discount_fen(template, fen)
        except BillNeeded:
            pass
        except BelowMinimum as refusal:
            form.refuse("bill", refusal.detail)
    known = fen is not None and off is not None
    piece = amounts.PIECE.get(template.kind, "")
    part = template.kind is CouponKind.percent or bool(piece)
    return {
        "ask": not known and (part or template.min_spend_fen > 0),
        "first": part and off is None,
        "hint": piece
        or ("只算这张券适用的商品" if template.product_ids else "打折前、没减券的金额"),
        "words": f"¥{words.yuan(fen)}" if fen is not None and known else "",
        "left_words": f"¥{words.yuan(fen - off)}" if fen is not None and off is not None else "",
        "off_words": tickets.off_words(template) if off is None else f"抵 ¥{words.yuan(off)}",
    }


def _done(session: Session, now: datetime) -> dict[str, Any] | None:
    """What was just redeemed, with the time left to undo it."""
    code = request.args.get("done", "")
    if not codes.is_code(code):
        return None
    coupon = session.scalar(_redeemed_by_me().where(Coupon.code == code))
    if coupon is None or coupon.redeemed_at is None:
        return None
    template = session.get_one(CouponTemplate, coupon.template_id)
    left = coupon.redeemed_at + undoing.UNDO_WINDOW - now
    minutes, seconds = divmod(max(int(left.total_seconds()), 0), 60)
    return {
        "code": coupon.code,
        "name": template.name,
        "off_words": f"抵 ¥{words.yuan(coupon.discount_fen or 0)}",
        "who": people.name_of(_holder(session, coupon)),
        "undo_words": f"还剩 {minutes} 分 {seconds:02d} 秒" if _may_undo(coupon, now) else "",
    }


def _may_undo(coupon: Coupon, now: datetime) -> bool:
    at = coupon.redeemed_at
    return at is not None and now - at < undoing.UNDO_WINDOW and me().may("coupons.undo")


def _today(session: Session, now: datetime) -> dict[str, Any]:
    since, until = day_bounds(business_day(now))
    rows = session.execute(
        select(Coupon, CouponTemplate, Member)
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .outerjoin(Member, Member.id == Coupon.member_id)
        .where(
            Coupon.store_id.in_(me().all_store_ids),
            Coupon.redeemed_at >= since,
            Coupon.redeemed_at < until,
            Coupon.redeemed_by_id == me().staff_id,
        )
        .order_by(Coupon.redeemed_at.desc())
        .limit(50)
    )
    shown = [
        {
            "time": words.clock(coupon.redeemed_at),
            "name": template.name,
            "who": people.name_of(member),
            "off": f"−¥{words.yuan(coupon.discount_fen or 0)}",
            "fen": coupon.discount_fen or 0,
            "undo": coupon.code if _may_undo(coupon, now) else "",
        }
        for coupon, template, member in rows
    ]
    total = sum(int(str(row["fen"])) for row in shown)
    return {"rows": shown, "words": f"{len(shown)} 张 · 抵 ¥{words.yuan(total)}" if shown else ""}


def _undo_page(session: Session, coupon: Coupon, form: Form, status: int = 200) -> Response:
    template = session.get_one(CouponTemplate, coupon.template_id)
    shown = {
        "code": coupon.code,
        "name": template.name,
        "who": people.name_of(_holder(session, coupon)),
    }
    return reply.page("redeem/undo.html", status, c=shown, form=form, reasons=REASONS)


def _holder(session: Session, coupon: Coupon) -> Member | None:
    """Whose it is; nobody's yet: a printed or imported code."""
    return session.get(Member, coupon.member_id) if coupon.member_id else None


def _mine(session: Session, code: str) -> Coupon:
    """The gate: a coupon redeemed in one of my stores."""
    coupon = redemption.find_by_code(session, code)
    if coupon is None or coupon.store_id not in me().all_store_ids:
        raise NotFound("没有这次核销")
    return coupon


def _redeemed_by_me() -> Any:
    return select(Coupon).where(
        Coupon.redeem_key.is_not(None),
        Coupon.store_id.in_(me().all_store_ids),
        Coupon.redeemed_by_id == me().staff_id,
    )


def _subject() -> str:
    return redemption.guesses_of(me().staff_id)


@contextmanager
def _guess(now: datetime) -> Iterator[None]:
    """One look at a code, counted before it: ten wrong ones a minute lock this member of staff
    out for a while, however many are tried at once. A rotating code that is too old is no guess."""
    with transaction() as session:
        lockouts.attempt(session, _subject(), now=now)
    try:
        yield
    except CouponNotFound:
        with transaction() as session:
            lockouts.missed(session, _subject(), now=now, merchant_id=me().merchant_id)
        raise
    except LinliError:  # the code was right
        _no_guess()
        raise
    _no_guess()


def _no_guess() -> None:
    with transaction() as session:
        lockouts.take_back(session, _subject())
