"""A merchant's card pack: its switch, its pictures, and which templates stand in it."""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from catalogue.goods import Good, list_goods
from core import audit, rows
from core.errors import Conflict, Invalid
from core.outbox import enqueue, live_args
from coupons.models import Coupon, CouponTemplate, TemplateState
from coupons.pack import faces
from coupons.pack.models import BatchState, CardPack, CardState, PackCard, PackTemplate
from coupons.templates import get_template_of
from gateways.wechat.brand import Stock
from merchants.models import Store

EARLY = timedelta(days=60)
"""How long before its end a batch is followed by another."""


class PackInvalid(Invalid):
    code = "card_pack_invalid"
    title = "卡包还不能打开"


class NotForPack(Conflict):
    code = "not_for_card_pack"
    title = "这种券放不进卡包"


class Told(NamedTuple):
    """Cards of a template: in people's packs, and those that did not get there or are odd."""

    open: int
    used: int
    deleted: int
    odd: int


def pack_of(session: Session, merchant_id: int) -> CardPack:
    """The merchant's, or what holds until it has one."""
    found = session.get(CardPack, merchant_id, populate_existing=True)
    return found or CardPack(
        merchant_id=merchant_id, is_on=False, picture_url="", background_url=""
    )


def switch(session: Session, merchant_id: int, *, is_on: bool, actor: str, now: datetime) -> None:
    """Raises PackInvalid when a picture is missing: WeChat takes no card without."""
    pack = _ours(session, merchant_id)
    if is_on and not (pack.picture_url and pack.background_url):
        raise PackInvalid(errors={"pictures": "先传两张图，微信不收没有图的券"})
    if pack.is_on == is_on:
        return
    pack.is_on = is_on
    session.flush()
    if is_on:
        enqueue(session, "coupons.pack_opened", merchant_id=merchant_id)
    _note(session, merchant_id, actor, "pack.on" if is_on else "pack.off", "", now)


def set_pictures(
    session: Session,
    merchant_id: int,
    picture_url: str,
    background_url: str,
    *,
    actor: str,
    now: datetime,
) -> None:
    """Addresses that WeChat gave; an empty one leaves what is there. For what is made from now."""
    pack = _ours(session, merchant_id)
    pack.picture_url = picture_url or pack.picture_url
    pack.background_url = background_url or pack.background_url
    session.flush()
    _note(session, merchant_id, actor, "pack.pictures", "", now)


def put_in(
    session: Session, merchant_id: int, template_id: int, *, appid: str, actor: str, now: datetime
) -> None:
    """Have the template made at WeChat. Raises TemplateNotFound, PackInvalid or NotForPack."""
    template = get_template_of(session, merchant_id, template_id)
    pack = pack_of(session, merchant_id)
    if not pack.is_on:
        raise PackInvalid("先打开微信卡包")
    if why := faces.why_not(template):
        raise NotForPack(why)
    batch = session.get(PackTemplate, template_id, with_for_update=True)
    if batch is not None and batch.state not in (BatchState.refused, BatchState.ended):
        return
    if batch is None:
        batch = PackTemplate(template_id=template_id, merchant_id=merchant_id)
    number = f"tpl-{template_id}-{secrets.token_hex(8)}"
    _write_down(session, batch, template, pack, appid, number, now)
    batch.state, batch.why, batch.changed_at = BatchState.making, "", now
    batch.product_id = batch.stock_id = ""
    batch.ends_at = faces.ends_at(template, now)
    session.add(batch)
    session.flush()
    enqueue(session, "coupons.pack_template", template_id=template_id)
    _note(session, merchant_id, actor, "pack.put", template.name, now)


def renew(session: Session, merchant_id: int, appid: str, now: datetime) -> int:
    """Batches that end soon, of templates that go on, are followed by another; how many.

    A batch gives out no cards beyond its end, and cards end with it at the latest: so it is early.
    What was asked for and not answered is asked for again as it was, under its number; what was
    refused is asked for anew in another week.
    """
    pack = pack_of(session, merchant_id)
    if not pack.is_on:
        return 0
    found = session.execute(
        select(PackTemplate, CouponTemplate)
        .join(CouponTemplate, CouponTemplate.id == PackTemplate.template_id)
        .where(
            PackTemplate.merchant_id == merchant_id,
            PackTemplate.state == BatchState.live,
            PackTemplate.ends_at <= now + EARLY,
            CouponTemplate.state == TemplateState.active,
            or_(
                CouponTemplate.valid_until.is_(None),
                CouponTemplate.valid_until > PackTemplate.ends_at,
            ),
        )
        .order_by(PackTemplate.template_id)
        .with_for_update(of=PackTemplate)
    ).all()
    under_way = {args["template_id"] for args in live_args(session, "coupons.pack_renew")}
    asked = 0
    for batch, template in found:
        if template.id in under_way:
            continue
        number, week = batch.number, f"{now:%G%V}"
        if batch.why or not number.endswith(f"-{batch.ends_at:%Y%m%d}"):
            number = f"tpl-{template.id}-{week}-{batch.ends_at:%Y%m%d}"
            if number == batch.number:
                continue
            try:
                _write_down(session, batch, template, pack, appid, number, now)
            except NotForPack as refused:
                batch.why = f"到期后续不上：{refused.detail}"
                continue
            batch.why = ""
        asked += enqueue(
            session,
            "coupons.pack_renew",
            key=f"{number}:{week}",
            template_id=template.id,
            number=number,
        )
    session.flush()
    return asked


def renewed(session: Session, template_id: int, number: str, stock: Stock, now: datetime) -> None:
    """Another batch is there: from now on cards are of it."""
    batch = session.get_one(PackTemplate, template_id, with_for_update=True)
    if batch.number != number or batch.state is not BatchState.live:
        return
    period = batch.body["stock"]["single_usage_rule"]["coupon_available_period"]
    batch.ends_at = datetime.fromisoformat(period["available_end_time"])
    batch.stock_id, batch.why, batch.changed_at = stock.stock_id, "", now
    session.flush()
    _note(
        session, batch.merchant_id, "system", "pack.renew", batch.body["display_info"]["name"], now
    )


def renewal_refused(session: Session, template_id: int, number: str, why: str) -> None:
    """What there is goes on until it ends; somebody should know."""
    batch = session.get_one(PackTemplate, template_id, with_for_update=True)
    if batch.number == number and batch.state is BatchState.live:
        batch.why = f"到期后续不上：{why}"[:200]
        session.flush()


def _write_down(
    session: Session,
    batch: PackTemplate,
    template: CouponTemplate,
    pack: CardPack,
    appid: str,
    number: str,
    now: datetime,
) -> None:
    """What is about to be asked for, so that asking again says the same. Raises NotForPack."""
    batch.body = faces.body(
        template,
        pack,
        number=number,
        appid=appid,
        where=_where(session, template.store_ids),
        now=now,
        good=_good(session, template),
    )
    batch.number = number


def _good(session: Session, template: CouponTemplate) -> Good | None:
    """What the template is limited to. Raises NotForPack for something that is not on sale."""
    if not faces.is_single(template):
        return None
    goods = list_goods(session, template.merchant_id)
    found = next((good for good in goods if good.id in (template.product_ids or ())), None)
    if found is None or found.price_fen <= 0:
        raise NotForPack("这种商品没有在卖，微信要写它的原价")
    return found


def take_out(
    session: Session, merchant_id: int, template_id: int, *, actor: str, now: datetime
) -> None:
    """No new cards; those that people have go on being kept up to date."""
    template = get_template_of(session, merchant_id, template_id)
    batch = session.get(PackTemplate, template_id, with_for_update=True)
    if batch is None or batch.state in (BatchState.ended, BatchState.refused):
        return
    batch.state, batch.changed_at = BatchState.ended, now
    session.flush()
    if batch.product_id:
        enqueue(session, "coupons.pack_ended", template_id=template_id)
    _note(session, merchant_id, actor, "pack.take", template.name, now)


def made(session: Session, template_id: int, number: str, stock: Stock, now: datetime) -> None:
    """What WeChat says of a batch that was asked for under `number`; live ones get their cards."""
    batch = session.get_one(PackTemplate, template_id, with_for_update=True)
    if batch.number != number:  # it was ended and begun again meanwhile
        return
    batch.product_id, batch.stock_id, batch.changed_at = stock.product_id, stock.stock_id, now
    if batch.state not in (BatchState.making, BatchState.auditing):
        return
    if stock.state == "SENDING":
        batch.state = BatchState.live
        enqueue(session, "coupons.pack_fill", template_id=template_id)
    elif stock.state == "AUDITING":
        batch.state = BatchState.auditing
    else:
        batch.state, batch.why = BatchState.refused, f"微信说这批券是 {stock.state[:24]}"
    session.flush()


def refused(session: Session, template_id: int, number: str, why: str, now: datetime) -> None:
    batch = session.get_one(PackTemplate, template_id, with_for_update=True)
    if batch.number == number and batch.state in (BatchState.making, BatchState.auditing):
        batch.state, batch.why, batch.changed_at = BatchState.refused, why[:200], now
        session.flush()


def note_compared(session: Session, merchant_id: int, now: datetime) -> None:
    rows.compare_and_set(session, CardPack, {"merchant_id": merchant_id}, {"compared_at": now})


def list_batches(session: Session, template_ids: Collection[int]) -> dict[int, PackTemplate]:
    mine = select(PackTemplate).where(PackTemplate.template_id.in_(template_ids))
    return {batch.template_id: batch for batch in session.scalars(mine)}


def list_odd(session: Session, merchant_id: int, limit: int) -> list[tuple[PackCard, Coupon, str]]:
    """Cards of which there is something to say, the latest first, with the template's name."""
    found = session.execute(
        select(PackCard, Coupon, CouponTemplate.name)
        .join(Coupon, Coupon.id == PackCard.coupon_id)
        .join(CouponTemplate, CouponTemplate.id == PackCard.template_id)
        .where(PackCard.merchant_id == merchant_id, PackCard.odd_at.is_not(None))
        .order_by(PackCard.odd_at.desc())
        .limit(limit)
    )
    return [(row[0], row[1], row[2]) for row in found]


def count_cards(session: Session, template_ids: Collection[int]) -> dict[int, Told]:
    """Per template, in one grouped statement."""
    counted = session.execute(
        select(PackCard.template_id, PackCard.state, func.count())
        .where(PackCard.template_id.in_(template_ids))
        .group_by(PackCard.template_id, PackCard.state)
    ).all()
    told: dict[int, Told] = {}
    for id_ in template_ids:
        by = {state: number for template_id, state, number in counted if template_id == id_}
        told[id_] = Told(
            sum(by.get(state, 0) for state in (CardState.pending, CardState.effective)),
            by.get(CardState.used, 0) + by.get(CardState.deactivated, 0),
            by.get(CardState.deleted, 0),
            by.get(CardState.refused, 0),
        )
    return told


def _ours(session: Session, merchant_id: int) -> CardPack:
    rows.add_new(session, CardPack, {"merchant_id": merchant_id})
    return session.get_one(CardPack, merchant_id, populate_existing=True, with_for_update=True)


def _where(session: Session, store_ids: list[int] | None) -> str:
    if store_ids is None:
        return "所有门店"
    names = session.scalars(select(Store.name).where(Store.id.in_(store_ids)).order_by(Store.id))
    return "、".join(names)[:1_000]


def _note(
    session: Session, merchant_id: int, actor: str, action: str, name: str, now: datetime
) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"merchant:{merchant_id}",
        after={"name": name} if name else {},
        merchant_id=merchant_id,
        now=now,
    )
