"""What WeChat's codes mean, in one table each for the API and for Pay; an unknown code is an error.

Three kinds matter to a caller: *transient* comes again later with the same parameters, *token* is
healed inside the client by one refetch, everything else is terminal: asking again changes nothing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from core.errors import LinliError, Unauthorized
from gateways.pay import errors as said
from gateways.pay.errors import ChannelRefused, ChannelUnavailable

# What is wrong with a callback is the same whichever company sent it.
BadSignature = said.BadSignature
StaleMessage = said.StaleMessage
MalformedMessage = said.MalformedMessage


class Kind(StrEnum):
    transient = "transient"
    terminal = "terminal"
    token = "token"  # noqa: S105 - the name of a kind of error


class Meaning(NamedTuple):
    kind: Kind
    text: str


_T, _F, _K = Kind.transient, Kind.terminal, Kind.token

API_CODES: dict[int, Meaning] = {
    -1: Meaning(_T, "system busy"),
    40001: Meaning(_K, "token invalid or secret wrong"),
    40014: Meaning(_K, "token illegal"),
    42001: Meaning(_K, "token expired"),
    45009: Meaning(_T, "daily or minute quota used up"),
    45011: Meaning(_T, "called too often"),
    43108: Meaning(_T, "concurrent sends to one user"),
    45066: Meaning(_T, "same client message id too soon"),
    45083: Meaning(_T, "sending speed out of range"),
    44990: Meaning(_T, "called too often this second"),
    44991: Meaning(_T, "called too often this minute"),
    50002: Meaning(_F, "account restricted"),
    40002: Meaning(_F, "grant type"),
    40007: Meaning(_F, "media id"),
    40132: Meaning(_F, "WeChat id"),
    40003: Meaning(_F, "openid unknown to this account"),
    40013: Meaning(_F, "appid"),
    40029: Meaning(_F, "code invalid or expired"),
    40032: Meaning(_F, "too many openids"),
    40035: Meaning(_F, "parameters"),
    40037: Meaning(_F, "template id"),
    40054: Meaning(_F, "menu url"),
    40055: Meaning(_F, "menu url"),
    40097: Meaning(_F, "parameters"),
    40125: Meaning(_F, "secret"),
    40129: Meaning(_F, "scene"),
    40163: Meaning(_F, "code already used"),
    40164: Meaning(_F, "server address is not on the allow list"),
    40165: Meaning(_F, "page path"),
    40169: Meaning(_F, "scene length"),
    40226: Meaning(_F, "user blocked for risk"),
    40243: Meaning(_F, "secret frozen"),
    41002: Meaning(_F, "appid missing"),
    41004: Meaning(_F, "secret missing"),
    41008: Meaning(_F, "code missing"),
    41030: Meaning(_F, "page does not exist"),
    42003: Meaning(_F, "oauth code expired"),
    43002: Meaning(_F, "needs POST"),
    43004: Meaning(_F, "user does not follow"),
    43019: Meaning(_F, "user is on the block list"),
    43101: Meaning(_F, "user granted no (further) message"),
    43104: Meaning(_F, "openid is not of this appid"),
    43107: Meaning(_F, "capability banned"),
    43116: Meaning(_F, "template banned"),
    44002: Meaning(_F, "empty body"),
    45002: Meaning(_F, "content too long"),
    45015: Meaning(_F, "reply window is over"),
    45047: Meaning(_F, "replies of this window used up"),
    45028: Meaning(_F, "no broadcast left"),
    45056: Meaning(_F, "too many tags"),
    45057: Meaning(_F, "tag has too many followers"),
    45058: Meaning(_F, "system tag"),
    45059: Meaning(_F, "user has too many tags"),
    45065: Meaning(_F, "same client message id: sent before"),
    45067: Meaning(_F, "client message id too long"),
    45109: Meaning(_F, "interface withdrawn"),
    45157: Meaning(_F, "tag name exists"),
    45158: Meaning(_F, "tag name too long"),
    45159: Meaning(_F, "tag unknown"),
    45168: Meaning(_F, "sensitive word"),
    46003: Meaning(_F, "no menu"),
    46004: Meaning(_F, "no such user"),
    47001: Meaning(_F, "body is not JSON as expected"),
    47003: Meaning(_F, "template data"),
    48001: Meaning(_F, "interface not authorised"),
    48002: Meaning(_F, "user refuses messages"),
    48004: Meaning(_F, "interface banned"),
    50001: Meaning(_F, "interface not authorised by the user"),
    50004: Meaning(_F, "token interface forbidden"),
    50005: Meaning(_F, "user does not follow"),
    50007: Meaning(_F, "account frozen"),
    65303: Meaning(_F, "no default menu"),
    65316: Meaning(_F, "menu: too many outward domains"),
    65320: Meaning(_F, "menu: condition no longer accepted"),
    85096: Meaning(_F, "scene of this page"),
    85431: Meaning(_T, "service card: system busy"),
    85434: Meaning(_F, "service card: kind"),
    85437: Meaning(_F, "service card: code unknown, or not yet known"),
    85461: Meaning(_F, "service card: access denied"),
    85462: Meaning(_F, "service card: access denied"),
    10060001: Meaning(_F, "shipping: order unknown, or not yet known"),
    10060002: Meaning(_F, "shipping: told before"),
    10060003: Meaning(_F, "shipping: the one correction was made"),
    10060004: Meaning(_F, "shipping: the order cannot be shipped"),
    10060005: Meaning(_F, "shipping: logistics type"),
    10060006: Meaning(_F, "shipping: only parcels may be split"),
    10060007: Meaning(_F, "shipping: is_all_delivered missing"),
    10060008: Meaning(_F, "shipping: item_desc missing"),
    10060009: Meaning(_F, "shipping: item_desc"),
    10060012: Meaning(_T, "shipping: system error"),
    10060014: Meaning(_F, "shipping: parameters"),
    10060019: Meaning(_T, "shipping: system error"),
    10060020: Meaning(_F, "shipping: item_desc"),
    10060023: Meaning(_F, "shipping: nothing changed"),
    10060024: Meaning(_F, "shipping: too many parcels"),
    10060025: Meaning(_F, "shipping: tracking number too long"),
    10060026: Meaning(_F, "shipping: a field too long"),
    10060028: Meaning(_F, "shipping: receipt reminded of too early"),
    10060029: Meaning(_F, "shipping: receipt reminded of before"),
    10060030: Meaning(_F, "shipping: receipt of what is no parcel"),
    10060031: Meaning(_F, "shipping: openid did not pay"),
    10060032: Meaning(_F, "shipping: receipt reminded of before it was shipped"),
    268485194: Meaning(_F, "shipping: order key"),
    268485195: Meaning(_F, "shipping: order key"),
    268485196: Meaning(_F, "shipping: order key"),
    268485197: Meaning(_F, "shipping: order key"),
    268485216: Meaning(_F, "shipping: upload time"),
    268485224: Meaning(_F, "shipping: delivery mode"),
    268485226: Meaning(_F, "shipping: tracking number missing"),
    268485227: Meaning(_F, "shipping: carrier missing"),
    268485228: Meaning(_F, "shipping: unified delivery has one parcel"),
    89503: Meaning(_F, "server address waits for the admin"),
    89506: Meaning(_F, "server address refused by the admin"),
    89507: Meaning(_F, "server address refused by the admin"),
}

PAY_CODES: dict[str, Meaning] = {
    "SYSTEM_ERROR": Meaning(_T, "system error: ask again with the same parameters"),
    "BANK_ERROR": Meaning(_T, "bank error"),
    "FREQUENCY_LIMITED": Meaning(_T, "called too often"),
    "RATELIMIT_EXCEEDED": Meaning(_T, "called too often"),
    "USERPAYING": Meaning(_T, "the user is paying"),
    "NOT_ENOUGH": Meaning(_T, "merchant balance too low: top up, then the same refund number"),
    "PARAM_ERROR": Meaning(_F, "parameters"),
    "INVALID_REQUEST": Meaning(_F, "rule broken, or repeated with other parameters"),
    "APPID_MCHID_NOT_MATCH": Meaning(_F, "appid is not bound to the merchant"),
    "MCH_NOT_EXISTS": Meaning(_F, "merchant unknown"),
    "ORDER_CLOSED": Meaning(_F, "order closed: use a new number"),
    "ORDER_PAID": Meaning(_F, "order paid"),
    "ORDER_NOT_EXIST": Meaning(_F, "order unknown"),
    "OUT_TRADE_NO_USED": Meaning(_F, "number used by a paid order"),
    "SIGN_ERROR": Meaning(_F, "our signature: key, serial, clock or bytes"),
    "NO_AUTH": Meaning(_F, "merchant lacks the permission"),
    "TRADE_ERROR": Meaning(_F, "state of the order does not allow it"),
    "RULE_LIMIT": Meaning(_F, "business rule"),
    "ACCOUNT_ERROR": Meaning(_F, "account"),
    "USER_ACCOUNT_ABNORMAL": Meaning(_F, "the user's account is closed"),
    "RESOURCE_NOT_EXISTS": Meaning(_F, "unknown"),
    "OPENID_MISMATCH": Meaning(_F, "openid is not of the appid"),
    "INVALID_TRANSACTIONID": Meaning(_F, "transaction number"),
    "MCHID_NOT_EXIST": Meaning(_F, "merchant unknown"),
    "APPID_NOT_EXIST": Meaning(_F, "appid unknown"),
    "LACK_PARAMS": Meaning(_F, "parameters are missing"),
    "NOT_UTF8": Meaning(_F, "encoding"),
    "XML_FORMAT_ERROR": Meaning(_F, "body is not XML as expected"),
    "REQUIRE_POST_METHOD": Meaning(_F, "needs POST"),
    "REFUND_NOT_EXIST": Meaning(_F, "refund unknown"),
    "PAYER_NOT_ENOUGH": Meaning(_F, "the payer's balance or card has too little"),
    "AUTH_CODE_EXPIRE": Meaning(_F, "the payer's code is out of time"),
    "AUTH_CODE_ERROR": Meaning(_F, "the payer's code is not right"),
    "AUTH_CODE_INVALID": Meaning(_F, "this is no payer's code"),
    "NOT_SUPPORT_CARD": Meaning(_F, "the payer's card is not taken here"),
    "BUYER_MISMATCH": Meaning(_F, "another payer than the first time"),
    "ORDER_REVERSED": Meaning(_F, "order taken back"),
    "REVERSE_EXPIRE": Meaning(_F, "too long ago to be taken back"),
    "NO_STATEMENT_EXIST": Meaning(_F, "no bill of that day"),
    "STATEMENT_CREATING": Meaning(_T, "the bill is being made"),
}

# Spellings of older interfaces that are still seen.
_OLD_SPELLINGS = {code.replace("_", ""): code for code in PAY_CODES} | {
    "ORDERPAID": "ORDER_PAID",
    "ORDERNOTEXISTS": "ORDER_NOT_EXIST",
    "FREQUENCYLIMITED": "FREQUENCY_LIMITED",
    "RESOURCENOTEXIST": "RESOURCE_NOT_EXISTS",
    "NOTSUPORTCARD": "NOT_SUPPORT_CARD",
    "REFUNDNOTEXIST": "REFUND_NOT_EXIST",
    "PARAMETERERROR": "PARAM_ERROR",
    "POSTDATAEMPTY": "LACK_PARAMS",
}


def normalise_pay_code(code: str) -> str:
    """`ORDERNOTEXIST` and `ORDER_NOT_EXIST` are the same; an unknown code stays as it came."""
    return _OLD_SPELLINGS.get(code.upper().replace("_", ""), code.upper()[:64])


class WrongMode(BadSignature):
    """Sealed or unsealed against the account's mode: a token alone must not open a safe account."""

    code = "wrong_callback_mode"
    title = "这个账号不收这种模式的消息"


class InvalidCode(Unauthorized):
    """A login, phone or OAuth code that is wrong, used or out of time."""

    code = "invalid_code"
    title = "登录凭证无效或已使用，请重试"


class WechatUnavailable(ChannelUnavailable):
    """No answer of WeChat's that can be trusted came back."""

    code = "wechat_unavailable"
    title = "微信暂时没有回应，请稍后再试"


class WechatError(LinliError):
    """WeChat answered no."""

    status = 502
    code = "wechat_refused"
    title = "微信没有接受这次请求"

    def __init__(
        self,
        errcode: int,
        errmsg: str = "",
        *,
        api: str = "",
        answer: Mapping[str, Any] | None = None,
    ) -> None:
        """`answer`: what else stood in WeChat's no, such as the number of an earlier sending."""
        super().__init__()
        meaning = API_CODES.get(errcode)
        self.answer = answer or {}
        self.errcode = errcode
        self.errmsg = errmsg
        self.api = api
        self.transient = meaning is not None and meaning.kind is Kind.transient
        self.token = meaning is not None and meaning.kind is Kind.token

    def __str__(self) -> str:
        return f"{self.api}: {self.errcode} {self.errmsg}"


class PayError(WechatError, ChannelRefused):
    """WeChat Pay answered no; `pay_code` is its code in today's spelling."""

    title = "微信支付没有接受这次请求"

    def __init__(self, status: int, pay_code: str, message: str = "", *, api: str = "") -> None:
        super().__init__(status, message, api=api)
        self.message = message
        self.pay_code = normalise_pay_code(pay_code)
        meaning = PAY_CODES.get(self.pay_code)
        self.is_known = meaning is not None
        self.transient = status == 429 or (meaning is not None and meaning.kind is Kind.transient)
        self.token = False

    def __str__(self) -> str:
        return f"{self.api}: {self.errcode} {self.pay_code} {self.errmsg}"
