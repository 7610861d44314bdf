"""A segment is a saved rule; who is in it is asked anew each time."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id


class Segment(Base):
    __tablename__ = "segments"
    __table_args__ = (UniqueConstraint("merchant_id", "name"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(String(64))
    rule: Mapped[dict[str, Any]]
    created_by: Mapped[str] = mapped_column(Code(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
