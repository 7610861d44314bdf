"""The chat log: what a person and the account said to each other."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.models import ChatMessage, Direction


def log_inbound(
    session: Session, *, appid: str, openid: str, kind: str, text: str, at: datetime
) -> None:
    _log(session, Direction.inbound, appid, openid, kind, text, at, None)


def log_outbound(
    session: Session,
    *,
    appid: str,
    openid: str,
    kind: str,
    text: str,
    at: datetime,
    reply_key: str | None = None,
) -> None:
    _log(session, Direction.outbound, appid, openid, kind, text, at, reply_key)


def find_reply(session: Session, reply_key: str) -> str | None:
    """What was answered to a message, so that a repetition of it hears the same."""
    found = select(ChatMessage.text).where(ChatMessage.reply_key == reply_key)
    return session.scalar(found)


def _log(
    session: Session,
    direction: Direction,
    appid: str,
    openid: str,
    kind: str,
    text: str,
    at: datetime,
    reply_key: str | None,
) -> None:
    session.add(
        ChatMessage(
            appid=appid,
            openid=openid,
            direction=direction,
            kind=kind[:32],
            text=text,
            reply_key=reply_key,
            at=at,
        )
    )
