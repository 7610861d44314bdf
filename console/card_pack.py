"""微信卡包: which coupons also lie in people's card pack at WeChat, and how that compares."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

import gateways
from console import reply, tickets, words
from console.access import me, staff
from console.forms import Form
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import NotFound
from coupons import queries
from coupons.models import CouponTemplate, TemplateState
from coupons.pack import faces, settings
from coupons.pack.models import BatchState, PackTemplate
from coupons.pack.settings import Told
from gateways.wechat.brand import Brand
from gateways.wechat.errors import PayError, WechatUnavailable

page = Blueprint("card_pack", __name__, url_prefix="/coupons/pack")

STATES = {
    BatchState.making: ("正在做", "note"),
    BatchState.auditing: ("微信在审", "note"),
    BatchState.live: ("在卡包里", "ok"),
    BatchState.refused: ("没做成", "bad"),
    BatchState.ended: ("已停", ""),
}
PICTURES = (b"\x89PNG", b"\xff\xd8\xff")
ODD_SHOWN = 20


@page.get("/")
@staff("coupons.view")
def index() -> Response:
    return _page(Form())


@page.post("/")
@staff("settings.manage")
def save() -> Response:
    """The switch and the pictures; these go to WeChat first, which answers with their addresses."""
    form, who, now = Form(request.form), me(), clock_now()
    brand = gateways.wechat().brand_for(who.merchant_code)
    if brand is None:
        raise NotFound("还没有接品牌")
    urls = {name: _upload(brand, name, form) for name in ("picture", "background")}
    if form.errors:
        return _page(form, 422)
    is_on = form["on"] == "1"
    try:
        with transaction() as session:
            if any(urls.values()):
                found = (urls["picture"], urls["background"])
                settings.set_pictures(session, who.merchant_id, *found, actor=who.actor, now=now)
            settings.switch(session, who.merchant_id, is_on=is_on, actor=who.actor, now=now)
    except settings.PackInvalid as refused:
        form.refuse("picture", refused.errors["pictures"])
        return _page(form, 422)
    said = "打开了，下面选哪些券放进去" if is_on else "关上了，已经在卡包里的还会跟着更新"
    return reply.done(url_for("console.card_pack.index"), said)


@page.post("/<int:template_id>")
@staff("coupons.manage")
def put(template_id: int) -> Response:
    who, now = me(), clock_now()
    brand = gateways.wechat().brand_for(who.merchant_code)
    if brand is None:
        raise NotFound("还没有接品牌")
    given: dict[str, Any] = {"actor": who.actor, "now": now}
    with transaction() as session:
        if request.form.get("do") == "out":
            settings.take_out(session, who.merchant_id, template_id, **given)
            said = "不再放新的，已经在卡包里的还会跟着更新"
        else:
            appid = brand.account.appid
            settings.put_in(session, who.merchant_id, template_id, appid=appid, **given)
            said = "交给微信去做了，做好后顾客手里的券会陆续进卡包"
    return reply.done(url_for("console.card_pack.index"), said)


def _upload(brand: Brand, name: str, form: Form) -> str:
    """The address of a picture that was chosen; empty when none was."""
    file = request.files.get(name)
    content = file.read() if file and file.filename else b""
    if not content:
        return ""
    if not content.startswith(PICTURES):
        form.refuse(name, "要 PNG 或 JPG 图片")
        return ""
    kind = "png" if content.startswith(PICTURES[0]) else "jpg"
    try:
        return brand.upload(f"{name}.{kind}", content)
    except PayError as error:
        form.refuse(name, f"微信没有收这张图：{error.errmsg or error.pay_code}")
    except WechatUnavailable:
        form.refuse(name, "微信没有回答，过一会儿再传")
    return ""


def _page(form: Form, status: int = 200) -> Response:
    who, now = me(), clock_now()
    known = gateways.wechat().brand_for(who.merchant_code) is not None
    with reading() as session:
        pack = settings.pack_of(session, who.merchant_id)
        found = queries.list_templates(session, who.merchant_id)
        rows = _rows(session, found, now) if known else []
        odd = [
            {
                "time": words.when(card.odd_at, now),
                "text": name,
                "detail": card.why,
                "href": url_for("console.coupon.show", coupon_id=coupon.id),
            }
            for card, coupon, name in settings.list_odd(session, who.merchant_id, ODD_SHOWN)
        ]
    if not form.given:
        form.put("on", "1" if pack.is_on else "0")
    return reply.page(
        "coupons/pack.html",
        status,
        form=form,
        known=known,
        is_on=pack.is_on,
        has_pictures=bool(pack.picture_url and pack.background_url),
        compared=words.when(pack.compared_at, now) if pack.compared_at else "",
        rows=[row for row in rows if not row["barred"]],
        barred=[(row["ticket"].name, row["barred"]) for row in rows if row["barred"]],
        odd=odd,
    )


def _rows(session: Session, found: list[CouponTemplate], now: datetime) -> list[dict[str, Any]]:
    """Templates that are given out, and those that have cards."""
    ids = [template.id for template in found]
    batches, told = settings.list_batches(session, ids), settings.count_cards(session, ids)
    return [
        _row(template, batches.get(template.id), told[template.id], now)
        for template in found
        if template.id in batches or template.state is TemplateState.active
    ]


def _row(
    template: CouponTemplate, batch: PackTemplate | None, told: Told, now: datetime
) -> dict[str, Any]:
    stopped = batch is None or batch.state in (BatchState.refused, BatchState.ended)
    said, tone = STATES[batch.state] if batch else ("没放", "")
    return {
        "id": template.id,
        "ticket": (ticket := tickets.of_template(template)),
        "worth": f"¥{ticket.face}" if ticket.unit == "¥" else f"{ticket.face} {ticket.unit}",
        "known": batch is not None,
        "said": said,
        "tone": tone,
        "why": batch.why if batch else "",
        "until": words.on(batch.ends_at, now) if batch and not stopped else "",
        "barred": faces.why_not(template) if stopped else "",
        "stopped": stopped,
        "open": words.count(told.open),
        "used": words.count(told.used),
        "deleted": words.count(told.deleted),
    }
