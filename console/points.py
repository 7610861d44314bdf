"""会员体系 → 积分: how they come, lapse and are spent, what they buy; and a member's by hand."""

from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console import club_view, reply, words
from console.access import me, staff
from console.forms import Form
from console.loyalty_tabs import coupons, tabs
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import NotFound
from core.numbers import new_token
from crm import points, tiers
from crm.models import Expiry, Member, PointGoods
from crm.points import adjusting, shop
from crm.tiers import editing
from merchants.models import Role

page = Blueprint("points", __name__, url_prefix="/loyalty/points")

EXPIRIES = (
    (Expiry.never.value, "不过期"),
    (Expiry.months.value, "到账后几个月"),
    (Expiry.yearly.value, "每年一天"),
)


@page.get("/")
@staff("members.view")
def index() -> Response:
    return _page(None, None)


@page.post("/")
@staff("settings.manage")
def save() -> Response:
    form, now = Form(request.form), clock_now()
    expiry = form.one_of("expiry", list(Expiry))
    values = {
        "earn_bp": _tenths(form, "earn", 10_000),
        "expiry_months": form.whole("months", low=1, high=60),
        "expiry_month": form.whole("month", low=1, high=12),
        "expiry_day": form.whole("day", low=1, high=31),
        "remind_days": form.whole("remind", high=90),
        "spend_rate": form.whole("rate", high=10_000),
        "spend_cap_bp": form.whole("cap", low=1, high=100),
        "adjust_most": form.whole("adjust", low=1, high=100_000),
    }
    if form.errors:
        return _page(form, None, 422)
    values["spend_cap_bp"] = (values["spend_cap_bp"] or 0) * 100
    with transaction() as session:
        before = tiers.load(session, me().merchant_id)
        wanted = before._replace(expiry=Expiry(expiry or Expiry.never), **values)  # type: ignore[arg-type]
        editing.write(session, me().merchant_id, wanted, now)
        audit.record(
            session,
            actor=me().actor,
            action="loyalty.points",
            subject=f"loyalty:{me().merchant_id}",
            before={name: getattr(before, name) for name in values},
            after=dict(values),
            merchant_id=me().merchant_id,
            now=now,
        )
    return reply.done(url_for("console.points.index"), "积分规则已保存，新来的积分按新的算")


@page.post("/goods")
@staff("coupons.manage")
def add_goods() -> Response:
    form, now = Form(request.form), clock_now()
    with reading() as session:
        known = {value for value, *_ in coupons(session) if value}
    template = form.one_of("template", known, "选一张券")
    price = form.whole("points", low=1, high=1_000_000)
    left = form.whole("left", low=1, needed=False)
    each = form.whole("each", low=1, high=99)
    if form.errors:
        return _page(None, form, 422)
    with transaction() as session:
        goods = PointGoods(
            merchant_id=me().merchant_id,
            template_id=int(template or 0),
            points=price,
            left=left,
            per_member=each,
            created_at=now,
        )
        session.add(goods)
        session.flush()
        _note(session, "goods.create", goods.id, {"points": price})
    return reply.done(url_for("console.points.index"), "已上架到积分商城")


@page.post("/goods/<int:goods_id>/state")
@staff("coupons.manage")
def set_goods(goods_id: int) -> Response:
    on = Form(request.form).one_of("state", ("on", "off")) == "on"
    with transaction() as session:
        goods = shop.get_goods(session, me().merchant_id, goods_id)
        goods.on_sale = on
        _note(session, "goods.on" if on else "goods.off", goods.id, {})
    return reply.done(url_for("console.points.index"), "已上架" if on else "已下架")


@page.get("/adjust/<no>")
@staff("members.manage")
def adjusting_(no: str) -> Response:
    return _adjust_page(no, Form(key=new_token(), way="give"))


@page.post("/adjust/<no>")
@staff("members.manage")
def adjust(no: str) -> Response:
    form = Form(request.form)
    number = form.whole("points", low=1)
    way = form.one_of("way", ("give", "take"))
    reason, key = form.text("reason", longest=60), form.text("key", longest=64)
    if form.errors or number is None:
        return _adjust_page(no, form, 422)
    try:
        with transaction() as session:
            done = adjusting.adjust(
                session,
                _member(session, no),
                number if way == "give" else -number,
                reason=reason or "",
                key=(key or "")[:32],
                actor=me().actor,
                owner=me().role is Role.owner,
                now=clock_now(),
            )
    except (adjusting.TooManyToAdjust, points.NotEnoughPoints) as refused:
        form.refuse_with(refused, "points")
        return _adjust_page(no, form, 422)
    said = f"{'加' if way == 'give' else '扣'}了 {words.count(number)} 分"
    if not done:
        said = "这一笔刚才已经记过了，没有再记一次"
    return reply.done(url_for("console.members.show", no=no), said)


def _adjust_page(no: str, form: Form, status: int = 200) -> Response:
    with reading() as session:
        member = _member(session, no)
        left = adjusting.left_today(
            session,
            me().merchant_id,
            actor=me().actor,
            owner=me().role is Role.owner,
            now=clock_now(),
        )
    if form.errors.get("key"):  # a page that was not ours: its next form has a key again
        form.put("key", new_token())
    return reply.page(
        "loyalty/adjust.html",
        status,
        form=form,
        no=no,
        name=member.name,
        has=words.count(member.points),
        left=words.count(left),
    )


def _member(session: Session, no: str) -> Member:
    mine = select(Member).where(
        Member.no == no, Member.merchant_id == me().merchant_id, Member.merged_into_id.is_(None)
    )
    member = session.scalars(mine).one_or_none()
    if member is None:
        raise NotFound("没有这位会员")
    return member


def _page(form: Form | None, goods_form: Form | None, status: int = 200) -> Response:
    with reading() as session:
        programme = tiers.load(session, me().merchant_id)
        offers = shop.offers(session, me().merchant_id)
        choices = coupons(session, "选一张券")
        picture = club_view.points(session, clock_now())
        totals = session.execute(
            select(
                func.coalesce(func.sum(Member.points), 0),
                func.coalesce(func.sum(Member.points_pending), 0),
            ).where(Member.merchant_id == me().merchant_id)
        ).one()
    rate = programme.spend_rate
    return reply.page(
        "loyalty/points.html",
        status,
        tabs=tabs("console.points.index"),
        form=form or _form(programme),
        goods_form=goods_form or Form(each=1),
        goods=[_row(offer) for offer in offers],
        coupons=choices,
        expiries=EXPIRIES,
        picture=picture,
        held=words.count(int(totals[0])),
        pending=words.count(int(totals[1])),
        worth=words.yuan(int(totals[0]) * 100 // rate) if rate else "",
    )


def _form(programme: tiers.Programme) -> Form:
    return Form(
        earn=f"{programme.earn_bp / 10_000:g}",
        expiry=programme.expiry.value,
        months=programme.expiry_months,
        month=programme.expiry_month,
        day=programme.expiry_day,
        remind=programme.remind_days,
        rate=programme.spend_rate,
        cap=programme.spend_cap_bp // 100,
        adjust=programme.adjust_most,
    )


def _row(offer: shop.Offer) -> dict[str, Any]:
    goods = offer.goods
    return {
        "id": goods.id,
        "name": offer.template.name,
        "points": words.count(goods.points),
        "left": "不限" if goods.left is None else words.count(goods.left),
        "each": goods.per_member,
        "on": goods.on_sale,
    }


def _tenths(form: Form, name: str, scale: int) -> int | None:
    """`1.5` in parts of `scale`."""
    try:
        number = round(float(form[name]) * scale)
    except (ValueError, OverflowError):
        number = -1
    if not 0 <= number <= 100 * scale:
        form.refuse(name, "0 到 100 之间")
        return None
    return number


def _note(session: Session, action: str, goods_id: int, after: dict[str, Any]) -> None:
    audit.record(
        session,
        actor=me().actor,
        action=action,
        subject=f"goods:{goods_id}",
        after=after,
        merchant_id=me().merchant_id,
        now=clock_now(),
    )
