"""The four broadcasts that a follower takes in a calendar month, counted before each is asked for.

WeChat's month is China's. The counter only goes back when a whole request was refused.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select, update
from sqlalchemy.orm import Session

from core.clock import local
from core.database import claim, insert_ignore
from core.rows import all_moved
from messaging.broadcasts.models import BroadcastQuota, BroadcastRecipient, MassSend
from messaging.models import Follower

PER_MONTH = 4


def month_of(at: datetime) -> int:
    """202611."""
    here = local(at)
    return here.year * 100 + here.month


def used_by(session: Session, appid: str, openids: Sequence[str], now: datetime) -> dict[str, int]:
    """How many of each are used; nobody who has used none."""
    found = select(BroadcastQuota.openid, BroadcastQuota.used).where(
        BroadcastQuota.appid == appid,
        BroadcastQuota.month == month_of(now),
        BroadcastQuota.openid.in_(openids),
    )
    return dict(session.execute(found).all())


def left_in_month(session: Session, appid: str, followers: int, now: datetime) -> dict[int, int]:
    """How many of the account's `followers` have how many left: {4: 1200, 3: 80, …}."""
    rows = session.execute(
        select(BroadcastQuota.used, func.count())
        .join(
            Follower,
            (Follower.appid == BroadcastQuota.appid) & (Follower.openid == BroadcastQuota.openid),
        )
        .where(
            BroadcastQuota.appid == appid,
            BroadcastQuota.month == month_of(now),
            BroadcastQuota.used > 0,
            Follower.subscribed.is_(True),
        )
        .group_by(BroadcastQuota.used)
    )
    left = {max(PER_MONTH - used, 0): int(people) for used, people in rows}
    return left | {PER_MONTH: followers - sum(left.values())}


def used_up(appid: Any, openid: Any, *, keep: int, now: datetime) -> ColumnElement[bool]:
    """Whether a follower has no broadcast left beyond the `keep` that a merchant saves."""
    return exists().where(
        BroadcastQuota.appid == appid,
        BroadcastQuota.openid == openid,
        BroadcastQuota.month == month_of(now),
        BroadcastQuota.used >= PER_MONTH - keep,
    )


def spend(
    session: Session, appid: str, openids: Sequence[str], *, now: datetime, keep: int = 0
) -> set[str]:
    """Take one broadcast of each who has more than `keep` left; those it was taken of."""
    if not openids:
        return set()
    month = month_of(now)
    _queue_up(session, appid, month)
    fresh = {"appid": appid, "month": month, "used": 0}
    insert_ignore(session, BroadcastQuota, [{**fresh, "openid": each} for each in sorted(openids)])
    found = select(BroadcastQuota.id, BroadcastQuota.openid).where(
        BroadcastQuota.appid == appid,
        BroadcastQuota.month == month,
        BroadcastQuota.openid.in_(openids),
        BroadcastQuota.used < PER_MONTH - keep,
    )
    free = dict(session.execute(found).all())
    taking = update(BroadcastQuota).where(
        BroadcastQuota.id.in_(free), BroadcastQuota.used < PER_MONTH - keep
    )
    taken = claim(session, taking.values(used=BroadcastQuota.used + 1))
    all_moved(BroadcastQuota, taken, len(free))
    return set(free.values())


def _queue_up(session: Session, appid: str, month: int) -> None:
    """One at a time spends of an account: a row of nobody stands for all of them.

    An INSERT that a unique key refuses holds a shared lock, and two of those, each about to write,
    would wait for each other.
    """
    mine = update(BroadcastQuota).where(
        BroadcastQuota.appid == appid, BroadcastQuota.openid == "", BroadcastQuota.month == month
    )
    held = mine.values(used=BroadcastQuota.used)
    if not claim(session, held):
        row = {"appid": appid, "openid": "", "month": month, "used": 0}
        insert_ignore(session, BroadcastQuota, [row])
        claim(session, held)


def return_to(session: Session, appid: str, openids: Sequence[str], *, now: datetime) -> None:
    """These were not addressed after all, this month."""
    giving = update(BroadcastQuota).where(
        BroadcastQuota.appid == appid,
        BroadcastQuota.month == month_of(now),
        BroadcastQuota.openid.in_(openids),
        BroadcastQuota.used > 0,
    )
    claim(session, giving.values(used=BroadcastQuota.used - 1))


def give_back(session: Session, mass: MassSend) -> int:
    """WeChat refused the whole request: everybody it had cost one has it again; how many."""
    addressed = select(BroadcastRecipient.openid).where(
        BroadcastRecipient.mass_send_id == mass.id, BroadcastRecipient.spent.is_(True)
    )
    giving = update(BroadcastQuota).where(
        BroadcastQuota.appid == mass.appid,
        BroadcastQuota.month == mass.month,
        BroadcastQuota.openid.in_(addressed),
        BroadcastQuota.used > 0,
    )
    given = claim(session, giving.values(used=BroadcastQuota.used - 1))
    unspent = update(BroadcastRecipient).where(
        BroadcastRecipient.mass_send_id == mass.id, BroadcastRecipient.spent.is_(True)
    )
    claim(session, unspent.values(spent=False))
    return given
