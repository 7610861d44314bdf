"""What WeChat Pay tells us: verified on the raw bytes, stored and committed, then acted upon."""

from contextlib import suppress
from datetime import datetime

from flask import Blueprint, Response, request

import gateways
from core import patience, security_events
from core.clock import now
from core.database import at_once, retrying, transaction
from core.inbox import InboundEvent
from core.web import webhook
from coupons.pack import noting
from gateways.wechat.errors import BadSignature, MalformedMessage
from gateways.wechat.wire import MAX_BYTES
from payments import notices
from payments.models import Channel

SILENCE_SECONDS = 3.0  # WeChat Pay waits five: with the database silent it hears a 503

blueprint = Blueprint("pay_notices", __name__)


@blueprint.post("/pay/wechat/notify/<mchid>")
@webhook
def wechat(mchid: str) -> Response:
    """204 once the notice is kept; with the database down a 5xx, and WeChat comes again.

    What is kept but not acted upon, because this process died or failed in between, is swept; a
    copy that arrives meanwhile is answered at once.
    """
    at = now()
    request.max_content_length = MAX_BYTES  # 413 before it is read
    raw = request.get_data()
    try:
        notice = gateways.wechat().read_pay_notice(mchid, dict(request.headers), raw, at)
    except (BadSignature, MalformedMessage) as error:
        security_events.notice(error.code, f"pay:{mchid}")
        raise
    with patience.within(SILENCE_SECONDS), at_once() as session:
        event, ours = notices.record(
            session,
            Channel.wechat,
            mchid,
            external_id=notice.id,
            kind=notice.event_type,
            body=notice.resource,
            now=at,
        )
    if ours:
        # Here, not by the whole view: its second run would take this notice for one in hand.
        retrying(act, event, at)
    return Response(status=204)


@blueprint.post("/pay/wechat/brand/<brand_id>/notify")
@webhook
def card_pack(brand_id: str) -> Response:
    """Something happened to a card in somebody's card pack: WeChat is asked what.

    Kept and acted upon in one transaction: acting is to mark the card, and nothing is believed of
    what the notice says but which card it is.
    """
    at = now()
    request.max_content_length = MAX_BYTES
    brand = gateways.wechat().brand(brand_id)
    try:
        notice = brand.read_notice(dict(request.headers), request.get_data(), at)
        brand = gateways.wechat().brand_of(brand, notice)
    except (BadSignature, MalformedMessage) as error:
        security_events.notice(error.code, f"brand:{brand_id}")
        raise
    with patience.within(SILENCE_SECONDS), at_once() as session:
        noting.note_notice(session, brand.account, notice, at)
    return Response(status=204)


def act(event: InboundEvent, at: datetime) -> None:
    """Unless somebody else has."""
    with suppress(notices.AlreadyActed), transaction() as session:
        notices.act(session, event, at)
