"""Taking money at the counter: a sum, then the customer's code, or one that they scan.

With `bill` in the address it is that bill of an order of goods: a deposit, its rest, a share."""

from datetime import datetime

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

import gateways
from console import bill_view, collect_view, people, reply, scanning, words
from console.access import limit, me, staff
from console.forms import Form
from console.scanning import scans
from console.typed_member import typed_member
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import NotFound
from core.numbers import new_token
from crm.models import Member
from gateways.pay.errors import ChannelRefused, ChannelUnavailable
from gateways.pay.port import PayChannel
from gateways.pay.records import Way
from merchants.models import Store
from messaging.accounts import minis_of
from orders import collecting
from orders.errors import WrongState
from orders.models import LineKind, Order, OrderState
from payments import billing, counter, remote, returned, shifts
from payments.attempts import Means
from payments.counter import Charge
from payments.errors import AlreadyPaid, NotPayable, OrderExpired, PaymentInProgress, ShareTaken
from payments.models import UNSETTLED, Bill, Channel, PaymentAttempt
from payments.queries import find_live_attempt_of, list_bills
from payments.returned import NOTHING

page = Blueprint("collect", __name__, url_prefix="/collect")

MOST_FEN = 50_000_00
WHY = {
    "AUTH_CODE_EXPIRE": "付款码过期了，请顾客刷新一下再扫",
    "AUTH_CODE_ERROR": "付款码不对，请顾客打开付款码再扫一次",
    "AUTH_CODE_INVALID": "这不是付款码，请顾客打开付款码再扫一次",
    "PAYER_NOT_ENOUGH": "顾客的余额或卡里钱不够，换一张卡再扫",
    "NOT_ENOUGH": "顾客的余额或卡里钱不够，换一张卡再扫",
    "NOT_SUPPORT_CARD": "顾客这张卡付不了，换一张再扫",
    "FREQUENCY_LIMITED": "太频繁了，过几秒再扫",
    "NO_AUTH": "商户号没有开通付款码收款，找店主",
}
TAKEN = "有人正在用手机付这一份，过几分钟再收"
_OVER = (AlreadyPaid, OrderExpired)


@page.get("/")
@staff("payments.collect")
def ask() -> Response:
    return _ask(Form())


@page.post("/")
@staff("payments.collect")
def place() -> Response:
    """The order for the sum; how it is paid comes next."""
    form, now, who = Form(request.form), clock_now(), me()
    limit("collect")
    amount_fen = form.yuan("amount", low=1, high=MOST_FEN)
    member_id = typed_member(form, "没有这位会员，不填也能收")
    store_id = who.store_id or int(form.one_of("store", who.all_store_ids, "选一家店") or 0)
    if form.errors or amount_fen is None:
        return _ask(form, 422)
    with transaction() as session:
        order, newly = collecting.place_amount(
            session,
            session.get_one(Store, store_id),
            amount_fen,
            member=session.get_one(Member, member_id) if member_id else None,
            actor=who.actor,
            key=form["key"][:64] or new_token(),
            now=now,
        )
        if newly:
            bill = billing.open_bill(session, order)
            shifts.taken_by(session, bill, order.store_id, who.staff_id, now)
            audit.record(
                session,
                actor=who.actor,
                action="payment.collect",
                subject=f"order:{order.no}",
                after={"amount_fen": amount_fen},
                merchant_id=who.merchant_id,
                now=now,
            )
    return reply.done(url_for("console.collect.show", no=order.no))


@page.get("/signature")
@staff("payments.collect")
def signature() -> Response:
    return scanning.signature()


@page.get("/<no>")
@scans
@staff("payments.collect")
def show(no: str) -> Response:
    return _show(no, Form())


@page.post("/<no>/code")
@scans
@staff("payments.collect")
def charge(no: str) -> Response:
    """The customer's code, from a scanner or typed."""
    form, now = Form(request.form), clock_now()
    limit("collect")
    order = _mine(no)
    code = "".join(form["code"].split())
    channel = counter.channel_of(code)
    account = _account(channel, Way.code) if channel else None
    if channel is None or account is None:
        form.refuse(
            "code",
            f"这里不收{collect_view.NAMES[channel]}的付款码"
            if channel
            else WHY["AUTH_CODE_INVALID"],
        )
        return _show(no, form, 422)
    before = _take(order, now)
    try:
        charged = counter.charge(
            gateways.cashier(),
            order.id,
            _means(channel, Way.code, account),
            code,
            description=_description(order),
            store_no=str(order.store_id),
            client_ip=request.remote_addr or "",
            now=now,
            seq=_seq(),
        )
    except NotPayable as refused:
        form.refuse("code", refused.detail)
        return _show(no, form, 422)
    except _OVER:
        return _to(no)
    except ShareTaken:
        form.refuse("code", TAKEN)
        return _show(no, form, 422)
    except (ChannelUnavailable, ChannelRefused, PaymentInProgress):
        form.refuse("code", "上一次还没有结果，等几秒再扫")
        return _show(no, form, 422)
    if charged.state is Charge.refused:
        why = WHY.get(charged.why, f"没有收成，请顾客换个方式（{charged.why}）")
        form.refuse("code", why)
        return _show(no, form, 422)
    _note(order, before, now)
    return _to(no)


@page.post("/<no>/qr")
@scans
@staff("payments.collect")
def show_code(no: str) -> Response:
    """A code on our screen, for the customer to scan."""
    form, now = Form(request.form), clock_now()
    limit("collect")
    order = _mine(no)
    channel = Channel(form.one_of("channel", list(collect_view.NAMES), "选一种") or Channel.wechat)
    account = _account(channel, Way.native)
    if account is None:
        form.refuse("code", f"这里没有{collect_view.NAMES[channel]}的收款码")
        return _show(no, form, 422)
    before = _take(order, now)
    try:
        remote.open_payment(
            gateways.cashier(),
            order.id,
            _means(channel, Way.native, account),
            description=_description(order),
            now=now,
            client_ip=request.remote_addr or "",
            seq=_seq(),
        )
    except NotPayable as refused:
        form.refuse("code", refused.detail)
        return _show(no, form, 422)
    except _OVER:
        return _to(no)
    except ShareTaken:
        form.refuse("code", TAKEN)
        return _show(no, form, 422)
    except (ChannelUnavailable, ChannelRefused, PaymentInProgress):
        form.refuse("code", f"{collect_view.NAMES[channel]}没有回应，再试一次")
        return _show(no, form, 422)
    _note(order, before, now)
    return _to(no)


@page.post("/<no>/cancel")
@staff("payments.collect")
def cancel(no: str) -> Response:
    """Not taking it after all: what was charged meanwhile is taken back, or stays if it is paid."""
    now, who, order = clock_now(), me(), _mine(no)
    if _seq() is not None:
        return _leave(order, now)
    try:
        left = remote.cancel_order(
            gateways.cashier(),
            order.id,
            actor=who.actor,
            reason="柜台取消",
            now=now,
            keep_paid=True,
        )
    except (ChannelUnavailable, ChannelRefused, PaymentInProgress, WrongState):
        return reply.done(url_for("console.collect.show", no=no), "还没有结果，过几秒再试")
    if left.state is OrderState.cancelled:
        with transaction() as session:
            audit.record(
                session,
                actor=who.actor,
                action="payment.uncollect",
                subject=f"order:{no}",
                merchant_id=who.merchant_id,
                now=now,
            )
        return reply.done(url_for("console.collect.ask"), "没有收，已取消")
    return _to(no)


def _leave(order: Order, now: datetime) -> Response:
    """The order stays as it is, and so does what somebody is paying on their phone: only what was
    begun here is closed."""
    with reading() as session:
        _, live = _billed(session, order)
        ours = live is not None and shifts.is_begun_there(session, live)
    if live is not None and ours and live.state in UNSETTLED:
        try:
            remote.close(gateways.cashier(), live, now)
        except (ChannelUnavailable, ChannelRefused, PaymentInProgress):
            to = url_for("console.collect.show", no=order.no, bill=_seq())
            return reply.done(to, "还没有结果，过几秒再试")
    return reply.done(url_for("console.deposits.show", no=order.no))


def _take(order: Order, now: datetime) -> int | None:
    """Whose the payment will be is kept before anybody may pay; of a sum it is since it was asked
    for. The attempt that there was before."""
    if _seq() is None:
        return None
    with transaction() as session:
        bill, live = _billed(session, order)
        shifts.taken_by(session, bill, order.store_id, me().staff_id, now)
        return live.id if live else None


def _note(order: Order, before: int | None, now: datetime) -> None:
    """Who took a bill of an order is on record, once for each code; of a sum it is since it was
    asked for."""
    if _seq() is None:
        return
    with transaction() as session:
        bill, live = _billed(session, order)
        if live is None or live.id == before:
            return
        audit.record(
            session,
            actor=me().actor,
            action="payment.collect",
            subject=f"order:{order.no}",
            after={"amount_fen": bill.amount_fen, "bill": bill.seq},
            merchant_id=me().merchant_id,
            now=now,
        )


def _to(no: str) -> Response:
    return reply.done(url_for("console.collect.show", no=no, bill=_seq()))


def _seq() -> int | None:
    return request.args.get("bill", type=int)


def _billed(session: Session, order: Order) -> tuple[Bill, PaymentAttempt | None]:
    """The bill that is taken here, with its live attempt."""
    for bill, live in list_bills(session, order.id):
        if _seq() in (None, bill.seq):
            return bill, live
    raise NotFound("这笔账单改过了，回待付款重新挑")


def _ask(form: Form, status: int = 200) -> Response:
    with reading() as session:
        return reply.page(
            "collect/ask.html",
            status,
            form=form,
            key=form["key"] or new_token(),
            ask_store=me().store_id is None and len(me().stores) > 1,
            stores=[(store.id, store.name) for store in me().stores],
            today=collect_view.today(session, me(), clock_now()),
        )


def _show(no: str, form: Form, status: int = 200) -> Response:
    now, order = clock_now(), _mine(no)
    with reading() as session:
        bill, live = _billed(session, order) if _seq() is not None else (None, None)
        live = live if bill else find_live_attempt_of(session, order.id)
        member = session.get(Member, order.member_id) if order.member_id else None
        back = returned.of(session, [live] if live else [])
    shown = {
        "no": order.no,
        "bill": _seq(),
        "take": bill_view.TAKES[bill.kind] if bill else "",
        "amount": words.yuan(bill.amount_fen if bill else order.payable_fen),
        "store": me().name_of(order.store_id),
        "who": people.name_of(member) if member else "",
        **collect_view.stands(order, bill, live, back.get(live.id if live else 0, NOTHING), now),
    }
    native = [
        (account.channel, collect_view.NAMES[Channel(account.channel)])
        for account in gateways.cashier().list_for(me().merchant_code)
        if Way.native in account.ways
    ]
    return reply.page(
        "collect/show.html", status, o=shown, form=form, native=native, sdk=scanning.sdk()
    )


def _mine(no: str) -> Order:
    """The gate: a sum asked for in one of my stores, paid or not; with a bill an order of goods."""
    with reading() as session:
        found = session.scalar(
            select(Order).where(
                Order.no == no,
                Order.kind == (LineKind.amount if _seq() is None else LineKind.goods),
                Order.store_id.in_(me().all_store_ids),
            )
        )
    if found is None:
        raise NotFound("没有这笔收款")
    return found


def _account(channel: Channel, way: Way) -> PayChannel | None:
    found = gateways.cashier().find_for(me().merchant_code, channel)
    return found if found is not None and way in found.ways else None


def _means(channel: Channel, way: Way, account: PayChannel) -> Means:
    minis = minis_of(me().merchant_code) if channel is Channel.wechat else []
    return Means(channel, way, account.account, minis[0].appid if minis else "")


def _description(order: Order) -> str:
    return f"{me().merchant_name} {collecting.NAME} {order.no}"
