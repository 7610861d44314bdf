"""Tables of bills and of the tries to pay them, and the maps of their moves."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State
from gateways.pay.records import Way


class BillKind(StrEnum):
    """What part of an order a bill asks for."""

    whole = "whole"
    deposit = "deposit"
    rest = "rest"
    share = "share"


class BillState(StrEnum):
    open = "open"
    paid = "paid"
    void = "void"


NEXT_BILL = {
    BillState.open: {BillState.paid, BillState.void},
    BillState.paid: set(),
    BillState.void: set(),
}


class Channel(StrEnum):
    wechat = "wechat"
    alipay = "alipay"
    unionpay = "unionpay"
    balance = "balance"
    none = "none"


class AttemptState(StrEnum):
    created = "created"
    pending = "pending"
    succeeded = "succeeded"
    closed = "closed"
    failed = "failed"
    succeeded_late = "succeeded_late"


NEXT_ATTEMPT = {
    AttemptState.created: {
        AttemptState.pending,
        AttemptState.succeeded,
        AttemptState.closed,
        AttemptState.failed,
        AttemptState.succeeded_late,
    },
    AttemptState.pending: {
        AttemptState.succeeded,
        AttemptState.closed,
        AttemptState.failed,
        AttemptState.succeeded_late,
    },
    AttemptState.closed: {AttemptState.succeeded_late},
    AttemptState.failed: {AttemptState.succeeded_late},
    AttemptState.succeeded: set(),
    AttemptState.succeeded_late: set(),
}

UNSETTLED = (AttemptState.created, AttemptState.pending)
PAID = (AttemptState.succeeded, AttemptState.succeeded_late)


class Bill(Base):
    """What an order asks to be paid, in one piece or in several; `seq` counts from one.

    `due_at`: until then it may be paid, where that is later than the order says.
    """

    __tablename__ = "bills"
    __table_args__ = (
        UniqueConstraint("order_id", "seq"),
        CheckConstraint("amount_fen >= 0", name="amount"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    seq: Mapped[int] = mapped_column(default=1)
    kind: Mapped[BillKind] = mapped_column(State(BillKind), default=BillKind.whole)
    amount_fen: Mapped[int]
    currency: Mapped[str] = mapped_column(Code(3), default="CNY")
    state: Mapped[BillState] = mapped_column(State(BillState), default=BillState.open)
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    paid_at: Mapped[datetime | None]


class SplitLink(Base):
    """What an order's shares are paid by: whoever knows the token sees shop and sums, no more.

    Kept as it is, not as a hash: the orderer is shown the same link again.
    """

    __tablename__ = "split_links"

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), unique=True)
    token: Mapped[str] = mapped_column(Code(32), unique=True)
    created_at: Mapped[datetime]


class PaymentAttempt(Base):
    """One try to pay a bill through a channel, under a number that the channel knows too.

    `live` is true or NULL, so that the unique key allows one live attempt and any number of past
    ones on every database. The one that succeeded stays live: a paid bill takes no other.
    `refunded_fen` counts what was asked back, and is taken by a guarded update.

    `member_id` is whoever pays somebody else's order, a share of it; empty: its own member.
    `account` is ours at the channel (mchid, app_id, merId), `payer` who pays there, where it says
    so (an openid). `balance_fen` of the amount come from the member's stored balance, `channel_fen`
    from the channel. `opening` is what shows the same payment again, good until `fresh_until`.
    `shared`: the channel holds its money back until others had their part.
    """

    __tablename__ = "payment_attempts"
    __table_args__ = (
        UniqueConstraint("bill_id", "live"),
        UniqueConstraint("channel", "transaction_id"),
        Index(None, "state", "created_at"),
        Index(None, "account", "settled_at"),
        Index(None, "merchant_id", "created_at", "id"),
        CheckConstraint("refunded_fen >= 0 AND refunded_fen <= amount_fen", name="refunded"),
        CheckConstraint(
            "balance_fen >= 0 AND channel_fen >= 0 AND balance_fen + channel_fen = amount_fen",
            name="parts",
        ),
    )

    id: Mapped[Id]
    out_trade_no: Mapped[str] = mapped_column(Code(32), unique=True)
    merchant_id: Mapped[int | None] = mapped_column(ForeignKey("merchants.id"))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    bill_id: Mapped[int] = mapped_column(ForeignKey("bills.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    live: Mapped[bool | None]
    channel: Mapped[Channel] = mapped_column(State(Channel))
    way: Mapped[Way | None] = mapped_column(State(Way))
    account: Mapped[str] = mapped_column(Code(32), default="")
    appid: Mapped[str] = mapped_column(Code(64), default="")
    payer: Mapped[str] = mapped_column(Code(64), default="")
    amount_fen: Mapped[int]
    balance_fen: Mapped[int] = mapped_column(default=0)
    channel_fen: Mapped[int]
    currency: Mapped[str] = mapped_column(Code(3), default="CNY")
    refunded_fen: Mapped[int] = mapped_column(default=0)
    state: Mapped[AttemptState] = mapped_column(State(AttemptState), default=AttemptState.created)
    shared: Mapped[bool] = mapped_column(default=False)
    opening: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    fresh_until: Mapped[datetime | None]
    transaction_id: Mapped[str | None] = mapped_column(Code(64))
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
