"""An attempt and a refund in the words in which the channel is asked for them."""

from core.config import current_config
from gateways.pay.records import Ask, Asked, RefundAsk, Way, number_of
from payments.models import Channel, PaymentAttempt, Refund

_PATHS = {
    Channel.wechat: "/pay/wechat/notify/",
    Channel.alipay: "/pay/alipay/notify/",
    Channel.unionpay: "/pay/unionpay/notify/",
}


def notify_url(channel: Channel, account: str) -> str:
    """Where the channel sends its notices: a service provider has one address for all."""
    return f"{current_config().app.base_url.rstrip('/')}{_PATHS[channel]}{number_of(account)}"


def way_of(attempt: PaymentAttempt) -> Way:
    if attempt.way is None:
        raise ValueError(f"attempt {attempt.id} has nothing to do with a channel")
    return attempt.way


def asked_of(attempt: PaymentAttempt) -> Asked:
    """The payment as its channel knows it."""
    return Asked(
        attempt.out_trade_no,
        way_of(attempt),
        attempt.channel_fen,
        attempt.created_at,
        attempt.appid,
        attempt.transaction_id,
    )


def ask_of(
    attempt: PaymentAttempt,
    description: str,
    *,
    auth_code: str = "",
    client_ip: str = "",
    return_url: str = "",
    store_no: str = "",
) -> Ask:
    """The payment that is to be opened: the same words however often it is asked for."""
    return Ask(
        out_trade_no=attempt.out_trade_no,
        way=way_of(attempt),
        amount_fen=attempt.channel_fen,
        description=description,
        notify_url=notify_url(attempt.channel, attempt.account),
        asked_at=attempt.created_at,
        expires_at=attempt.expires_at,
        appid=attempt.appid,
        payer=attempt.payer,
        auth_code=auth_code,
        client_ip=client_ip,
        return_url=return_url,
        store_no=store_no,
        shared=attempt.shared,
    )


def refund_of(refund: Refund, attempt: PaymentAttempt) -> RefundAsk:
    """The refund as its channel is asked for it, the first time and every time."""
    return RefundAsk(
        out_refund_no=refund.out_refund_no,
        refund_fen=refund.channel_fen,
        total_fen=attempt.channel_fen,
        reason=refund.reason,
        notify_url=notify_url(attempt.channel, attempt.account),
        asked_at=refund.requested_at,
    )
