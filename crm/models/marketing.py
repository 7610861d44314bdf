"""What a merchant allows itself in marketing, and every time a member was written to."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id


class MarketingRules(Base):
    """One row per merchant: how often and when members are written to, and what needs two people.

    Nobody gets more than `contacts_most` marketing messages within `contacts_days`; 0: no cap.
    Quiet hours are the store's. A campaign for more than `approval_people`, or that may cost more
    than `approval_fen`, needs somebody else's approval; null: never. The coupons of all campaigns
    that lie unused are worth `liability_fen` at most; of what was ever issued so much as `gone_fen`
    was no longer in anybody's hands when that was counted last.
    """

    __tablename__ = "marketing_rules"

    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"), primary_key=True)
    contacts_most: Mapped[int]
    contacts_days: Mapped[int]
    quiet_from_hour: Mapped[int | None]
    quiet_until_hour: Mapped[int | None]
    approval_people: Mapped[int | None]
    approval_fen: Mapped[int | None]
    liability_fen: Mapped[int | None]
    gone_fen: Mapped[int] = mapped_column(default=0)


class MarketingContact(Base):
    """One member was, or is about to be, written to for one cause. Unique per cause."""

    __tablename__ = "marketing_contacts"
    __table_args__ = (
        UniqueConstraint("member_id", "kind", "ref"),
        Index("ix_marketing_contacts_lately", "member_id", "at"),
        Index("ix_marketing_contacts_at", "at"),
    )

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    kind: Mapped[str] = mapped_column(Code(16))
    ref: Mapped[str] = mapped_column(Code(64))
    at: Mapped[datetime]
