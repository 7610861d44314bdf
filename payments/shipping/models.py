"""Tables of shipping information, and the map of its moves."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State
from gateways.pay.shipping import Logistics


class ShippingState(StrEnum):
    """`waiting`: paid, and not handed over; `due`: to be told; `part`: some parcels are told;
    `void`: nothing is to be told (any more), the money went back."""

    waiting = "waiting"
    due = "due"
    uploading = "uploading"
    part = "part"
    uploaded = "uploaded"
    corrected = "corrected"
    settled = "settled"
    failed = "failed"
    void = "void"


_S = ShippingState
NEXT_SHIPPING: dict[ShippingState, frozenset[ShippingState]] = {
    _S.waiting: frozenset({_S.due, _S.uploaded, _S.settled, _S.void}),
    # Told by somebody else, on the platform's own pages: uploaded without us.
    _S.due: frozenset({_S.uploading, _S.uploaded, _S.settled, _S.void}),
    _S.uploading: frozenset(
        {
            _S.due,  # the platform was busy, or does not know of the payment yet
            _S.part,
            _S.uploaded,
            _S.corrected,
            _S.settled,
            _S.failed,
            _S.void,
        }
    ),
    _S.part: frozenset({_S.due, _S.uploaded, _S.settled, _S.void}),
    _S.uploaded: frozenset({_S.due, _S.settled, _S.void}),  # due: the one correction
    _S.corrected: frozenset({_S.settled, _S.void}),
    _S.failed: frozenset({_S.due, _S.uploaded, _S.settled, _S.void}),
    _S.settled: frozenset({_S.void}),  # refunded after the settlement
    _S.void: frozenset(),
}
UNTOLD = (_S.waiting, _S.due, _S.uploading, _S.part, _S.failed)
"""What the platform waits for; after two days it is late."""
TOLD = (_S.uploaded, _S.corrected)


class TellAt(StrEnum):
    """When goods that are fetched in the shop are told as shipped."""

    handover = "handover"
    payment = "payment"


class PaymentShipping(Base):
    """One payment's shipping information.

    `wanted` is what the platform should know (`wishes.Wish`), `told` what it last took. A complete
    telling is corrected once: `corrections`. `unsure`: a call's answer was lost.
    """

    __tablename__ = "payment_shippings"
    __table_args__ = (
        Index(None, "merchant_id", "state", "paid_at", "id"),
        Index(None, "state", "paid_at"),
        Index(None, "order_id"),
        Index(None, "appid", "transaction_id"),
        CheckConstraint("corrections >= 0 AND corrections <= 1", name="corrections"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    attempt_id: Mapped[int] = mapped_column(ForeignKey("payment_attempts.id"), unique=True)
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    account: Mapped[str] = mapped_column(Code(32))
    out_trade_no: Mapped[str] = mapped_column(Code(32))
    transaction_id: Mapped[str] = mapped_column(Code(64))
    amount_fen: Mapped[int]
    logistics: Mapped[Logistics] = mapped_column(State(Logistics))
    state: Mapped[ShippingState] = mapped_column(State(ShippingState))
    wanted: Mapped[dict[str, Any]] = mapped_column(JSON)
    told: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    corrections: Mapped[int] = mapped_column(Integer, default=0)
    unsure: Mapped[bool] = mapped_column(default=False)
    errcode: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(String(128), default="")
    paid_at: Mapped[datetime]
    told_at: Mapped[datetime | None]
    shipped_at: Mapped[datetime | None]
    settle_by: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]
    confirmed_by: Mapped[int | None] = mapped_column(Integer)
    settled_at: Mapped[datetime | None]
    warned_at: Mapped[datetime | None]
    late_at: Mapped[datetime | None]
    followed_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class ShippingControl(Base):
    """Whether a mini-program's payments are held back until they are told; as last heard.

    `page` is where the platform's messages lead, `message` its last word to the mini-program.
    """

    __tablename__ = "shipping_controls"

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64), unique=True)
    managed: Mapped[bool]
    confirmed: Mapped[bool]
    page: Mapped[str] = mapped_column(String(128), default="")
    message: Mapped[str] = mapped_column(String(255), default="")
    message_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]


class ShippingSetting(Base):
    """A merchant's choice; without a row: at the handover."""

    __tablename__ = "shipping_settings"

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"), unique=True)
    tell_at: Mapped[TellAt] = mapped_column(State(TellAt))
    changed_at: Mapped[datetime]
