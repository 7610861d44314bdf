"""Open customer-service windows: what a person did that lets us write, how often, until when."""

from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import ColumnElement, Update, bindparam, select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from messaging.models import MessageWindow, WindowKind

# WeChat's quotas: length of the window and messages in it. A payment opens one only when it is made
# under the service account's own appid; ours are made under the mini-program's.
QUOTAS: dict[WindowKind, tuple[timedelta, int]] = {
    WindowKind.user_message: (timedelta(hours=48), 5),
    WindowKind.menu: (timedelta(minutes=1), 3),
    WindowKind.follow: (timedelta(minutes=1), 3),
    WindowKind.scan: (timedelta(minutes=1), 3),
}
MARGIN = timedelta(seconds=2)
"""A message must arrive before the window closes."""


def open_window(
    session: Session, *, appid: str, openid: str, kind: WindowKind | str, at: datetime
) -> None:
    """The person did something at `at` (WeChat's time): the window of that kind is new again."""
    length, quota = QUOTAS[WindowKind(kind)]
    values = {"opened_at": at, "expires_at": at + length, "remaining": quota}
    whose = {"of_appid": appid, "of_openid": openid, "of_kind": WindowKind(kind), "until": at}
    if rows.run(session, _renewal(), {**whose, **values}):
        return
    row = {"appid": appid, "openid": openid, "kind": WindowKind(kind), **values}
    rows.add_new(session, MessageWindow, row)


@cache
def _renewal() -> Update:
    """Written for every message, so built once. What a later act opened stays as it is."""
    columns = rows.table_of(MessageWindow).c
    return update(rows.table_of(MessageWindow)).where(
        columns.appid == bindparam("of_appid"),
        columns.openid == bindparam("of_openid"),
        columns.kind == bindparam("of_kind"),
        columns.opened_at <= bindparam("until"),
    )


def spend(session: Session, appid: str, openid: str, now: datetime) -> MessageWindow | None:
    """Take one message out of an open window, or None; the row is read as it was before.

    The one that closes soonest comes first: what is left of it is lost anyway.
    """
    found = (
        select(MessageWindow)
        .where(MessageWindow.appid == appid, MessageWindow.openid == openid, is_open_clause(now))
        .order_by(MessageWindow.expires_at)
    )
    for window in session.scalars(found):
        taking = update(MessageWindow).where(
            MessageWindow.id == window.id, MessageWindow.remaining > 0
        )
        if claim(session, taking.values(remaining=MessageWindow.remaining - 1)):
            return window
    return None


def give_back(session: Session, window_id: int) -> None:
    """A message taken from a window was not sent after all."""
    giving = update(MessageWindow).where(MessageWindow.id == window_id)
    claim(session, giving.values(remaining=MessageWindow.remaining + 1))


def close_windows(session: Session, appid: str, openid: str) -> None:
    """WeChat says that nothing may be sent now: believe it until the person acts again."""
    closing = update(MessageWindow).where(
        MessageWindow.appid == appid, MessageWindow.openid == openid
    )
    claim(session, closing.values(remaining=0))


def is_open_clause(now: datetime) -> ColumnElement[bool]:
    """The condition for a window that a message sent now would still reach."""
    return (MessageWindow.expires_at > now + MARGIN) & (MessageWindow.remaining > 0)
