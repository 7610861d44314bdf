"""Followers: who follows an official account, since when, and from which store's code."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from messaging import suppression
from messaging.models import Follower


def follow(
    session: Session,
    *,
    appid: str,
    openid: str,
    at: datetime,
    merchant_id: int | None = None,
    scene: str = "",
    store_id: int | None = None,
) -> Follower:
    """Somebody follows, for the first time or again; the first store they came from stays.

    `at` is WeChat's time: a late or repeated `subscribe` cannot undo an `unsubscribe` after it.
    """
    row = {
        "appid": appid,
        "openid": openid,
        "merchant_id": merchant_id,
        "subscribed": True,
        "subscribed_at": at,
        "source_scene": scene[:64],
        "source_store_id": store_id,
    }
    suppression.lift(session, appid, openid)
    if not insert_ignore(session, Follower, [row]):
        again = update(Follower).where(
            Follower.appid == appid,
            Follower.openid == openid,
            Follower.subscribed.is_(False),
            Follower.unsubscribed_at <= at,
        )
        claim(session, again.values(subscribed=True, subscribed_at=at))
        _place(session, appid, openid, merchant_id, scene, store_id)
    return get_follower_of(session, appid, openid)


def unfollow(session: Session, *, appid: str, openid: str, at: datetime) -> bool:
    """Somebody left; False when that was known, or they have come back since."""
    leaving = update(Follower).where(
        Follower.appid == appid,
        Follower.openid == openid,
        Follower.subscribed.is_(True),
        Follower.subscribed_at <= at,
    )
    return claim(session, leaving.values(subscribed=False, unsubscribed_at=at)) == 1


def bind(session: Session, follower_id: int, identity_id: int) -> None:
    """The identity behind a follower is known now."""
    claim(
        session,
        update(Follower).where(Follower.id == follower_id).values(identity_id=identity_id),
    )


def mark_detailed(
    session: Session, follower_id: int, *, since: datetime | None, now: datetime
) -> None:
    """WeChat has told who the follower is, and since when they follow."""
    values = {"detailed_at": now} | ({"subscribed_at": since} if since else {})
    claim(session, update(Follower).where(Follower.id == follower_id).values(**values))


def find_follower(session: Session, appid: str, openid: str) -> Follower | None:
    return session.scalar(
        select(Follower)
        .where(Follower.appid == appid, Follower.openid == openid)
        .execution_options(populate_existing=True)
    )


def get_follower_of(session: Session, appid: str, openid: str) -> Follower:
    follower = find_follower(session, appid, openid)
    assert follower is not None
    return follower


def _place(
    session: Session,
    appid: str,
    openid: str,
    merchant_id: int | None,
    scene: str,
    store_id: int | None,
) -> None:
    """What the first event did not tell (shared account, no scene) a later one may fill."""
    mine = (Follower.appid == appid, Follower.openid == openid)
    if merchant_id is not None:
        unowned = update(Follower).where(*mine, Follower.merchant_id.is_(None))
        claim(session, unowned.values(merchant_id=merchant_id))
    if store_id is not None:
        unplaced = update(Follower).where(*mine, Follower.source_store_id.is_(None))
        claim(session, unplaced.values(source_store_id=store_id, source_scene=scene[:64]))
