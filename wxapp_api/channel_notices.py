"""What Alipay and UnionPay tell us, and where their payers come back to.

A notice is verified on the raw bytes, stored and committed, then acted upon. A return proves at
most who came back: it settles nothing, it leads to the order's page, which asks the server.
"""

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

import gateways
from core import patience, security_events
from core.clock import now
from core.database import at_once, retrying
from core.errors import NotFound
from core.web import public, webhook
from gateways.pay.errors import BadSignature, MalformedMessage
from gateways.pay.forms import MAX_BYTES
from payments import notices
from payments.models import Channel
from wxapp_api.pay_notices import SILENCE_SECONDS, act
from wxapp_api.payments import SHARED

ANSWERS = {Channel.alipay: "success", Channel.unionpay: "ok"}
ORDER_PAGE = "/m/#/pages/order/order?no="
SHARE_PAGE = "/m/#/pages/share/share"

blueprint = Blueprint("channel_notices", __name__)


@blueprint.post("/pay/alipay/notify/<account>")
@webhook
def alipay(account: str) -> Response:
    """`success` once the notice is kept; anything else, and Alipay comes again for a day."""
    return _heard(Channel.alipay, account)


@blueprint.post("/pay/unionpay/notify/<account>")
@webhook
def unionpay(account: str) -> Response:
    """200 once the notice is kept."""
    return _heard(Channel.unionpay, account)


@blueprint.route("/pay/<channel>/return/<account>/<no>", methods=["GET", "POST"])
@public
def come_back(channel: str, account: str, no: str) -> BaseResponse:
    """To the page of the order, or of the share that the browser went away to pay, whatever the
    channel sends along; what it did not sign is noticed."""
    if not (no.isascii() and no.isalnum() and len(no) <= 40):
        raise NotFound
    request.max_content_length = MAX_BYTES
    said = request.get_data() if request.method == "POST" else request.query_string
    if said and channel in ANSWERS:
        try:
            gateways.cashier().speaker(channel, account).read_return(said, now())
        except (BadSignature, MalformedMessage) as error:
            security_events.notice(error.code, f"{channel}:{account}")
    return redirect(SHARE_PAGE if no == SHARED else f"{ORDER_PAGE}{no}", 303)


def _heard(channel: Channel, account: str) -> Response:
    """What is kept but not acted upon, because this process died or failed in between, is swept."""
    at = now()
    request.max_content_length = MAX_BYTES  # 413 before it is read
    speaker = gateways.cashier().speaker(channel, account)
    try:
        notice = speaker.read_notice(request.get_data(), at)
    except (BadSignature, MalformedMessage) as error:
        security_events.notice(error.code, f"{channel}:{account}")
        raise
    with patience.within(SILENCE_SECONDS), at_once() as session:
        event, ours = notices.record(
            session,
            channel,
            account,
            external_id=notice.id,
            kind=notice.kind,
            body=notice.body,
            now=at,
        )
    if ours:
        retrying(act, event, at)
    return Response(ANSWERS[channel], mimetype="text/plain")
