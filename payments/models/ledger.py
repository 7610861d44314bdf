"""Table of the ledger."""

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id


class LedgerEntry(Base):
    """One side of a posting. Positive: the account owes us more or we hold more; negative: less.

    The entries of one cause (`payment:7`, `refund:3`) sum to zero. `day` is the business day whose
    statement they belong to.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        UniqueConstraint("cause", "account"),
        Index(None, "account", "at"),
        Index(None, "order_id"),
        Index(None, "merchant_id", "day"),
    )

    id: Mapped[Id]
    cause: Mapped[str] = mapped_column(Code(64))
    account: Mapped[str] = mapped_column(Code(64))
    amount_fen: Mapped[int]
    currency: Mapped[str] = mapped_column(Code(3), default="CNY")
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    day: Mapped[date]
    at: Mapped[datetime]
