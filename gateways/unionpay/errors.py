"""What UnionPay's answer codes mean, in one table; a code that is not here is final."""

from typing import NamedTuple

from gateways.pay.errors import ChannelRefused, ChannelUnavailable


class Meaning(NamedTuple):
    pay_code: str
    transient: bool = False


DONE = ("00", "A6")
"""A6: done, with a fault that concerns banks only."""
WAITING = ("03", "04", "05")
"""Not decided yet: ask again."""

CODES: dict[str, Meaning] = {
    "01": Meaning("TRADE_ERROR"),
    "02": Meaning("SYSTEM_ERROR", transient=True),
    **dict.fromkeys(("03", "04", "05", "06"), Meaning("SYSTEM_ERROR", transient=True)),
    "10": Meaning("PARAM_ERROR"),
    "11": Meaning("SIGN_ERROR"),
    "12": Meaning("OUT_TRADE_NO_USED"),
    "13": Meaning("PARAM_ERROR"),
    "30": Meaning("TRADE_ERROR"),
    "31": Meaning("MCH_NOT_EXISTS"),
    "32": Meaning("NO_AUTH"),
    "33": Meaning("RULE_LIMIT"),
    "34": Meaning("ORDER_NOT_EXIST"),
    "35": Meaning("TRADE_ERROR"),
    "36": Meaning("RULE_LIMIT"),
    "37": Meaning("RULE_LIMIT"),
    "38": Meaning("RULE_LIMIT"),
    "39": Meaning("RULE_LIMIT"),
    "60": Meaning("TRADE_ERROR"),
    "61": Meaning("PARAM_ERROR"),
    "64": Meaning("NOT_ENOUGH"),
    "77": Meaning("NO_AUTH"),
    "98": Meaning("NO_STATEMENT_EXIST"),
}


class UnionPayError(ChannelRefused):
    """UnionPay answered no; `resp_code` is its own word."""

    title = "银联没有接受这次请求"

    def __init__(self, resp_code: str, message: str = "", *, api: str = "") -> None:
        meaning = CODES.get(resp_code, Meaning(resp_code[:64]))
        super().__init__(meaning.pay_code, message, api=api, transient=meaning.transient)
        self.resp_code = resp_code

    def __str__(self) -> str:
        return f"{self.api}: {self.resp_code} {self.message}"


class UnionPayUnavailable(ChannelUnavailable):
    title = "银联暂时没有回应，请稍后再试"
