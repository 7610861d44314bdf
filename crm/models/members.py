"""A member is one person at one merchant: consent, tags, timeline, totals, purchases."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto import Sealed
from core.database import Base, Code, Id

BASE_TIER = "green_leaf"
"""The code of every merchant's lowest tier, whatever it is called there."""


class Member(Base):
    """`points`, `points_pending`, `balance_fen` (what can be spent) and `balance_bonus_fen` (what
    of that was given, not paid) are snapshots of their ledgers; totals are sums of purchases.

    `tier` is the code of a row of the merchant's tiers. `tier_until`: it is looked at again then.
    `gender` is "", female or male.

    A member absorbed in a merge keeps its row with `merged_into_id` set and nothing else left.
    `ix_members_segment` holds every column that a segment's rule reads, in the order of the ids:
    the server goes through a merchant's members without touching the table, and meets their
    purchases in the order in which those are kept.
    """

    __tablename__ = "members"
    __table_args__ = (
        UniqueConstraint("no"),
        UniqueConstraint("merchant_id", "person_id"),
        Index("ix_members_joined", "merchant_id", "joined_at"),
        Index("ix_members_last_visit", "merchant_id", "last_visit_at"),
        Index("ix_members_spent", "merchant_id", "spent_fen"),
        Index("ix_members_source_scene", "merchant_id", "source_scene"),
        Index("ix_members_orders", "merchant_id", "orders_count"),
        Index("ix_members_tier", "merchant_id", "tier", "tier_until"),
        Index(
            "ix_members_segment",
            "merchant_id",
            "id",
            "merged_into_id",
            "orders_count",
            "spent_fen",
            "refunded_fen",
            "last_paid_at",
            "last_visit_at",
            "joined_at",
            "source_store_id",
        ),
    )

    id: Mapped[Id]
    no: Mapped[str] = mapped_column(Code(16))
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"), index=True)
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"), index=True)
    name: Mapped[str] = mapped_column(String(64), default="")
    birthday: Mapped[date | None]
    birthday_changed_at: Mapped[datetime | None]
    note: Mapped[str] = mapped_column(default="")
    gender: Mapped[str] = mapped_column(Code(8), default="")
    address: Mapped[str | None] = mapped_column(Sealed())
    source_store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"), index=True)
    source_scene: Mapped[str] = mapped_column(Code(64), default="")
    joined_at: Mapped[datetime]
    marketing_consent: Mapped[bool] = mapped_column(default=True)
    personal_recommendation: Mapped[bool] = mapped_column(default=True)
    consent_changed_at: Mapped[datetime | None]

    orders_count: Mapped[int] = mapped_column(default=0)
    spent_fen: Mapped[int] = mapped_column(default=0)
    refunded_fen: Mapped[int] = mapped_column(default=0)
    first_paid_at: Mapped[datetime | None]
    last_paid_at: Mapped[datetime | None]
    last_visit_at: Mapped[datetime | None]
    tier: Mapped[str] = mapped_column(Code(24), default=BASE_TIER)
    tier_since: Mapped[datetime | None]
    tier_until: Mapped[datetime | None]
    points: Mapped[int] = mapped_column(default=0)
    points_pending: Mapped[int] = mapped_column(default=0)
    balance_fen: Mapped[int] = mapped_column(default=0)
    balance_bonus_fen: Mapped[int] = mapped_column(default=0)


class Tag(Base):
    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("merchant_id", "name"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(Code(32))
    mirrored: Mapped[bool] = mapped_column(default=False)  # kept the same at WeChat
    created_at: Mapped[datetime]


class MemberTag(Base):
    __tablename__ = "member_tags"
    __table_args__ = (Index("ix_member_tags_tag", "tag_id", "member_id"),)

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id"), primary_key=True)
    tagged_at: Mapped[datetime]
    tagged_by: Mapped[str] = mapped_column(Code(64))


class MemberEvent(Base):
    """`client_id` is what a phone calls an event of its own, so that a batch may be sent again."""

    __tablename__ = "member_events"
    __table_args__ = (
        UniqueConstraint("member_id", "client_id"),
        Index("ix_member_events_timeline", "member_id", "at", "id"),
        Index("ix_member_events_kind", "kind", "at", "member_id"),
    )

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    kind: Mapped[str] = mapped_column(Code(32))
    at: Mapped[datetime]
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    client_id: Mapped[str | None] = mapped_column(Code(32))
    data: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Purchase(Base):
    """One paid order. `counted` turns false when all of it was given back.

    The index holds every column that a question about spending reads, so a segment never touches
    the table itself.
    """

    __tablename__ = "purchases"
    __table_args__ = (
        UniqueConstraint("order_id"),
        Index(
            "ix_purchases_spending",
            "member_id",
            "paid_at",
            "amount_fen",
            "refunded_fen",
            "counted",
        ),
    )

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"), index=True)
    paid_at: Mapped[datetime]
    amount_fen: Mapped[int]
    refunded_fen: Mapped[int] = mapped_column(default=0)
    counted: Mapped[bool] = mapped_column(default=True)
