"""Addresses that are left alone for a while, because WeChat said so when we last wrote.

A refusal that is about the receiver, not about the moment or about us, would be the same tomorrow,
and asking again and again costs the account its good name. Following again, or allowing a message
again, lifts it at once; otherwise time does.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from gateways.wechat.troubles import Trouble, trouble_of
from messaging.models import Suppression

LASTS = {
    Trouble.blocked: timedelta(days=90),
    Trouble.refused: timedelta(days=90),
    Trouble.unfollowed: timedelta(days=30),
    Trouble.unknown_user: timedelta(days=180),
}


def note(session: Session, refusals: Iterable[tuple[str, str, int]], *, now: datetime) -> int:
    """Of (appid, openid, errcode) suppress those that are about the receiver; how many."""
    rows = [
        {
            "appid": appid,
            "openid": openid,
            "reason": trouble.value,
            "errcode": errcode,
            "at": now,
            "until": now + LASTS[trouble],
        }
        for appid, openid, errcode in sorted(refusals)
        for trouble in [trouble_of(errcode)]
        if trouble in LASTS
    ]
    for row in rows:
        whose = (Suppression.appid == row["appid"], Suppression.openid == row["openid"])
        if not claim(session, update(Suppression).where(*whose).values(**row)):
            insert_ignore(session, Suppression, [row])
    return len(rows)


def lift(session: Session, appid: str, openid: str) -> None:
    """The person has shown that they want to hear from us."""
    whose = (Suppression.appid == appid, Suppression.openid == openid)
    claim(session, delete(Suppression).where(*whose))


def list_suppressed(
    session: Session, appids: Iterable[str], openids: Sequence[str], now: datetime
) -> set[tuple[str, str]]:
    found = select(Suppression.appid, Suppression.openid).where(
        Suppression.appid.in_(list(appids)),
        Suppression.openid.in_(openids),
        Suppression.until > now,
    )
    return {(appid, openid) for appid, openid in session.execute(found)}


def is_suppressed(appid: Any, openid: Any, now: datetime) -> ColumnElement[bool]:
    """The condition that an address is left alone, for columns of another table."""
    return exists().where(
        Suppression.appid == appid, Suppression.openid == openid, Suppression.until > now
    )
