"""Who follows an account, and what was read from WeChat and mirrored to it."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class Follower(Base):
    """`merchant_id` is empty only on a shared account, until a scene tells whose it is."""

    __tablename__ = "followers"
    __table_args__ = (
        UniqueConstraint("appid", "openid"),
        Index(None, "merchant_id", "subscribed"),
        Index(None, "appid", "subscribed", "seen_run"),
        Index(None, "appid", "detailed_at", "id"),
    )

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    merchant_id: Mapped[int | None] = mapped_column(ForeignKey("merchants.id"))
    identity_id: Mapped[int | None] = mapped_column(ForeignKey("identities.id"), index=True)
    subscribed: Mapped[bool] = mapped_column(default=True)
    subscribed_at: Mapped[datetime]
    unsubscribed_at: Mapped[datetime | None]
    source_scene: Mapped[str] = mapped_column(Code(64), default="")
    source_store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    seen_run: Mapped[int] = mapped_column(Integer, default=0)
    detailed_at: Mapped[datetime | None]


class SyncState(StrEnum):
    running = "running"
    done = "done"


class FollowerSync(Base):
    """How far reading an account's followers has come; `run` numbers the readings.

    `next_openid` is WeChat's cursor: a reading that was cut off goes on from there.
    """

    __tablename__ = "follower_syncs"

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64), unique=True)
    run: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[SyncState] = mapped_column(State(SyncState))
    next_openid: Mapped[str] = mapped_column(Code(64), default="")
    total: Mapped[int] = mapped_column(Integer, default=0)
    seen: Mapped[int] = mapped_column(Integer, default=0)
    fresh: Mapped[int] = mapped_column(Integer, default=0)
    gone: Mapped[int] = mapped_column(Integer, default=0)
    started_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class MirroredTag(Base):
    """Who wore a tag here and at WeChat when both were last made the same."""

    __tablename__ = "mirrored_tags"

    appid: Mapped[str] = mapped_column(Code(64), primary_key=True)
    tag_id: Mapped[int] = mapped_column(Integer, primary_key=True)  # WeChat's
    openid: Mapped[str] = mapped_column(Code(64), primary_key=True)


class AccountTag(Base):
    """WeChat's id of a tag that we made on an account."""

    __tablename__ = "account_tags"
    __table_args__ = (UniqueConstraint("appid", "name"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    name: Mapped[str] = mapped_column(String(32))
    tag_id: Mapped[int] = mapped_column(Integer)
