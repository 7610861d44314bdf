"""Tables of profit sharing, and the maps of their moves."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State
from gateways.pay.sharing import PartyKind


class ReceiverPurpose(StrEnum):
    """`commission`: the platform, by the merchant's terms; `share`: another, by `share_bp`."""

    commission = "commission"
    share = "share"


class ReceiverState(StrEnum):
    wanted = "wanted"
    active = "active"
    refused = "refused"
    ending = "ending"
    ended = "ended"


NEXT_RECEIVER = {
    ReceiverState.wanted: {ReceiverState.active, ReceiverState.refused, ReceiverState.ending},
    ReceiverState.active: {ReceiverState.ending},
    ReceiverState.ending: {ReceiverState.ended},
    ReceiverState.refused: {ReceiverState.wanted},
    ReceiverState.ended: {ReceiverState.wanted},
}


class SharingState(StrEnum):
    """`due`: paid, nothing asked; `asked`: amounts and number are fixed; `shared`: everybody was
    decided upon; `releasing`: the rest is on its way to the seller; `released`: nothing is held
    back any more; `failed`: the channel said no, and somebody has to look."""

    due = "due"
    asked = "asked"
    shared = "shared"
    releasing = "releasing"
    released = "released"
    failed = "failed"


NEXT_SHARING = {
    SharingState.due: {SharingState.asked, SharingState.releasing, SharingState.released},
    SharingState.asked: {SharingState.shared, SharingState.due, SharingState.failed},
    SharingState.shared: {SharingState.due, SharingState.asked, SharingState.releasing},
    SharingState.releasing: {SharingState.released, SharingState.failed},
    SharingState.failed: {SharingState.due, SharingState.releasing},
    SharingState.released: set(),
}


class PartState(StrEnum):
    asked = "asked"
    succeeded = "succeeded"
    failed = "failed"


NEXT_PART = {
    PartState.asked: {PartState.succeeded, PartState.failed},
    PartState.succeeded: set(),
    PartState.failed: set(),
}


class ReturnState(StrEnum):
    """`closed`: it failed and was settled otherwise, or given up, as somebody noted."""

    asked = "asked"
    succeeded = "succeeded"
    failed = "failed"
    closed = "closed"


NEXT_RETURN = {
    ReturnState.asked: {ReturnState.succeeded, ReturnState.failed},
    ReturnState.succeeded: set(),
    # Somebody asks once more, under a number of its own.
    ReturnState.failed: {ReturnState.asked, ReturnState.closed},
    ReturnState.closed: set(),
}


class SharingReceiver(Base):
    """Who gets a part of a merchant's payments. `error`: the channel's word why it is not there."""

    __tablename__ = "sharing_receivers"
    __table_args__ = (
        UniqueConstraint("merchant_id", "account"),
        CheckConstraint("share_bp >= 0 AND share_bp <= 3000", name="share"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    purpose: Mapped[ReceiverPurpose] = mapped_column(State(ReceiverPurpose))
    kind: Mapped[PartyKind] = mapped_column(State(PartyKind))
    account: Mapped[str] = mapped_column(Code(64))
    appid: Mapped[str] = mapped_column(Code(64))
    name: Mapped[str] = mapped_column(String(64))
    relation: Mapped[str] = mapped_column(Code(32))
    share_bp: Mapped[int] = mapped_column(default=0)
    state: Mapped[ReceiverState] = mapped_column(State(ReceiverState))
    error: Mapped[str] = mapped_column(Code(64), default="")
    created_at: Mapped[datetime]


class Sharing(Base):
    """What is shared of one payment, which the channel holds back until it is released.

    `no` is the number it is asked under now, `round` how often that was changed.
    """

    __tablename__ = "sharings"
    __table_args__ = (
        Index(None, "merchant_id", "state", "id"),
        Index(None, "order_id"),
    )

    id: Mapped[Id]
    attempt_id: Mapped[int] = mapped_column(ForeignKey("payment_attempts.id"), unique=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    no: Mapped[str | None] = mapped_column(Code(32), unique=True)
    round: Mapped[int] = mapped_column(default=0)
    release_no: Mapped[str | None] = mapped_column(Code(32), unique=True)
    state: Mapped[SharingState] = mapped_column(State(SharingState), default=SharingState.due)
    error: Mapped[str] = mapped_column(Code(64), default="")
    paid_at: Mapped[datetime]
    asked_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]


class SharingPart(Base):
    """One receiver's part under one number; each has an end of its own."""

    __tablename__ = "sharing_parts"
    __table_args__ = (
        UniqueConstraint("no", "receiver_id"),
        Index(None, "sharing_id"),
        CheckConstraint("amount_fen > 0", name="amount"),
        CheckConstraint("returned_fen >= 0 AND returned_fen <= amount_fen", name="returned"),
    )

    id: Mapped[Id]
    sharing_id: Mapped[int] = mapped_column(ForeignKey("sharings.id"))
    receiver_id: Mapped[int] = mapped_column(ForeignKey("sharing_receivers.id"))
    no: Mapped[str] = mapped_column(Code(32))
    amount_fen: Mapped[int]
    returned_fen: Mapped[int] = mapped_column(default=0)
    state: Mapped[PartState] = mapped_column(State(PartState), default=PartState.asked)
    error: Mapped[str] = mapped_column(Code(64), default="")


class SharingReturn(Base):
    """What a receiver gives back because the payer gets a refund."""

    __tablename__ = "sharing_returns"
    __table_args__ = (
        UniqueConstraint("refund_id", "part_id"),
        Index(None, "state", "id"),
        CheckConstraint("amount_fen > 0", name="amount"),
    )

    id: Mapped[Id]
    no: Mapped[str] = mapped_column(Code(32), unique=True)
    part_id: Mapped[int] = mapped_column(ForeignKey("sharing_parts.id"), index=True)
    refund_id: Mapped[int] = mapped_column(ForeignKey("refunds.id"))
    amount_fen: Mapped[int]
    state: Mapped[ReturnState] = mapped_column(State(ReturnState), default=ReturnState.asked)
    error: Mapped[str] = mapped_column(Code(64), default="")
    asked_at: Mapped[datetime]
    settled_at: Mapped[datetime | None]
