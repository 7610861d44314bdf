"""What a chat is in the middle of: one question at a time, forgotten after five minutes."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from core.numbers import new_token
from messaging.models import Dialogue

LASTS = timedelta(minutes=5)


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
