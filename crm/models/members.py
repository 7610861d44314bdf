"""A member is one person at one merchant: consent, tags, timeline, totals, purchases."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class Tier(StrEnum):
    green_leaf = "green_leaf"
    silver_tip = "silver_tip"
    golden_bud = "golden_bud"
    ink_rock = "ink_rock"

    @property
    def label(self) -> str:
        return TIER_LABELS[self]


TIER_LABELS = {
    Tier.green_leaf: "青叶",
    Tier.silver_tip: "银毫",
    Tier.golden_bud: "金芽",
    Tier.ink_rock: "墨岩",
}


class Member(Base):
    """`points` and `points_pending` are snapshots of the ledger; totals are sums of purchases.

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
        Index("ix_members_orders", "merchant_id", "orders_count"),
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
    tier: Mapped[Tier] = mapped_column(State(Tier), default=Tier.green_leaf)
    points: Mapped[int] = mapped_column(default=0)
    points_pending: Mapped[int] = mapped_column(default=0)


class Tag(Base):
    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("merchant_id", "name"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(Code(32))
    created_at: Mapped[datetime]


class MemberTag(Base):
    __tablename__ = "member_tags"
    __table_args__ = (Index("ix_member_tags_tag", "tag_id", "member_id"),)

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tags.id"), primary_key=True)
    tagged_at: Mapped[datetime]
    tagged_by: Mapped[str] = mapped_column(Code(64))


class MemberEvent(Base):
    __tablename__ = "member_events"
    __table_args__ = (
        Index("ix_member_events_timeline", "member_id", "at", "id"),
        Index("ix_member_events_kind", "kind", "at", "member_id"),
    )

    id: Mapped[Id]
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    kind: Mapped[str] = mapped_column(Code(32))
    at: Mapped[datetime]
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
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
