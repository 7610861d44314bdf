"""A channel's no, and its silence: the only two answers that are not the one asked for; and what
is wrong with a notice that somebody sent in a channel's name."""

from core.errors import Forbidden, LinliError, Malformed, NotFound, Unavailable


class UnknownAccount(NotFound):
    """Nothing is configured under that number."""

    code = "unknown_account"
    title = "没有配置这个收款账号"


class ChannelRefused(LinliError):
    """A channel answered no.

    `pay_code` is WeChat Pay's word for it in today's spelling, whichever channel said it
    (ORDER_PAID, ORDER_CLOSED, ORDER_NOT_EXIST, USERPAYING, NOT_ENOUGH, …); a word that has none
    there is the channel's own. `transient`: the same question may be answered otherwise later.
    """

    status = 502
    code = "channel_refused"
    title = "支付渠道没有接受这次请求"

    def __init__(
        self, pay_code: str = "", message: str = "", *, api: str = "", transient: bool = False
    ) -> None:
        super().__init__()
        self.pay_code = pay_code
        self.message = message
        self.api = api
        self.transient = transient

    def __str__(self) -> str:
        return f"{self.api}: {self.pay_code} {self.message}"


class ChannelUnavailable(Unavailable):
    """No answer that can be trusted came back.

    `sent` says whether the other side may have done what was asked. If it may, the outcome is
    unknown, and only a query, or asking again under the same number, tells.
    """

    code = "channel_unavailable"
    title = "支付渠道暂时没有回应，请稍后再试"

    def __init__(self, api: str, why: str = "", *, sent: bool = True) -> None:
        super().__init__(retry_after=5)
        self.api = api
        self.why = why
        self.sent = sent

    def __str__(self) -> str:
        return f"{self.api}: no answer ({self.why})"


class BadSignature(Forbidden):
    """A notice that the channel did not send, or not to us, or not now."""

    code = "bad_signature"
    title = "签名不正确"


class StaleMessage(BadSignature):
    """Signed long ago, or for later: somebody repeats what was said once."""

    code = "stale_message"
    title = "消息已经过期"


class MalformedMessage(Malformed):
    """A notice that nobody can read."""

    code = "malformed_message"
    title = "消息格式不正确"
