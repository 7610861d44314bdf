"""A segment is a saved rule; who is in it is kept up to date by a job, with comings and goings."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id


class Segment(Base):
    """`preset` names one that every merchant is given; `about` is what it is for.

    With `tag_id` its members have that tag for as long as they are in. `members_count` is how many
    were in at `refreshed_at`; before the first refresh nobody has counted.
    """

    __tablename__ = "segments"
    __table_args__ = (
        UniqueConstraint("merchant_id", "name"),
        UniqueConstraint("merchant_id", "preset"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(String(64))
    rule: Mapped[dict[str, Any]]
    preset: Mapped[str | None] = mapped_column(Code(32))
    about: Mapped[str] = mapped_column(default="")
    tag_id: Mapped[int | None] = mapped_column(ForeignKey("tags.id"), index=True)
    members_count: Mapped[int | None]
    refreshed_at: Mapped[datetime | None]
    created_by: Mapped[str] = mapped_column(Code(64))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class SegmentMember(Base):
    """The last stay of a member in a segment; while `left_at` is empty they are in.

    Whom the first look at a rule finds did not come: they were in already.
    """

    __tablename__ = "segment_members"
    __table_args__ = (
        Index("ix_segment_members_came", "segment_id", "entered_at", "member_id"),
        Index("ix_segment_members_went", "segment_id", "left_at", "member_id"),
    )

    segment_id: Mapped[int] = mapped_column(ForeignKey("segments.id"), primary_key=True)
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), primary_key=True, index=True)
    entered_at: Mapped[datetime]
    left_at: Mapped[datetime | None]
    came: Mapped[bool] = mapped_column(default=True)


class SegmentDay(Base):
    """How many came into a segment and went out of it on a day, and how many it had at its end."""

    __tablename__ = "segment_days"

    segment_id: Mapped[int] = mapped_column(ForeignKey("segments.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    came: Mapped[int] = mapped_column(default=0)
    went: Mapped[int] = mapped_column(default=0)
    members: Mapped[int] = mapped_column(default=0)
