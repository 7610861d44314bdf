"""A message on its way out, and the map of its moves."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State
from messaging.models.channels import Channel


class OutboundState(StrEnum):
    prepared = "prepared"
    sending = "sending"
    sent = "sent"
    failed = "failed"
    unknown = "unknown"


NEXT: dict[OutboundState, frozenset[OutboundState]] = {
    OutboundState.prepared: frozenset({OutboundState.sending, OutboundState.failed}),
    OutboundState.sending: frozenset(
        {
            OutboundState.prepared,  # WeChat was busy: nothing was sent, try again later
            OutboundState.sent,
            OutboundState.failed,
            OutboundState.unknown,
        }
    ),
    # Only a template message: WeChat de-duplicates it by client id for ten minutes.
    OutboundState.unknown: frozenset({OutboundState.sending}),
    # WeChat's receipt may say later that it did not arrive.
    OutboundState.sent: frozenset({OutboundState.failed}),
    OutboundState.failed: frozenset(),
}


class OutboundMessage(Base):
    __tablename__ = "outbound_messages"
    __table_args__ = (
        Index(None, "state", "changed_at"),
        Index(None, "appid", "remote_id"),
    )

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(Code(128), unique=True)
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    channel: Mapped[Channel] = mapped_column(State(Channel))
    kind: Mapped[str] = mapped_column(Code(32))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[OutboundState] = mapped_column(State(OutboundState))
    reason: Mapped[str] = mapped_column(String(64), default="")
    errcode: Mapped[int | None] = mapped_column(Integer)
    remote_id: Mapped[str] = mapped_column(Code(64), default="")
    prepared_at: Mapped[datetime]
    first_sent_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]
