"""资金 → 结算 → 分账: who gets a part of the payments, and where somebody got nothing."""

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select

import gateways
from console import access, reply, settlement_view, step_up, words
from console.access import me, staff
from console.forms import Form
from core.clock import business_day
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from gateways.pay.sharing import Party, PartyKind
from messaging.accounts import minis_of
from orders.models import Order
from payments.errors import SharedTooMuch
from payments.models import ReceiverPurpose, ReceiverState, SharingReceiver
from payments.settlement.terms import terms_on
from payments.sharing import receivers, returning, running

page = Blueprint("sharing", __name__, url_prefix="/settlement/sharing")

RELATIONS = {
    "HEADQUARTER": "总部",
    "STORE": "门店",
    "BRAND": "品牌方",
    "PARTNER": "合作伙伴",
    "SUPPLIER": "供应商",
}
STATES = {
    ReceiverState.wanted: ("等微信登记", "warn"),
    ReceiverState.active: ("在收", "ok"),
    ReceiverState.refused: ("微信没有接受", "bad"),
    ReceiverState.ending: ("正在取消", "warn"),
    ReceiverState.ended: ("不再收", ""),
}
KEPT = ("微信没有取消", "bad")
REASONS = {
    "NO_RELATION": "微信还没登记这个接收方",
    "RECEIVER_HIGH_RISK": "微信认为接收方有风险",
    "RECEIVER_REAL_NAME_NOT_VERIFIED": "接收方没有实名",
    "RECEIVER_RECEIPT_LIMIT": "接收方到了收款上限",
    "ACCOUNT_ABNORMAL": "接收方的账户不正常",
    "NO_AUTH": "商户没有授权分账，到微信支付商户平台授权",
    "RULE_LIMIT": "超过了能分的比例或期限",
    "INVALID_REQUEST": "微信说现在还不能分，会自己再试",
    "PAYER_ACCOUNT_ABNORMAL": "接收方的账户扣不了钱",
    "NOT_ENOUGH": "接收方的账户余额不够",
}
LONGEST_NOTE = 100

_URLS = {
    "again": lambda number: url_for("console.sharing.again", sharing_id=number),
    "return_again": lambda number: url_for("console.sharing.return_again", return_id=number),
    "close": lambda number: url_for("console.sharing.close_return", return_id=number),
}


@page.get("/")
@staff("money.settle")
def index() -> Response:
    return _page(Form())


@page.post("/")
@staff("money.settle")
def add() -> Response:
    form, now = Form(request.form, account="", name="", relation="", percent=""), clock_now()
    account = form.text("account", longest=32)
    name = form.text("name", longest=60)
    relation = form.one_of("relation", RELATIONS, "选一个关系")
    share_bp = _percent(form)
    if account and not (account.isascii() and account.isdigit()):
        form.refuse("account", "商户号是一串数字")
    seller = gateways.cashier().sharing_for(me().merchant_code)
    if seller is None:
        form.refuse("account", "现在的商户号不能分账")
    elif account == seller.provider:
        form.refuse("account", "这是平台的商户号，不能加")
    if form.errors or not step_up.is_proved(form, now):
        return _page(form, 422)
    assert account is not None
    assert name is not None
    assert relation is not None
    assert share_bp is not None
    try:
        with transaction() as session:
            receivers.add(
                session,
                me().merchant_id,
                Party(PartyKind.merchant, account, _appid(), name, relation),
                purpose=ReceiverPurpose.share,
                share_bp=share_bp,
                actor=me().actor,
                now=now,
            )
    except LinliError as refused:
        form.refuse_with(refused, "percent" if isinstance(refused, SharedTooMuch) else "account")
        return _page(form, 422)
    response = reply.done(url_for("console.sharing.index"), "加上了，微信登记好就开始分")
    step_up.remember(response, now)
    return response


@page.get("/<int:receiver_id>/end")
@staff("money.settle")
def ending(receiver_id: int) -> Response:
    return _ending(receiver_id, Form(), 200)


@page.post("/<int:receiver_id>/end")
@staff("money.settle")
def end(receiver_id: int) -> Response:
    form, now = Form(request.form), clock_now()
    if not step_up.is_proved(form, now):
        return _ending(receiver_id, form, 422)
    with transaction() as session:
        receivers.end(session, me().merchant_id, receiver_id, actor=me().actor, now=now)
    response = reply.done(url_for("console.sharing.index"), "以后的收款不再分给它")
    step_up.remember(response, now)
    return response


@page.get("/<int:sharing_id>/again")
@staff("money.settle")
def asking_again(sharing_id: int) -> Response:
    return _again_page("again", sharing_id, Form())


@page.post("/<int:sharing_id>/again")
@staff("money.settle")
def again(sharing_id: int) -> Response:
    """Money leaves: by somebody who has just proved who they are."""
    return _again("again", sharing_id)


@page.get("/returns/<int:return_id>/again")
@staff("money.settle")
def returning_again(return_id: int) -> Response:
    return _again_page("return_again", return_id, Form())


@page.post("/returns/<int:return_id>/again")
@staff("money.settle")
def return_again(return_id: int) -> Response:
    """What a receiver did not give back for a refund is asked for once more."""
    return _again("return_again", return_id)


@page.get("/returns/<int:return_id>/close")
@staff("money.settle")
def closing_return(return_id: int) -> Response:
    return _again_page("close", return_id, Form())


@page.post("/returns/<int:return_id>/close")
@staff("money.settle")
def close_return(return_id: int) -> Response:
    """WeChat will not do it any more: somebody says how it was settled, and it is over."""
    form, now, who = Form(request.form), clock_now(), me()
    note = form.text("note", longest=LONGEST_NOTE)
    if note is None or not step_up.is_proved(form, now):
        return _again_page("close", return_id, form, 422)
    with transaction() as session:
        returning.close(session, who.merchant_id, return_id, note, actor=who.actor, now=now)
    response = reply.done(url_for("console.sharing.index"), "记下了，这份不再收")
    step_up.remember(response, now)
    return response


def _again(act: str, number: int) -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    if not step_up.is_proved(form, now):
        return _again_page(act, number, form, 422)
    verb = running.again if act == "again" else returning.again
    with transaction() as session:
        verb(session, who.merchant_id, number, actor=who.actor, now=now)
    said = "马上再分一次" if act == "again" else "马上再收一次"
    response = reply.done(url_for("console.sharing.index"), said)
    step_up.remember(response, now)
    return response


def _again_page(act: str, number: int, form: Form, status: int = 200) -> Response:
    return reply.page(
        "settlement/sharing_again.html",
        status,
        act=act,
        here=_URLS[act](number),
        form=form,
        stepped_up=access.is_proved(clock_now()),
    )


def _page(form: Form, status: int = 200) -> Response:
    now = clock_now()
    can = gateways.cashier().sharing_for(me().merchant_code) is not None
    with reading() as session:
        found = receivers.list_all(session, me().merchant_id)
        terms = terms_on(session, me().merchant_id, business_day(now))
        stuck = running.list_stuck(session, me().merchant_id)
        kept = returning.list_failed(session, me().merchant_id)
        short = returning.list_short(session, me().merchant_id)
        ids = [one.order_id for one in stuck] + [order_id for _, _, order_id in kept]
        numbers = dict(session.execute(select(Order.id, Order.no).where(Order.id.in_(ids))).all())
    commission = f"{terms.commission_bp / 100:g}%" if terms else "没有约定"
    return reply.page(
        "settlement/sharing.html",
        status,
        tabs=settlement_view.tabs("sharing.index"),
        can=can,
        form=form,
        relations=[("", "选关系"), *RELATIONS.items()],
        receivers=[
            {
                "id": one.id,
                "name": one.name or one.account,
                "account": one.account,
                "part": commission
                if one.purpose is ReceiverPurpose.commission
                else f"{one.share_bp / 100:g}%",
                "what": "平台服务费"
                if one.purpose is ReceiverPurpose.commission
                else RELATIONS.get(one.relation, "接收方"),
                "state": KEPT if _is_kept(one) else STATES[one.state],
                "kept": _is_kept(one),
                "error": _why(one),
                "mine": one.purpose is ReceiverPurpose.share
                and (one.state in (ReceiverState.wanted, ReceiverState.active) or _is_kept(one)),
            }
            for one in found
        ],
        stuck=[
            {
                "id": one.id,
                "no": numbers.get(one.order_id, ""),
                "at": words.when(one.paid_at, now),
                "why": REASONS.get(one.error, "微信没有接受"),
            }
            for one in stuck
        ],
        short=[
            {
                "who": one.receiver.name or one.receiver.account,
                "no": one.refund.out_refund_no,
                "amount": words.yuan(one.fen),
            }
            for one in short
        ],
        kept=[
            {
                "id": back.id,
                "no": numbers.get(order_id, ""),
                "who": receiver.name or receiver.account,
                "amount": words.yuan(back.amount_fen),
                "at": words.when(back.asked_at, now),
                "why": REASONS.get(back.error, "微信没有收回来"),
            }
            for back, receiver, order_id in kept
        ],
        stepped_up=access.is_proved(now),
    )


def _ending(receiver_id: int, form: Form, status: int) -> Response:
    with reading() as session:
        found = receivers.get(session, me().merchant_id, receiver_id)
    return reply.page(
        "settlement/end_receiver.html",
        status,
        receiver={"id": found.id, "name": found.name or found.account},
        form=form,
        stepped_up=access.is_proved(clock_now()),
    )


def _is_kept(one: SharingReceiver) -> bool:
    """It was to go, and the channel did not let it."""
    return one.state is ReceiverState.ending and one.error != ""


def _why(one: SharingReceiver) -> str:
    if not one.error:
        return ""
    otherwise = "以后的收款已经不分给它" if _is_kept(one) else "微信没有接受"
    return REASONS.get(one.error, otherwise)


def _percent(form: Form) -> int | None:
    try:
        share_bp = round(float(form["percent"].strip().rstrip("%")) * 100)
    except (ValueError, OverflowError):
        share_bp = 0
    if not 1 <= share_bp <= receivers.MOST_BP:
        form.refuse("percent", "填 0.01 到 30")
        return None
    return share_bp


def _appid() -> str:
    minis = minis_of(me().merchant_code)
    return minis[0].appid if minis else ""
