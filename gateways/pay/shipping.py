"""Shipping information of a payment, as the platform that holds the money back asks for it.

Pure: what is told and what is heard, in our names. `ShippingDesk` is one mini-program's counter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.errors import LinliError


class Logistics(StrEnum):
    """How the goods reach whoever paid."""

    parcel = "parcel"
    city = "city"
    virtual = "virtual"
    pickup = "pickup"


class TradeState(StrEnum):
    """How the platform sees the payment."""

    unshipped = "unshipped"
    shipped = "shipped"
    received = "received"
    settled = "settled"
    refunded = "refunded"
    settling = "settling"
    unknown = "unknown"


class Why(StrEnum):
    """What a no means for whoever asked."""

    busy = "busy"  # the same question may be answered otherwise later
    unknown_order = "unknown_order"  # also right after the payment
    same = "same"  # this is what it was told before
    told = "told"  # it was told before, and takes no more
    used_up = "used_up"  # the one correction has been made
    not_shippable = "not_shippable"
    wrong = "wrong"  # what was told is wrong; asking again changes nothing


@dataclass(frozen=True)
class Parcel:
    """`contact` is the receiver's number with only its last four digits, where a carrier asks."""

    item: str
    company: str = ""
    tracking_no: str = ""
    contact: str = field(default="", repr=False)


@dataclass(frozen=True)
class ShippingKey:
    """A payment by its transaction, or by our number under our account."""

    transaction_id: str = ""
    account: str = ""
    out_trade_no: str = ""


@dataclass(frozen=True)
class Shipping:
    """`split`: several parcels, told as they leave; `complete`: these were the last of them."""

    key: ShippingKey
    logistics: Logistics
    parcels: Sequence[Parcel]
    split: bool = False
    complete: bool = True


@dataclass(frozen=True)
class Trade:
    """A payment as the platform shows it. `told`: how often it was told to be complete (0, 1, 2).

    `items` are its parcels' descriptions, `numbers` their tracking numbers.
    """

    key: ShippingKey
    state: TradeState
    payer: str
    amount_fen: int
    paid_at: datetime | None
    disputed: bool
    logistics: Logistics | None
    complete: bool
    told: int
    items: tuple[str, ...]
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class TradePage:
    trades: tuple[Trade, ...]
    last_index: str
    has_more: bool


class ShippingRefused(LinliError):
    """The platform answered no: `why` in our words, `code` in its own."""

    status = 502
    code = "shipping_refused"
    title = "微信没有接受这次发货信息"

    def __init__(self, why: Why, errcode: int, message: str = "") -> None:
        super().__init__()
        self.why = why
        self.errcode = errcode
        self.message = message

    def __str__(self) -> str:
        return f"{self.why}: {self.errcode} {self.message}"


class ShippingDesk(Protocol):
    """Every method raises ShippingRefused for a no and ChannelUnavailable for silence."""

    def is_managed(self) -> bool:
        """Whether payments of this mini-program are held back until they are told as shipped."""

    def is_confirmed(self) -> bool:
        """Whether the settlement rules of its former payments are confirmed."""

    def tell(self, shipping: Shipping, payer: str, at: datetime) -> None:
        """Tell, or tell anew: after the first complete telling the platform takes one more."""

    def tell_combined(
        self, key: ShippingKey, parts: Sequence[Shipping], payer: str, at: datetime
    ) -> None:
        """The same for a payment that was made of several."""

    def find(self, key: ShippingKey) -> Trade | None:
        """None: the platform knows no such payment (yet)."""

    def list_unshipped(self, since: datetime, until: datetime, last_index: str = "") -> TradePage:
        """What the platform still waits for, by the time of payment."""

    def remind_receipt(self, key: ShippingKey, received_at: datetime) -> None:
        """Ask whoever paid to confirm a parcel that has arrived; once a payment."""

    def set_page(self, path: str) -> None:
        """The page of the mini-program that the platform's messages open."""
