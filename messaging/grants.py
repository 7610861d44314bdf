"""Subscribe grants: each `accept` of a person is one message of one template, until it is sent."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from messaging import suppression
from messaging.models import SubscribeGrant


def add(
    session: Session, *, appid: str, openid: str, template_id: str, now: datetime, count: int = 1
) -> None:
    """The person allowed `count` more messages of a template."""
    suppression.lift(session, appid, openid)
    more = _of(appid, openid, template_id).values(
        remaining=SubscribeGrant.remaining + count, updated_at=now
    )
    if claim(session, more):
        return
    row = {
        "appid": appid,
        "openid": openid,
        "template_id": template_id,
        "remaining": count,
        "updated_at": now,
    }
    if not insert_ignore(session, SubscribeGrant, [row]):
        claim(session, more)


def spend(session: Session, *, appid: str, openid: str, template_id: str, now: datetime) -> bool:
    """Take one grant; False when none is left."""
    taking = _of(appid, openid, template_id).where(SubscribeGrant.remaining > 0)
    less = SubscribeGrant.remaining - 1
    return claim(session, taking.values(remaining=less, updated_at=now)) == 1


def give_back(
    session: Session, *, appid: str, openid: str, template_id: str, now: datetime
) -> None:
    """Return a spent grant: nothing was sent. The person has shown nothing, so who is left alone
    stays left alone."""
    more = SubscribeGrant.remaining + 1
    claim(session, _of(appid, openid, template_id).values(remaining=more, updated_at=now))


def withdraw(session: Session, *, appid: str, openid: str, template_id: str, now: datetime) -> None:
    """The person switched the template off, or WeChat says that nothing is granted."""
    claim(session, _of(appid, openid, template_id).values(remaining=0, updated_at=now))


def count(session: Session, *, appid: str, openid: str, template_id: str) -> int:
    found = select(SubscribeGrant.remaining).where(
        SubscribeGrant.appid == appid,
        SubscribeGrant.openid == openid,
        SubscribeGrant.template_id == template_id,
    )
    return session.scalar(found) or 0


def _of(appid: str, openid: str, template_id: str):  # type: ignore[no-untyped-def]
    return update(SubscribeGrant).where(
        SubscribeGrant.appid == appid,
        SubscribeGrant.openid == openid,
        SubscribeGrant.template_id == template_id,
    )
