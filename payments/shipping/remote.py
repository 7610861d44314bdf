"""Telling the platform: claim, call, record. Each transaction is short, none lies across a call."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, update

from core import rows
from core.database import claim, reading, retrying, transaction
from core.errors import LinliError, NotFound
from core.logs import log
from gateways.pay.errors import ChannelUnavailable
from gateways.pay.shipping import (
    ShippingDesk,
    ShippingKey,
    ShippingRefused,
    Trade,
    TradeState,
    Why,
)
from payments.shipping import owing, wishes
from payments.shipping.models import PaymentShipping, ShippingControl, ShippingState
from payments.shipping.wishes import Wish

CUT_OFF = timedelta(minutes=2)
KNOWN_BY = timedelta(days=1)
"""A payment that the platform does not know by then it never will."""
PAGE = "pages/order/order"
"""Where the platform's messages lead; it adds the payment's numbers."""
ELSEWHERE = "在微信后台录过了"
NO_MORE = "微信不让再改了，还是原来的"
GONE = "钱已经退了，不用再录"
NOT_HELD = "小程序不在发货管理下，不用录"
WORDS = {
    10060004: "微信说这一单现在不能发货",
    10060024: "包裹太多，微信不收",
    10060031: "付款人和微信的记录对不上",
    268485226: "缺快递单号",
    268485227: "缺快递公司",
}
Desks = Callable[[str], ShippingDesk]


class ShippingBusy(Exception):
    """Somebody else is telling it, or died doing so: look again in a while."""


class NotKnownYet(LinliError):
    """The platform has not heard of the payment yet: in `seconds` it may. The older the payment,
    the longer: ten seconds at first, a quarter of its age in the end."""

    def __init__(self, age: timedelta) -> None:
        super().__init__()
        self.seconds = max(10.0, age.total_seconds() / 4)


def tell(desks: Desks, shipping_id: int, now: datetime) -> str:
    """Tell the platform what it should know of one payment; what came of it, in a word.

    Its being busy or silent is raised (ShippingRefused, ChannelUnavailable), ShippingBusy and
    NotKnownYet too: the job comes back.
    """
    row = retrying(_take, shipping_id, now)
    if row is None:
        return "nothing"
    try:
        desk = desks(row.appid)
    except NotFound as unknown:
        return retrying(_end, row, ShippingState.failed, now, unknown.detail)
    try:
        if not _is_held(desk, row, now):
            return retrying(_end, row, ShippingState.void, now, NOT_HELD)
        if row.unsure:
            known = desk.find(key_of(row))
            if known is not None and known.state is TradeState.refunded:
                return retrying(_end, row, ShippingState.void, now, GONE)
            if known is not None and _has(known, row):
                return retrying(_told, row, now)
        desk.tell(wishes.from_row(row.wanted).as_shipping(key_of(row)), row.openid, now)
    except ShippingRefused as no:
        return _refused(desk, row, no, now)
    except ChannelUnavailable as silence:
        retrying(_put_back, row, now, silence.sent)
        raise
    return retrying(_told, row, now)


def follow(desks: Desks, shipping_id: int, now: datetime) -> str:
    """Ask how far a payment is that was told: this heals a lost event."""
    with reading() as session:
        row = session.get_one(PaymentShipping, shipping_id)
    trade = desks(row.appid).find(key_of(row))
    with transaction() as session:
        mine = update(PaymentShipping).where(PaymentShipping.id == row.id)
        claim(session, mine.values(followed_at=now))
        if trade is None:
            return "unknown"
        if trade.state is TradeState.settled:
            owing.move(
                session, row.id, ShippingState.settled, now=now, settled_at=row.settled_at or now
            )
        elif trade.state is TradeState.refunded:
            owing.move(session, row.id, ShippingState.void, now=now, reason=GONE)
    return trade.state.value


def remind_receipt(desks: Desks, shipping_id: int, received_at: datetime) -> None:
    """A parcel has arrived: whoever bought it is asked to say so; the platform does that once."""
    with reading() as session:
        row = session.get_one(PaymentShipping, shipping_id)
    desks(row.appid).remind_receipt(key_of(row), received_at)


def check_control(desk: ShippingDesk, appid: str, now: datetime) -> bool:
    """Ask whether payments are held back, remember it, and see to where messages lead."""
    managed, confirmed = desk.is_managed(), desk.is_confirmed()
    with reading() as session:
        known = owing.find_control(session, appid)
    page = known.page if known is not None else ""
    if managed and page != PAGE:
        desk.set_page(PAGE)
        page = PAGE
    heard = {"managed": managed, "confirmed": confirmed, "page": page, "checked_at": now}
    retrying(_remember, appid, heard)
    return managed


def key_of(row: PaymentShipping) -> ShippingKey:
    return ShippingKey(row.transaction_id, row.account, row.out_trade_no)


def _is_held(desk: ShippingDesk, row: PaymentShipping, now: datetime) -> bool:
    """Nobody has asked yet: ask before anything is told."""
    with reading() as session:
        control = owing.find_control(session, row.appid)
    return control.managed if control is not None else check_control(desk, row.appid, now)


def _remember(appid: str, heard: rows.Values) -> None:
    with transaction() as session:
        if rows.add_new(session, ShippingControl, {"appid": appid, "message": "", **heard}) is None:
            mine = update(ShippingControl).where(ShippingControl.appid == appid)
            claim(session, mine.values(**heard))


def _refused(desk: ShippingDesk, row: PaymentShipping, no: ShippingRefused, now: datetime) -> str:
    if no.why is Why.busy:
        retrying(_put_back, row, now, False)
        raise no
    if no.why is Why.unknown_order and now < row.paid_at + KNOWN_BY:
        retrying(_put_back, row, now, row.unsure)
        raise NotKnownYet(now - row.paid_at) from None
    if no.why is Why.same:
        return retrying(_told, row, now)
    if no.why in (Why.told, Why.used_up):
        used_up = no.why is Why.used_up
        to = ShippingState.corrected if used_up else ShippingState.uploaded
        return retrying(_end, row, to, now, NO_MORE if row.corrections else ELSEWHERE, no.errcode)
    if no.why is Why.not_shippable and _is_refunded(desk, row, now):
        return retrying(_end, row, ShippingState.void, now, GONE)
    log.info("shipping_refused", shipping_id=row.id, errcode=no.errcode)
    why = WORDS.get(no.errcode, "微信没有收")
    return retrying(_end, row, ShippingState.failed, now, why, no.errcode)


def _is_refunded(desk: ShippingDesk, row: PaymentShipping, now: datetime) -> bool:
    try:
        trade = desk.find(key_of(row))
    except (ShippingRefused, ChannelUnavailable):
        retrying(_put_back, row, now, row.unsure)
        raise
    return trade is not None and trade.state is TradeState.refunded


def _has(trade: Trade, row: PaymentShipping) -> bool:
    """Whether the platform took what we told before its answer was lost."""
    wish = wishes.from_row(row.wanted)
    if wish.split:
        return all(parcel.tracking_no in trade.numbers for parcel in wish.parcels)
    return trade.complete and trade.told > row.corrections


def _take(shipping_id: int, now: datetime) -> PaymentShipping | None:
    """due → uploading; None: there is nothing to tell. Raises ShippingBusy."""
    with transaction() as session:
        row = session.get_one(PaymentShipping, shipping_id, populate_existing=True)
        if row.state not in (ShippingState.due, ShippingState.uploading):
            return None
        if row.state is ShippingState.uploading and row.changed_at >= now - CUT_OFF:
            raise ShippingBusy
        # Somebody died in the middle of it, perhaps after the platform had taken it.
        died = row.state is ShippingState.uploading
        cut_off = (PaymentShipping.state == ShippingState.uploading) & (
            PaymentShipping.changed_at < now - CUT_OFF
        )
        free = update(PaymentShipping).where(
            PaymentShipping.id == shipping_id,
            or_(PaymentShipping.state == ShippingState.due, cut_off),
        )
        taken = {"state": ShippingState.uploading, "changed_at": now}
        if not claim(session, free.values(**taken, **({"unsure": True} if died else {}))):
            raise ShippingBusy
        return session.get_one(PaymentShipping, shipping_id, populate_existing=True)


def _told(row: PaymentShipping, now: datetime) -> str:
    wanted = wishes.from_row(row.wanted)
    before = wishes.from_row(row.told) if row.told else None
    knows: Wish = wishes.merged(before, wanted)
    if not knows.complete:
        to = ShippingState.part
    else:
        to = ShippingState.corrected if row.corrections else ShippingState.uploaded
    return _end(row, to, now, "", told=knows.as_row(), told_at=now, unsure=False)


def _end(
    row: PaymentShipping,
    to: ShippingState,
    now: datetime,
    reason: str,
    errcode: int | None = None,
    **values: Any,
) -> str:
    """From the claim to where it ends; somebody's event may have been faster, and stands."""
    claimed = {"id": row.id, "state": ShippingState.uploading}
    moved = {"state": to, "reason": reason, "errcode": errcode, "changed_at": now, **values}
    with transaction() as session:
        if not rows.compare_and_set(session, PaymentShipping, claimed, moved):
            return "overtaken"
    return to.value


def _put_back(row: PaymentShipping, now: datetime, unsure: bool) -> None:
    """Nothing was taken, or nobody knows: it will be told again."""
    claimed = {"id": row.id, "state": ShippingState.uploading}
    back = {"state": ShippingState.due, "unsure": unsure or row.unsure, "changed_at": now}
    with transaction() as session:
        rows.compare_and_set(session, PaymentShipping, claimed, back)
