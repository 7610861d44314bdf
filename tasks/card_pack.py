"""Jobs of WeChat's card pack: follow the ledger, call WeChat, write down what it says."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

import gateways
from core import clock
from core.config import current_config
from core.database import reading, transaction
from core.logs import log
from core.outbox import enqueue
from coupons.pack import following, moving, settings
from coupons.pack.models import BatchState, CardPack, PackTemplate
from coupons.pack.moving import Ask
from coupons.pack.steps import Step, read
from gateways.wechat.brand import Brand, Place
from gateways.wechat.errors import PayError, WechatUnavailable
from merchants.models import Merchant
from payments.queries import transactions_of
from tasks.registry import Later, Run, job

HANDS = 8
LONGEST = timedelta(seconds=240)
END_REASON = "券已经不能用了"


class Said(NamedTuple):
    """What came back: WeChat's word for the card's state, a refusal, or nothing."""

    state: str | None = None
    refusal: str = ""
    silent: bool = False
    sent: bool = True


@job("coupons.pack_follow", queue="bulk", timeout=300)
def follow(run: Run) -> None:
    """What moved in the ledger has its cards looked at; cards that are due get a worker."""
    for merchant_id, brand in _brands():
        more = True
        while more:
            with run.transaction() as session:
                appid = brand.account.appid
                more = following.follow(session, merchant_id, appid, clock.now())
        with run.transaction() as session:
            minute = int(clock.now().timestamp()) // 60
            key = f"pack:{merchant_id}:{minute}"
            enqueue(session, "coupons.pack_push", key=key, merchant_id=merchant_id)


@job("coupons.pack_push", queue="bulk", timeout=300)
def push(run: Run, merchant_id: int) -> None:
    """Calls about every card that is due, a slice at a time."""
    with reading() as session:
        brand = _brand_of(session, merchant_id)
    if brand is None:
        return
    until = clock.now() + LONGEST
    with ThreadPoolExecutor(HANDS) as hands:
        looked = 1
        while looked and clock.now() < until:
            with run.transaction() as session:
                asks, looked = moving.take(session, merchant_id, clock.now(), paid=transactions_of)
            for ask, said in zip(asks, hands.map(partial(_call, brand), asks), strict=True):
                with transaction() as session:
                    _record(session, ask, said)


@job("coupons.pack_template", queue="default", timeout=60)
def make_template(run: Run, template_id: int) -> None:
    """Make a template's batch, or ask how the one that was made stands. Under one number always."""
    with reading() as session:
        batch = session.get_one(PackTemplate, template_id)
        brand = _brand_of(session, batch.merchant_id)
    if brand is None or batch.state not in (BatchState.making, BatchState.auditing):
        return
    try:
        if batch.product_id:
            stock = brand.query_stock(batch.product_id, batch.stock_id)
        else:
            stock = brand.create(batch.body)
    except PayError as error:
        if error.transient:
            raise
        with run.finish() as session:
            why = f"微信没有收：{error.errmsg or error.pay_code}"
            settings.refused(session, template_id, batch.number, why, clock.now())
        return
    with transaction() as session:
        settings.made(session, template_id, batch.number, stock, clock.now())
    if stock.state == "AUDITING":
        raise Later(600)


@job("coupons.pack_renew", queue="default", timeout=60)
def renew(run: Run, template_id: int, number: str) -> None:
    """Another batch of a kind whose own ends soon. What is given out of stays until it is there."""
    with reading() as session:
        batch = session.get_one(PackTemplate, template_id)
        brand = _brand_of(session, batch.merchant_id)
    if brand is None or batch.number != number or batch.state is not BatchState.live:
        return
    try:
        stock = brand.add_stock(batch.product_id, number, batch.body["stock"])
    except PayError as error:
        if error.transient:
            raise
        with run.finish() as session:
            why = f"微信没有收：{error.errmsg or error.pay_code}"
            settings.renewal_refused(session, template_id, number, why)
        return
    if stock.state == "AUDITING":
        raise Later(600)
    with run.finish() as session:
        settings.renewed(session, template_id, number, stock, clock.now())


@job("coupons.pack_ended", queue="default", timeout=60)
def end_template(run: Run, template_id: int) -> None:
    with reading() as session:
        batch = session.get_one(PackTemplate, template_id)
        brand = _brand_of(session, batch.merchant_id)
    if brand is not None and batch.state is BatchState.ended:
        brand.end(batch.product_id, f"out-{batch.number}"[:40], "不再发放")


@job("coupons.pack_opened", queue="default", timeout=60)
def opened(run: Run, merchant_id: int) -> None:
    """Tell WeChat where its notices go."""
    with reading() as session:
        brand = _brand_of(session, merchant_id)
    if brand is not None:
        base = current_config().app.base_url.rstrip("/")
        brand.tell_us(f"{base}/pay/wechat/brand/{brand.account.brand_id}/notify")


@job("coupons.pack_fill", queue="bulk", timeout=300)
def fill(run: Run, template_id: int) -> None:
    """Coupons that people had before, or that the ledger's reading missed, get their cards."""
    with reading() as session:
        batch = session.get_one(PackTemplate, template_id)
        brand = _brand_of(session, batch.merchant_id)
    if brand is None or batch.state is not BatchState.live:
        return
    last, more = 0, True
    while more:
        with run.transaction() as session:
            appid = brand.account.appid
            last = following.fill(session, template_id, last, appid, clock.now())
        more = last > 0


@job("coupons.compare_packs", queue="bulk", timeout=600)
def compare(run: Run) -> None:
    """Both sides, once a day: every card that may still change is asked about; and batches that
    end soon are followed by others."""
    for merchant_id, brand in _brands():
        with run.transaction() as session:
            settings.renew(session, merchant_id, brand.account.appid, clock.now())
        asked, some = 0, 1
        while some:
            with run.transaction() as session:
                some = following.compare(session, merchant_id, clock.now())
            asked += some
        with run.transaction() as session:
            live = select(PackTemplate.template_id).where(
                PackTemplate.merchant_id == merchant_id, PackTemplate.state == BatchState.live
            )
            for template_id in session.scalars(live):
                enqueue(session, "coupons.pack_fill", template_id=template_id)
            settings.note_compared(session, merchant_id, clock.now())
        log.info("card_packs_compared", merchant_id=merchant_id, cards=asked)


def _call(brand: Brand, ask: Ask) -> Said:
    place = Place(ask.product_id, ask.stock_id, ask.openid, ask.code)
    try:
        if ask.step is Step.ask:
            state = brand.find(place)
        elif ask.step is Step.send:
            state = brand.send(place, ask.number)
        elif ask.step is Step.confirm:
            state = brand.confirm(place, ask.number)
        elif ask.step is Step.use:
            state = brand.use(place, ask.number, ask.at or clock.now(), ask.transaction_id)
        elif ask.step is Step.back:
            state = brand.give_back(place, ask.number)
        else:
            state = brand.drop(place, ask.number, END_REASON)
        read(state)
    except PayError as error:
        if error.transient:
            return Said(silent=True)
        return Said(refusal=f"微信没有收：{error.errmsg or error.pay_code}")
    except WechatUnavailable as error:
        return Said(silent=True, sent=error.sent)
    except ValueError as error:
        return Said(refusal=str(error))
    return Said(state)


def _record(session: Session, ask: Ask, said: Said) -> None:
    now = clock.now()
    if said.silent:
        moving.record_silence(session, ask, now, sent=said.sent)
    elif said.refusal:
        moving.record_no(session, ask, said.refusal, now)
    else:
        moving.record(session, ask, said.state, now)


def _brands() -> list[tuple[int, Brand]]:
    """Merchants that ever opened a card pack, with the brand they are known under."""
    with reading() as session:
        packs = session.execute(
            select(Merchant.id, Merchant.code).join(CardPack, CardPack.merchant_id == Merchant.id)
        ).all()
    found = ((id_, gateways.wechat().brand_for(code)) for id_, code in packs)
    return [(id_, brand) for id_, brand in found if brand is not None]


def _brand_of(session: Session, merchant_id: int) -> Brand | None:
    return gateways.wechat().brand_for(session.get_one(Merchant, merchant_id).code)
