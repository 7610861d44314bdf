"""What an account has uploaded to WeChat, to be named in answers, broadcasts and chats."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class MaterialState(StrEnum):
    uploading = "uploading"
    ready = "ready"
    failed = "failed"
    dropped = "dropped"


NEXT_MATERIAL: dict[MaterialState, frozenset[MaterialState]] = {
    MaterialState.uploading: frozenset({MaterialState.ready, MaterialState.failed}),
    MaterialState.ready: frozenset({MaterialState.dropped}),
    MaterialState.failed: frozenset({MaterialState.dropped}),
    MaterialState.dropped: frozenset(),
}


class Material(Base):
    """`kind` is WeChat's: image, voice, video or thumb. `ends_at`: a temporary one is gone then."""

    __tablename__ = "materials"
    __table_args__ = (Index(None, "appid", "state", "id"), Index(None, "state", "changed_at"))

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    kind: Mapped[str] = mapped_column(Code(16))
    name: Mapped[str] = mapped_column(String(64))
    mime: Mapped[str] = mapped_column(Code(32))
    size: Mapped[int] = mapped_column(Integer)
    state: Mapped[MaterialState] = mapped_column(State(MaterialState))
    media_id: Mapped[str] = mapped_column(Code(128), default="")
    problem: Mapped[str] = mapped_column(String(200), default="")
    actor: Mapped[str] = mapped_column(Code(64))
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
