"""What a chat is in the middle of: one question at a time, forgotten after five minutes."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import rows
from core.database import Base, Code, Id, claim
from core.numbers import new_token

LASTS = timedelta(minutes=5)


class Dialogue(Base):
    """`token` names this very dialogue: what it ends in is done once under it."""

    __tablename__ = "chat_dialogues"

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64), unique=True)
    kind: Mapped[str] = mapped_column(Code(32))
    token: Mapped[str] = mapped_column(Code(64))
    data: Mapped[dict[str, Any]]
    expires_at: Mapped[datetime]


def ask(
    session: Session, appid: str, openid: str, kind: str, data: dict[str, Any], *, now: datetime
) -> None:
    """Begin a dialogue, or go on in another: the one before is over."""
    end(session, appid, openid)
    row = {"appid": appid, "openid": openid, "kind": kind, "data": data}
    rows.add(session, Dialogue, row | {"token": new_token(), "expires_at": now + LASTS})


def find(session: Session, appid: str, openid: str, *, now: datetime) -> Dialogue | None:
    """The question that is open; None when it was asked too long ago."""
    found = select(Dialogue).where(
        Dialogue.appid == appid, Dialogue.openid == openid, Dialogue.expires_at > now
    )
    return session.scalar(found.execution_options(populate_existing=True))


def end(session: Session, appid: str, openid: str) -> bool:
    mine = delete(Dialogue).where(Dialogue.appid == appid, Dialogue.openid == openid)
    return claim(session, mine) == 1
