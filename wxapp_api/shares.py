"""Paying a share of somebody's order, by the link that they passed on."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from flask import g, request
from sqlalchemy.orm import Session

import gateways
from core import limits
from core.clock import now as clock_now
from core.database import reading
from merchants.models import Merchant, Store
from orders.models import OWING, Order, OrderState
from payments import remote
from payments.models import PaymentAttempt, Refund, RefundState
from payments.queries import is_paid, list_bills, list_refunds
from payments.splitting import get_shared
from wxapp_api.access import member
from wxapp_api.blueprints import MEMBER, make_blueprint
from wxapp_api.order_views import bill_state
from wxapp_api.payments import SHARED, PaymentKey, means_of, return_url
from wxapp_api.schemas.payments import PaymentHeader, PaymentOut
from wxapp_api.schemas.shares import ShareOut, SharePath, SharePaymentIn, SharesOut

blueprint = make_blueprint("shares", "AA 付款")


@blueprint.get("/shares/<token>", responses={200: SharesOut}, security=MEMBER)
@member
def show(path: SharePath) -> SharesOut:
    """What the link asks for: the shop and the sums, nothing of whose order it is."""
    limits.check("shares", ip=request.remote_addr, member=g.member.id)
    with reading() as session:
        return _out(session, get_shared(session, path.token, g.member.merchant_id), clock_now())


@blueprint.post("/shares/<token>/payment", responses={200: PaymentOut}, security=MEMBER)
@member
def pay(path: SharePath, header: PaymentHeader, body: SharePaymentIn) -> PaymentOut:
    """How to pay a share; safe to repeat. Stored value is that of who pays.

    409 `share_taken`: somebody else is paying this one just now.
    """
    me = g.member
    limits.check("payments", ip=request.remote_addr, member=me.id, merchant=me.merchant_id)
    at = clock_now()
    with reading() as session:
        order = get_shared(session, path.token, me.merchant_id)
        merchant = session.get_one(Merchant, order.merchant_id)
    cashier = gateways.cashier()
    means = means_of(cashier, merchant, body, payer_id=_payer_id(order))
    key = PaymentKey(header, {"token": path.token, **body.model_dump()}, at)
    opening = remote.open_payment(
        cashier,
        order.id,
        means,
        description=f"{merchant.name} AA 付款",
        now=at,
        client_ip=request.remote_addr or "",
        seq=body.bill,
        return_url=return_url(means.channel, means.account, SHARED),
        before=key.begin,
    )
    return key.finish(opening)


def _payer_id(order: Order) -> int | None:
    """Who pays; whoever ordered pays their own order here as there."""
    return None if g.member.id == order.member_id else g.member.id


def _out(session: Session, order: Order, now: datetime) -> SharesOut:
    state, payer_id = _state(order, now), _payer_id(order)
    refunds = list_refunds(session, order.id) if order.state is OrderState.cancelled else []
    return SharesOut(
        shop=session.get_one(Merchant, order.merchant_id).name,
        store=session.get_one(Store, order.store_id).name,
        total_fen=order.payable_fen,
        shares=[
            ShareOut(
                bill=bill.seq,
                amount_fen=bill.amount_fen,
                state=bill_state(bill, attempt, payer_id),
                mine=_is_by(attempt, payer_id),
                back=_back(attempt, refunds) if order.state is OrderState.cancelled else "no",
            )
            for bill, attempt in list_bills(session, order.id)
        ],
        state=state,
        expires_at=order.expires_at if state == "open" else None,
        balance_usable=state == "open",
    )


def _is_by(attempt: PaymentAttempt | None, payer_id: int | None) -> bool:
    return attempt is not None and attempt.member_id == payer_id


def _back(
    attempt: PaymentAttempt | None, refunds: Sequence[Refund]
) -> Literal["no", "coming", "done"]:
    """Of a share of an order that ended: what was paid is all there again, or still comes."""
    if attempt is None or not is_paid(attempt):
        return "no"
    there = sum(
        refund.amount_fen
        for refund in refunds
        if refund.attempt_id == attempt.id and refund.state is RefundState.succeeded
    )
    return "done" if there >= attempt.amount_fen else "coming"


def _state(order: Order, now: datetime) -> Literal["open", "paid", "over"]:
    if order.state is OrderState.cancelled:
        return "over"
    if order.payment_state not in OWING:
        return "paid"
    return "open" if order.expires_at > now else "over"
