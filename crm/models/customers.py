"""What is written down about a customer's wishes and about two members becoming one."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id


class ConsentChange(Base):
    """One switch (`marketing`, `personal_recommendation`) turned, by whom; rows are only added."""

    __tablename__ = "consent_log"
    __table_args__ = (Index("ix_consent_log_member", "member_id", "id"),)

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    what: Mapped[str] = mapped_column(Code(32))
    allowed: Mapped[bool]
    actor: Mapped[str] = mapped_column(Code(64))
    at: Mapped[datetime]


class MemberMerge(Base):
    """Both sides of a merge as they were. `conflicts`: where they differed, and what was kept."""

    __tablename__ = "member_merges"
    __table_args__ = (Index("ix_member_merges_list", "merchant_id", "id"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    winner_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    loser_id: Mapped[int] = mapped_column(ForeignKey("members.id"), unique=True)
    winner: Mapped[dict[str, Any]]
    loser: Mapped[dict[str, Any]]
    conflicts: Mapped[list[Any]]
    at: Mapped[datetime]
