"""Facts that segments ask about: what was bought, who stood where and when, scores, places.

Each row says something about one member and is written by the verb that made it true.
"""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, Double, ForeignKey, Index, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class PurchaseLine(Base):
    """One line of a paid order, with the category its product was in on that day.

    `counted` turns false when all of the order was given back. The two wide indexes answer "who
    bought this lately, and how much of it" without touching the table.
    """

    __tablename__ = "purchase_lines"
    __table_args__ = (
        Index(
            "ix_purchase_lines_product",
            "product_id",
            "counted",
            "paid_at",
            "member_id",
            "quantity",
            "amount_fen",
        ),
        Index(
            "ix_purchase_lines_category",
            "category_id",
            "counted",
            "paid_at",
            "member_id",
            "quantity",
            "amount_fen",
        ),
    )

    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    category_id: Mapped[int] = mapped_column(ForeignKey("categories.id"))
    paid_at: Mapped[datetime]
    quantity: Mapped[int]
    amount_fen: Mapped[int]
    counted: Mapped[bool] = mapped_column(default=True)


class MemberVisit(Base):
    """A member was in a store on a business day, first at `at`; one row a day, whatever they did.

    `weekday` 1 is Monday; `hour` is the store's own.
    """

    __tablename__ = "member_visits"
    __table_args__ = (Index("ix_member_visits_store", "store_id", "at", "member_id"),)

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    weekday: Mapped[int] = mapped_column(SmallInteger)
    hour: Mapped[int] = mapped_column(SmallInteger)


class MemberPlace(Base):
    """Where a member's phone last said it was, to about a kilometre."""

    __tablename__ = "member_places"

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    lat: Mapped[float] = mapped_column(Double)
    lng: Mapped[float] = mapped_column(Double)
    seen_at: Mapped[datetime]


class MemberScore(Base):
    """RFM: each 1 (lowest fifth of the merchant's buyers) to 5. Who never bought has no row."""

    __tablename__ = "member_scores"
    __table_args__ = (
        Index("ix_member_scores_grid", "merchant_id", "recency", "frequency", "monetary"),
        CheckConstraint(
            "recency BETWEEN 1 AND 5 AND frequency BETWEEN 1 AND 5 AND monetary BETWEEN 1 AND 5",
            name="fifths",
        ),
    )

    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    recency: Mapped[int] = mapped_column(SmallInteger)
    frequency: Mapped[int] = mapped_column(SmallInteger)
    monetary: Mapped[int] = mapped_column(SmallInteger)
    scored_at: Mapped[datetime]
