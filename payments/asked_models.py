"""Refunds that one asks for and another agrees to, and a merchant's rule for the chat."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State
from orders.paying import CouponBack


class AskedState(StrEnum):
    pending = "pending"
    agreed = "agreed"
    refused = "refused"


NEXT_ASKED: dict[AskedState, frozenset[AskedState]] = {
    AskedState.pending: frozenset({AskedState.agreed, AskedState.refused}),
    AskedState.agreed: frozenset(),
    AskedState.refused: frozenset(),
}


class AskedRefund(Base):
    """`open` is true or NULL: an order has one open question. `wanted` is what is to go back
    (`payments.refunding.Wanted`), `via` says where it was decided."""

    __tablename__ = "asked_refunds"
    __table_args__ = (
        UniqueConstraint("order_id", "open"),
        UniqueConstraint("merchant_id", "code"),
        Index(None, "store_id", "state", "id"),
        Index(None, "decided_by", "decided_at"),
        Index(None, "asked_by"),
    )

    id: Mapped[Id]
    code: Mapped[str] = mapped_column(Code(16))
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    amount_fen: Mapped[int]
    wanted: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(String(120))
    state: Mapped[AskedState] = mapped_column(State(AskedState))
    open: Mapped[bool | None]
    asked_by: Mapped[str] = mapped_column(Code(64))
    asked_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(Code(64))
    decided_at: Mapped[datetime | None]
    via: Mapped[str] = mapped_column(Code(16), default="")
    refund_id: Mapped[int | None] = mapped_column(ForeignKey("refunds.id"))


class RefundRules(Base):
    """A merchant's own answers to `payments.refunding.rules.Rules`, which says what each means."""

    __tablename__ = "refund_rules"

    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"), primary_key=True)
    clerk_fen: Mapped[int]
    clerk_minutes: Mapped[int]
    manager_fen: Mapped[int]
    chat_day_fen: Mapped[int]
    coupon_back: Mapped[CouponBack] = mapped_column(State(CouponBack))
