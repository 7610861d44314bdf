"""Tables of the counter's shifts: who asked for a sum, what was handed over, and what was in it."""

from datetime import datetime

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Id


class CounterSale(Base):
    """Who takes a bill at the counter, the last to try; what is paid there they hand over."""

    __tablename__ = "counter_sales"
    __table_args__ = (Index(None, "staff_id", "at"), Index(None, "store_id", "at"))

    bill_id: Mapped[int] = mapped_column(ForeignKey("bills.id"), primary_key=True)
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime]


class Shift(Base):
    """What somebody took and gave back at a store, handed over. Written once, never changed.

    `seq` counts the person's shifts at the store from one. `ways` holds for each way of payment
    what came in and what went back: `{"wechat": [1250, 0]}`; `hand` stands for no channel.
    """

    __tablename__ = "shifts"
    __table_args__ = (
        UniqueConstraint("staff_id", "store_id", "seq"),
        Index(None, "merchant_id", "ended_at", "id"),
        Index(None, "staff_id", "ended_at", "id"),
        CheckConstraint("amount_fen >= 0 AND refund_fen >= 0", name="sums"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    seq: Mapped[int]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    payments: Mapped[int]
    amount_fen: Mapped[int]
    refunds: Mapped[int]
    refund_fen: Mapped[int]
    ways: Mapped[dict[str, list[int]]] = mapped_column(JSON)


class ShiftLine(Base):
    """A payment or a refund of a shift: each is in one at most."""

    __tablename__ = "shift_lines"
    __table_args__ = (
        Index(None, "shift_id"),
        CheckConstraint("(attempt_id IS NULL) <> (refund_id IS NULL)", name="one"),
    )

    id: Mapped[Id]
    shift_id: Mapped[int] = mapped_column(ForeignKey("shifts.id"))
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("payment_attempts.id"), unique=True)
    refund_id: Mapped[int | None] = mapped_column(ForeignKey("refunds.id"), unique=True)
