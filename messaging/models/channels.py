"""What may be sent to whom: windows, grants, what people refused, a merchant's policy."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, Integer, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class WindowKind(StrEnum):
    """What the person did that lets us write to them for a while."""

    user_message = "user_message"
    menu = "menu"
    follow = "follow"
    scan = "scan"


class Channel(StrEnum):
    customer_service = "customer_service"
    template = "template"
    subscribe = "subscribe"
    broadcast = "broadcast"  # one message to many, see messaging.broadcasts


class MessageWindow(Base):
    """One row per person and kind, renewed each time."""

    __tablename__ = "message_windows"
    __table_args__ = (UniqueConstraint("appid", "openid", "kind"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    kind: Mapped[WindowKind] = mapped_column(State(WindowKind))
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    remaining: Mapped[int | None] = mapped_column(Integer)


class SubscribeGrant(Base):
    """How many subscribe messages of a template a person has allowed and we have not sent."""

    __tablename__ = "subscribe_grants"
    __table_args__ = (UniqueConstraint("appid", "openid", "template_id"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    template_id: Mapped[str] = mapped_column(Code(64))
    remaining: Mapped[int] = mapped_column(Integer, default=0)
    updated_at: Mapped[datetime]


class Suppression(Base):
    """An address that WeChat said is not to be written to, or not there; see `suppression`."""

    __tablename__ = "suppressions"
    __table_args__ = (UniqueConstraint("appid", "openid"), Index(None, "at"))

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    reason: Mapped[str] = mapped_column(Code(16))
    errcode: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime]
    until: Mapped[datetime]


class SubscribeAnswer(Base):
    """How somebody answered when asked for a template; `refused_at`: the last answer was no."""

    __tablename__ = "subscribe_answers"
    __table_args__ = (UniqueConstraint("appid", "openid", "template_id"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    template_id: Mapped[str] = mapped_column(Code(64))
    accepts: Mapped[int] = mapped_column(Integer)
    rejects: Mapped[int] = mapped_column(Integer)
    asked_at: Mapped[datetime]
    refused_at: Mapped[datetime | None]


class ChannelPolicy(Base):
    """Which ways a merchant's campaigns may take; see `messaging.policies.Policy`."""

    __tablename__ = "channel_policies"

    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"), primary_key=True)
    customer_service: Mapped[bool]
    subscribe: Mapped[bool]
    broadcast: Mapped[bool]
    keep_broadcasts: Mapped[int] = mapped_column(Integer)
