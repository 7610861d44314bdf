"""Reading an account's followers from WeChat, page by page: nobody is missed, nobody stays.

The cursor lies in a row and is moved by compare-and-set together with what its page changed, so a
reading that was cut off goes on, and two that run at once do the work of one.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from core.outbox import enqueue
from messaging.models import Follower, FollowerSync, SyncState

CUT_OFF = timedelta(minutes=15)
_SLICE = 1_000
DETAILS = 100


def find(session: Session, appid: str) -> FollowerSync | None:
    return session.scalar(
        select(FollowerSync)
        .where(FollowerSync.appid == appid)
        .execution_options(populate_existing=True)
    )


def start(session: Session, appid: str, now: datetime) -> bool:
    """Begin a reading; False while one goes on. One that stands still is taken up."""
    blank = {"appid": appid, "state": SyncState.done, "started_at": now, "changed_at": now}
    insert_ignore(session, FollowerSync, [blank])
    mine = FollowerSync.appid == appid
    stuck = update(FollowerSync).where(
        mine, FollowerSync.state == SyncState.running, FollowerSync.changed_at < now - CUT_OFF
    )
    begun = update(FollowerSync).where(mine, FollowerSync.state == SyncState.done)
    values = {
        "run": FollowerSync.run + 1,
        "state": SyncState.running,
        "next_openid": "",
        "total": 0,
        "seen": 0,
        "fresh": 0,
        "gone": 0,
        "started_at": now,
        "changed_at": now,
        "finished_at": None,
    }
    if not (claim(session, stuck.values(changed_at=now)) or claim(session, begun.values(**values))):
        return False
    sync = find(session, appid)
    assert sync is not None
    enqueue(session, "messaging.sync_followers", appid=appid, number=sync.run)
    return True


def take_up(session: Session, *, now: datetime) -> int:
    """Readings that stand still go on where they were; how many."""
    stuck = (FollowerSync.state == SyncState.running, FollowerSync.changed_at < now - CUT_OFF)
    taken = 0
    for sync in session.scalars(select(FollowerSync).where(*stuck)).all():
        mine = update(FollowerSync).where(FollowerSync.id == sync.id, *stuck)
        if claim(session, mine.values(changed_at=now)):
            enqueue(session, "messaging.sync_followers", appid=sync.appid, number=sync.run)
            taken += 1
    return taken


def take_page(
    session: Session,
    sync: FollowerSync,
    openids: Sequence[str],
    *,
    after: str,
    total: int,
    merchant_id: int | None,
    now: datetime,
) -> bool:
    """Write down one page and move the cursor; False when somebody did, and nothing changed."""
    mine = update(FollowerSync).where(FollowerSync.id == sync.id)
    moving = mine.where(
        FollowerSync.run == sync.run,
        FollowerSync.state == SyncState.running,
        FollowerSync.next_openid == sync.next_openid,
    )
    seen = FollowerSync.seen + len(openids)
    values = {"next_openid": after, "total": total, "seen": seen, "changed_at": now}
    if not claim(session, moving.values(**values)):
        return False
    fresh = sum(
        _take_slice(session, sync, openids[start : start + _SLICE], merchant_id, now)
        for start in range(0, len(openids), _SLICE)
    )
    claim(session, mine.values(fresh=FollowerSync.fresh + fresh))
    return True


def _take_slice(
    session: Session,
    sync: FollowerSync,
    openids: Sequence[str],
    merchant_id: int | None,
    now: datetime,
) -> int:
    rows = [
        {
            "appid": sync.appid,
            "openid": openid,
            "merchant_id": merchant_id,
            "subscribed": True,
            "subscribed_at": now,
            "seen_run": sync.run,
        }
        for openid in openids
    ]
    fresh = insert_ignore(session, Follower, rows)
    here = (Follower.appid == sync.appid, Follower.openid.in_(openids))
    claim(session, update(Follower).where(*here).values(seen_run=sync.run))
    # Who left after the reading began may still be on its pages: what they told us is newer.
    back = update(Follower).where(
        *here, Follower.subscribed.is_(False), Follower.unsubscribed_at < sync.started_at
    )
    return fresh + claim(session, back.values(subscribed=True, subscribed_at=now))


def is_whole(sync: FollowerSync, total: int | None = None) -> bool:
    """Whether the pages named as many as WeChat says there are, but for the few who come and go
    meanwhile. Who is not named by a reading that is not whole has not left."""
    most = max(sync.total, total or 0)
    return sync.seen > 0 and sync.seen >= most - min(max(2, most // 100), 1_000)


def drop_gone(session: Session, sync: FollowerSync, *, now: datetime) -> int:
    """Up to a slice of those whom no page named have left; how many. Repeat until none."""
    gone = list(
        session.scalars(
            select(Follower.id)
            .where(
                Follower.appid == sync.appid,
                Follower.subscribed.is_(True),
                Follower.seen_run < sync.run,
                Follower.subscribed_at < sync.started_at,
            )
            .order_by(Follower.id)
            .limit(_SLICE)
        )
    )
    if not gone:
        return 0
    leaving = update(Follower).where(Follower.id.in_(gone), Follower.subscribed.is_(True))
    number = claim(session, leaving.values(subscribed=False, unsubscribed_at=now))
    mine = update(FollowerSync).where(FollowerSync.id == sync.id)
    claim(session, mine.values(gone=FollowerSync.gone + number, changed_at=now))
    return number


def finish(session: Session, sync: FollowerSync, *, now: datetime) -> bool:
    ending = update(FollowerSync).where(
        FollowerSync.id == sync.id,
        FollowerSync.run == sync.run,
        FollowerSync.state == SyncState.running,
    )
    values = {"state": SyncState.done, "finished_at": now, "changed_at": now}
    return claim(session, ending.values(**values)) == 1


def list_bare(session: Session, appid: str) -> list[Follower]:
    """Followers of whom WeChat was never asked who they are, a call's worth."""
    return list(
        session.scalars(
            select(Follower)
            .where(
                Follower.appid == appid,
                Follower.detailed_at.is_(None),
                Follower.subscribed.is_(True),
            )
            .order_by(Follower.id)
            .limit(DETAILS)
        )
    )


def count_bare(session: Session, appid: str) -> int:
    found = select(func.count()).where(
        Follower.appid == appid, Follower.detailed_at.is_(None), Follower.subscribed.is_(True)
    )
    return session.scalar(found) or 0


def count_following(session: Session, appid: str) -> int:
    found = select(func.count()).where(Follower.appid == appid, Follower.subscribed.is_(True))
    return session.scalar(found) or 0
