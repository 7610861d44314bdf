"""Paying an order."""

from flask import g, request

import gateways
from core import idempotency, limits
from core.clock import now
from core.database import reading, transaction
from merchants.models import Merchant
from orders import queries as orders
from payments import remote
from payments.attempts import Payer
from wxapp_api.access import member
from wxapp_api.blueprints import MEMBER, make_blueprint
from wxapp_api.schemas.orders import OrderPath
from wxapp_api.schemas.payments import PaymentHeader, PaymentIn, PaymentOut, SheetOut

blueprint = make_blueprint("payments", "支付")


@blueprint.post("/orders/<no>/payment", responses={200: PaymentOut}, security=MEMBER)
@member
def pay(path: OrderPath, header: PaymentHeader, body: PaymentIn) -> PaymentOut:
    """The pay sheet of an order; safe to repeat."""
    limits.check(
        "payments", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id
    )
    at = now()
    with reading() as session:
        order = orders.get_for_member(session, g.member.id, path.no)
        merchant = session.get_one(Merchant, order.merchant_id)
    wechat = gateways.wechat()
    payer = Payer(wechat.pay_for(merchant.code).account.mchid, g.identity.appid, g.identity.openid)
    sheet = remote.open_sheet(
        wechat, order.id, payer, description=f"{merchant.name} {order.no}", now=at
    )
    if header.idempotency_key:
        scope, key = f"payments.pay:{g.member.id}", header.idempotency_key
        asked = {"no": path.no, **body.model_dump()}
        with transaction() as session:
            replay = idempotency.begin(session, scope=scope, key=key, body=asked, now=at)
            if replay is None:
                idempotency.finish(session, scope=scope, key=key, result=sheet)
            else:
                sheet = replay.result
    return PaymentOut(params=SheetOut.model_validate(sheet))
