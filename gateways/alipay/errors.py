"""What Alipay's codes mean, in one table: its word, WeChat Pay's word for it, and whether to ask
again. A word that is not here stays Alipay's own and is final."""

from typing import NamedTuple

from gateways.pay.errors import ChannelRefused, ChannelUnavailable


class Meaning(NamedTuple):
    pay_code: str
    transient: bool = False


SUB_CODES: dict[str, Meaning] = {
    "ACQ.TRADE_HAS_SUCCESS": Meaning("ORDER_PAID"),
    "ACQ.TRADE_HAS_CLOSE": Meaning("ORDER_CLOSED"),
    "ACQ.TRADE_HAS_FINISHED": Meaning("TRADE_ERROR"),
    "ACQ.TRADE_NOT_EXIST": Meaning("ORDER_NOT_EXIST"),
    "ACQ.TRADE_STATUS_ERROR": Meaning("TRADE_ERROR"),
    "ACQ.CONTEXT_INCONSISTENT": Meaning("INVALID_REQUEST"),
    "ACQ.INVALID_PARAMETER": Meaning("PARAM_ERROR"),
    "ACQ.TOTAL_FEE_EXCEED": Meaning("PARAM_ERROR"),
    "ACQ.ACCESS_FORBIDDEN": Meaning("NO_AUTH"),
    "ACQ.EXIST_FORBIDDEN_WORD": Meaning("PARAM_ERROR"),
    "ACQ.PARTNER_ERROR": Meaning("MCH_NOT_EXISTS"),
    "ACQ.BUYER_SELLER_EQUAL": Meaning("RULE_LIMIT"),
    "ACQ.BUYER_BALANCE_NOT_ENOUGH": Meaning("NOT_ENOUGH"),
    "ACQ.BUYER_BANKCARD_BALANCE_NOT_ENOUGH": Meaning("NOT_ENOUGH"),
    "ACQ.ERROR_BALANCE_PAYMENT_DISABLE": Meaning("NOT_ENOUGH"),
    "ACQ.ERROR_BUYER_CERTIFY_LEVEL_LIMIT": Meaning("RULE_LIMIT"),
    "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR": Meaning("RULE_LIMIT"),
    "ACQ.BUYER_PAYMENT_AMOUNT_MONTH_LIMIT_ERROR": Meaning("RULE_LIMIT"),
    "ACQ.PAYMENT_AUTH_CODE_INVALID": Meaning("AUTH_CODE_INVALID"),
    "ACQ.PAYMENT_FAIL": Meaning("TRADE_ERROR"),
    "ACQ.PAYMENT_REQUEST_HAS_RISK": Meaning("RULE_LIMIT"),
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": Meaning("INVALID_REQUEST"),
    "ACQ.REASON_TRADE_REFUND_FEE_ERR": Meaning("INVALID_REQUEST"),
    "ACQ.DISCORDANT_REPEAT_REQUEST": Meaning("INVALID_REQUEST"),
    "ACQ.TRADE_NOT_ALLOW_REFUND": Meaning("RULE_LIMIT"),
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": Meaning("NOT_ENOUGH", transient=True),
    "ACQ.REASON_TRADE_BEEN_FREEZEN": Meaning("RULE_LIMIT", transient=True),
    "AOP.ACCESS-LIMIT": Meaning("FREQUENCY_LIMITED", transient=True),
    "ISV.APP-CALL-LIMITED": Meaning("FREQUENCY_LIMITED", transient=True),
    "ISV.INVALID-SIGNATURE": Meaning("SIGN_ERROR"),
    "ISV.INVALID-APP-ID": Meaning("MCH_NOT_EXISTS"),
    "ISV.INSUFFICIENT-ISV-PERMISSIONS": Meaning("NO_AUTH"),
    "ISV.INVALID-TIMESTAMP": Meaning("SIGN_ERROR"),
    "AOP.INVALID-APP-AUTH-TOKEN": Meaning("NO_AUTH"),
    "AOP.INVALID-AUTH-TOKEN": Meaning("NO_AUTH"),
    "ISP.BILL-NOT-EXIST": Meaning("NO_STATEMENT_EXIST"),
    "ISV.BILL-NOT-EXIST": Meaning("NO_STATEMENT_EXIST"),
}

_PERHAPS_DONE = ("ACQ.SYSTEM_ERROR", "AOP.ACQ.SYSTEM_ERROR", "ACQ.AOP.SYSTEM_ERROR")
_UNKNOWN = "20000"  # the gateway cannot say whether the service behind it did anything


class AlipayError(ChannelRefused):
    """Alipay answered no; `sub_code` is its own word."""

    title = "支付宝没有接受这次请求"

    def __init__(self, sub_code: str, message: str = "", *, api: str = "") -> None:
        meaning = SUB_CODES.get(_key(sub_code), Meaning(sub_code[:64]))
        super().__init__(meaning.pay_code, message, api=api, transient=meaning.transient)
        self.sub_code = sub_code

    def __str__(self) -> str:
        return f"{self.api}: {self.sub_code} {self.message}"


class AlipayUnavailable(ChannelUnavailable):
    title = "支付宝暂时没有回应，请稍后再试"


def refusal(api: str, code: str, sub_code: str, message: str) -> Exception:
    """AlipayError for a no, AlipayUnavailable where it may have been done all the same."""
    if code == _UNKNOWN or sub_code.upper() in _PERHAPS_DONE:
        return AlipayUnavailable(api, sub_code or code)
    return AlipayError(sub_code or code, message, api=api)


def _key(sub_code: str) -> str:
    """Words of the gateway are written with hyphens, at times with underscores."""
    word = sub_code.upper()
    return word if word.startswith("ACQ.") else word.replace("_", "-")
