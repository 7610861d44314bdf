"""Tables of analytics: what was measured, so that a page need not count a million people."""

from datetime import datetime

from sqlalchemy import JSON, Double, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code


class CampaignMeasure(Base):
    """What one part of a campaign's people spent until `until`; `part`: reach, holdout, reach:B.

    `sums` are those of `analytics.sums.Sums`, `daily` fen spent on each day from the launch on.
    """

    __tablename__ = "campaign_measures"

    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), primary_key=True)
    part: Mapped[str] = mapped_column(Code(32), primary_key=True)
    people: Mapped[int]
    buyers: Mapped[int]
    sums: Mapped[list[float]] = mapped_column(JSON)
    daily: Mapped[list[int]] = mapped_column(JSON)
    until: Mapped[datetime]
    measured_at: Mapped[datetime]


class JourneyMeasure(Base):
    """The same of those whom a journey let in (reach) or left alone (holdout), each for a month."""

    __tablename__ = "journey_measures"

    journey_id: Mapped[int] = mapped_column(ForeignKey("journeys.id"), primary_key=True)
    part: Mapped[str] = mapped_column(Code(32), primary_key=True)
    people: Mapped[int]
    buyers: Mapped[int]
    sums: Mapped[list[float]] = mapped_column(JSON)
    measured_at: Mapped[datetime]


class ProfitAssumption(Base):
    """What a merchant says it keeps of a sale before discounts, and what a message costs it."""

    __tablename__ = "profit_assumptions"

    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"), primary_key=True)
    margin_bp: Mapped[int]
    message_fen: Mapped[float] = mapped_column(Double)
    said_by: Mapped[str] = mapped_column(Code(64))
    said_at: Mapped[datetime]
