"""Paying an order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import g, request
from sqlalchemy.orm import Session

import gateways
from core import idempotency, limits
from core.clock import now
from core.config import current_config
from core.database import reading, transaction
from gateways.cashier import Cashier
from gateways.pay.records import Opening, Show
from merchants.models import Merchant
from orders import queries as orders
from payments import remote
from payments.attempts import Means
from payments.errors import WayNotOffered
from payments.models import Channel
from people.models import IdentityKind
from wxapp_api.access import member
from wxapp_api.blueprints import MEMBER, make_blueprint
from wxapp_api.schemas.orders import OrderPath
from wxapp_api.schemas.payments import PaymentHeader, PaymentIn, PaymentOut

SHARED = "share"
"""In the place of an order's number: a share, which only the payer's browser knows."""

blueprint = make_blueprint("payments", "支付")


@blueprint.post("/orders/<no>/payment", responses={200: PaymentOut}, security=MEMBER)
@member
def pay(path: OrderPath, header: PaymentHeader, body: PaymentIn) -> PaymentOut:
    """How to pay an order: its pay sheet, page or code; safe to repeat."""
    limits.check(
        "payments", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id
    )
    at = now()
    with reading() as session:
        order = orders.get_for_member(session, g.member.id, path.no)
        merchant = session.get_one(Merchant, order.merchant_id)
    cashier = gateways.cashier()
    means = means_of(cashier, merchant, body)
    key = PaymentKey(header, {"no": path.no, **body.model_dump()}, at)
    opening = remote.open_payment(
        cashier,
        order.id,
        means,
        description=f"{merchant.name} {order.no}",
        now=at,
        client_ip=request.remote_addr or "",
        seq=body.bill,
        return_url=return_url(means.channel, means.account, order.no),
        before=key.begin,
    )
    return key.finish(opening)


@dataclass
class PaymentKey:
    """The caller's Idempotency-Key, if there is one: reserved in the transaction that starts the
    attempt, so that another body is refused before anything moves, and answered once it is open.

    A try that died in between left no answer: it goes on, with the same bill.
    """

    header: PaymentHeader
    asked: dict[str, Any]
    now: datetime
    replayed: bool = False

    def begin(self, session: Session) -> Opening | None:
        if not self.header.idempotency_key:
            return None
        replay = idempotency.begin(session, **self._named(), body=self.asked, now=self.now)
        if replay is None or not replay.result:
            return None
        self.replayed = True
        return Opening(Show(replay.result["show"]), replay.result["params"])

    def finish(self, opening: Opening) -> PaymentOut:
        shown = PaymentOut(show=opening.show, params=dict(opening.params))
        if self.header.idempotency_key and not self.replayed:
            with transaction() as session:
                idempotency.finish(session, **self._named(), result=shown.model_dump(mode="json"))
        return shown

    def _named(self) -> dict[str, Any]:
        return {"scope": f"payments.pay:{g.member.id}", "key": self.header.idempotency_key or ""}


def _payer(channel: str, merchant: Merchant) -> tuple[str, str]:
    """Who pays, as the channel knows them: only WeChat is told, the others ask themselves.

    A website's appid is bound to no merchant number: who pays there pays under the mini-program's.
    """
    if channel != "wechat":
        return "", ""
    if g.identity.kind is not IdentityKind.website:
        return g.identity.appid, g.identity.openid
    minis = current_config().wechat.mini_programs
    return next((each.appid for each in minis if each.merchant == merchant.code), ""), ""


def return_url(channel: str, account: str, no: str) -> str:
    """Where a browser comes back to from the channel's page; `no`: an order's, or SHARED.

    The channel reads it: no token of a share may stand in it.
    """
    return f"{current_config().app.base_url.rstrip('/')}/pay/{channel}/return/{account}/{no}"


def means_of(
    cashier: Cashier, merchant: Merchant, body: PaymentIn, *, payer_id: int | None = None
) -> Means:
    """`payer_id`: who pays, where that is not whoever ordered."""
    channel = Channel(body.channel)
    if channel is Channel.balance:
        return Means(channel, member_id=payer_id)
    way, account = body.usual_way(), cashier.find_for(merchant.code, channel)
    if account is None or way not in account.ways:
        raise WayNotOffered
    return Means(
        channel,
        way,
        account.account,
        *_payer(body.channel, merchant),
        balance_fen=body.balance_fen,
        member_id=payer_id,
    )
