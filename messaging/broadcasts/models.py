"""Tables of broadcasts."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class Audience(StrEnum):
    """`all` is addressed by WeChat; everybody else by us, name by name. Who wears a WeChat `tag` is
    asked of WeChat first: it would not leave out whoever refuses."""

    followers = "followers"
    segment = "segment"
    campaign = "campaign"
    tag = "tag"
    all = "all"


class BroadcastState(StrEnum):
    draft = "draft"
    previewed = "previewed"
    gathering = "gathering"
    sending = "sending"
    finished = "finished"
    failed = "failed"
    stopped = "stopped"


class MassState(StrEnum):
    prepared = "prepared"
    sending = "sending"
    accepted = "accepted"
    finished = "finished"
    failed = "failed"
    unknown = "unknown"


NEXT: dict[BroadcastState, frozenset[BroadcastState]] = {
    BroadcastState.draft: frozenset({BroadcastState.previewed, BroadcastState.stopped}),
    BroadcastState.previewed: frozenset(
        {
            BroadcastState.draft,  # the words were changed: look at it again first
            BroadcastState.gathering,
            BroadcastState.stopped,
        }
    ),
    BroadcastState.gathering: frozenset(
        {BroadcastState.sending, BroadcastState.failed, BroadcastState.stopped}
    ),
    BroadcastState.sending: frozenset({BroadcastState.finished, BroadcastState.failed}),
    BroadcastState.finished: frozenset(),
    BroadcastState.failed: frozenset(),
    BroadcastState.stopped: frozenset(),
}

UNSENT = frozenset(
    {
        BroadcastState.draft,
        BroadcastState.previewed,
        BroadcastState.gathering,
        BroadcastState.sending,
    }
)

NEXT_MASS: dict[MassState, frozenset[MassState]] = {
    MassState.prepared: frozenset({MassState.sending, MassState.failed}),
    MassState.sending: frozenset(
        {
            MassState.prepared,  # WeChat was busy: nothing was sent, try again later
            MassState.accepted,
            MassState.failed,
            MassState.unknown,
        }
    ),
    # WeChat recognises the client id for a day; after that nobody will ever know.
    MassState.unknown: frozenset({MassState.sending}),
    MassState.accepted: frozenset({MassState.finished, MassState.failed}),
    MassState.finished: frozenset(),
    MassState.failed: frozenset(),
}


class Broadcast(Base):
    """`content`: `{"text", "page"}`, `{"title", "digest", "body", "url", "cover"}` of an article,
    or `{"media", "name"}` of a picture or voice, with `{"title", "digest"}` of a film. `media_id`:
    what WeChat keeps an article or film by."""

    __tablename__ = "broadcasts"
    __table_args__ = (
        Index("ix_broadcasts_list", "merchant_id", "id"),
        Index("ix_broadcasts_work", "state", "id"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    appid: Mapped[str] = mapped_column(Code(64))
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(Code(16))  # text | article | image | voice | video
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    media_id: Mapped[str] = mapped_column(Code(128), default="")
    audience: Mapped[Audience] = mapped_column(State(Audience))
    segment_id: Mapped[int | None] = mapped_column(ForeignKey("segments.id"), index=True)
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaigns.id"), index=True)
    tag_id: Mapped[int | None] = mapped_column(Integer)
    state: Mapped[BroadcastState] = mapped_column(State(BroadcastState))
    reason: Mapped[str] = mapped_column(Code(32), default="")
    created_by: Mapped[str] = mapped_column(Code(64))
    created_at: Mapped[datetime]
    previewed_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    taken_back_at: Mapped[datetime | None]


class BroadcastRecipient(Base):
    """Somebody a broadcast is meant for. Without `mass_send_id` nothing was asked for them."""

    __tablename__ = "broadcast_recipients"
    __table_args__ = (
        UniqueConstraint("broadcast_id", "openid"),
        Index(None, "mass_send_id"),
        Index(None, "broadcast_id", "id"),  # walked in slices
    )

    id: Mapped[Id]
    broadcast_id: Mapped[int] = mapped_column(ForeignKey("broadcasts.id"))
    openid: Mapped[str] = mapped_column(Code(64))
    mass_send_id: Mapped[int | None] = mapped_column(ForeignKey("mass_sends.id"))
    spent: Mapped[bool] = mapped_column(default=False)
    skip_reason: Mapped[str | None] = mapped_column(Code(32))


class MassSend(Base):
    """One request to WeChat. The counts are WeChat's own; empty until it tells.

    `kept_errcode`: what WeChat said when it would not take the article back.
    """

    __tablename__ = "mass_sends"
    __table_args__ = (
        UniqueConstraint("broadcast_id", "number"),
        Index(None, "appid", "msg_id"),
        Index(None, "state", "changed_at"),
    )

    id: Mapped[Id]
    broadcast_id: Mapped[int] = mapped_column(ForeignKey("broadcasts.id"))
    number: Mapped[int] = mapped_column(Integer)
    appid: Mapped[str] = mapped_column(Code(64))
    month: Mapped[int] = mapped_column(Integer)
    state: Mapped[MassState] = mapped_column(State(MassState))
    addressed: Mapped[int] = mapped_column(Integer)
    msg_id: Mapped[str] = mapped_column(Code(32), default="")
    errcode: Mapped[int | None] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(64), default="")
    total_count: Mapped[int | None] = mapped_column(Integer)
    sent_count: Mapped[int | None] = mapped_column(Integer)
    error_count: Mapped[int | None] = mapped_column(Integer)
    first_sent_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]
    taken_back_at: Mapped[datetime | None]
    kept_errcode: Mapped[int | None] = mapped_column(Integer)

    @property
    def client_id(self) -> str:
        """What WeChat knows this request by; the same for as long as the row lives."""
        return f"linli-mass-{self.id}"


class MassReport(Base):
    """What WeChat told of a request; it may come before the answer to it is written down."""

    __tablename__ = "mass_reports"
    __table_args__ = (UniqueConstraint("appid", "msg_id"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    msg_id: Mapped[str] = mapped_column(Code(32))
    status: Mapped[str] = mapped_column(String(64))
    total_count: Mapped[int] = mapped_column(Integer)
    sent_count: Mapped[int] = mapped_column(Integer)
    error_count: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime]


class BroadcastQuota(Base):
    """How many broadcasts a follower was addressed in a calendar month (`month`: 202611)."""

    __tablename__ = "broadcast_quotas"
    __table_args__ = (UniqueConstraint("appid", "openid", "month"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    month: Mapped[int] = mapped_column(Integer)
    used: Mapped[int] = mapped_column(Integer, default=0)
