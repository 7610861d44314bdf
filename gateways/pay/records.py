"""What is asked of a payment channel and what it says, in our names. Money in fen, time in UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Way(StrEnum):
    """How the payer meets the channel."""

    mini = "mini"  # WeChat's pay sheet in the mini-program
    jsapi = "jsapi"  # the same on a page inside WeChat
    native = "native"  # a QR that the payer scans
    h5 = "h5"  # a phone's browser, which goes over to WeChat
    code = "code"  # the payer's own code, scanned at the counter
    page = "page"  # the channel's page on a desk
    wap = "wap"  # the channel's page on a phone


class Show(StrEnum):
    """What the payer is to see next."""

    sheet = "sheet"  # `params` is what wx.requestPayment takes
    redirect = "redirect"  # `params["url"]`
    form = "form"  # a POST of `params` without its `url`, to `params["url"]`
    qr = "qr"  # `params["code_url"]` as a picture
    waiting = "waiting"  # the payer is typing a password: ask again
    done = "done"  # nothing: `Opening.transaction` says how it ended


@dataclass(frozen=True)
class Asked:
    """A payment as its channel knows it. `asked_at` never changes (UnionPay's queries need it)."""

    out_trade_no: str
    way: Way
    amount_fen: int
    asked_at: datetime
    appid: str = ""
    transaction_id: str | None = None


@dataclass(frozen=True)
class Ask:
    """One payment that is to be opened.

    `payer` is the openid where the way needs one, `auth_code` the scanned code, which is kept
    nowhere. `shared`: a part of the money goes to others later, so the channel holds it back.
    """

    out_trade_no: str
    way: Way
    amount_fen: int
    description: str
    notify_url: str
    asked_at: datetime
    expires_at: datetime
    appid: str = ""
    payer: str = ""
    auth_code: str = field(default="", repr=False)
    client_ip: str = ""
    return_url: str = ""
    store_no: str = ""
    attach: str = ""
    shared: bool = False

    def as_asked(self) -> Asked:
        return Asked(self.out_trade_no, self.way, self.amount_fen, self.asked_at, self.appid)


@dataclass(frozen=True)
class Transaction:
    """`state`: NOTPAY, USERPAYING, SUCCESS, REFUND (paid, then refunded at least in part), CLOSED,
    REVOKED or PAYERROR. `account` is ours at the channel: mchid, `<mchid>-<sub_mchid>` under a
    service provider, app_id, merId."""

    out_trade_no: str
    transaction_id: str | None
    state: str
    amount_fen: int | None
    currency: str
    account: str
    appid: str
    payer: str
    success_at: datetime | None
    attach: str = ""

    @property
    def is_paid(self) -> bool:
        return self.state in ("SUCCESS", "REFUND")

    @property
    def is_over(self) -> bool:
        """Nobody will ever pay it."""
        return self.state in ("CLOSED", "REVOKED", "PAYERROR")


@dataclass(frozen=True)
class Opening:
    """`kept` is what has to be remembered to show the same again (no secrets): a prepay_id, a QR;
    `fresh_until`: after that it has to be asked for anew."""

    show: Show
    params: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    fresh_until: datetime | None = None
    transaction: Transaction | None = None


@dataclass(frozen=True)
class RefundAsk:
    """`total_fen` is what the channel took, `asked_at` when this number was first asked under."""

    out_refund_no: str
    refund_fen: int
    total_fen: int
    reason: str
    notify_url: str
    asked_at: datetime


@dataclass(frozen=True)
class Notice:
    """A verified notice: `id` is the same in every repetition, `kind` decides what `body` is."""

    id: str
    kind: str
    body: dict[str, str]


@dataclass(frozen=True)
class RefundResult:
    """`state`: PROCESSING, SUCCESS, CLOSED (needs a new number) or ABNORMAL (needs a human).
    `total_fen`: None where a notice does not say it; `account`: as a transaction's."""

    out_refund_no: str
    refund_id: str
    state: str
    refund_fen: int
    total_fen: int | None
    success_at: datetime | None
    account: str


def number_of(account: str) -> str:
    """The number that signs and is told: of an account under a service provider the provider's."""
    return account.partition("-")[0]


def is_same(kept: str, told: str) -> bool:
    """Whether both name one account: before a provider's number served several merchants theirs
    were kept under the bare number."""
    return kept in (told, number_of(told))
