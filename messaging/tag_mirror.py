"""A tag here and the tag of that name at WeChat, made the same: what changed on either side counts.

What both wore last time is remembered; whoever is new on one side is added on the other, whoever is
missing on one side is taken off the other.
"""

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from messaging.models import MirroredTag

MOST_TAGS, PER_CALL = 100, 50
_SLICE = 1_000


class Plan(NamedTuple):
    add_there: set[str]
    drop_there: set[str]
    add_here: set[str]
    drop_here: set[str]


def plan(before: set[str], here: set[str], there: set[str]) -> Plan:
    """What to change, given who wore the tag when both sides were last the same."""
    return Plan(
        add_there=here - before - there,
        drop_there=(before - here) & there,
        add_here=there - before - here,
        drop_here=(before - there) & here,
    )


def remembered(session: Session, appid: str, tag_id: int) -> set[str]:
    found = select(MirroredTag.openid).where(
        MirroredTag.appid == appid, MirroredTag.tag_id == tag_id
    )
    return set(session.scalars(found))


def remember(session: Session, appid: str, tag_id: int, worn: set[str]) -> None:
    """Both sides wear this now."""
    before = remembered(session, appid, tag_id)
    for part in slices(before - worn):
        gone = delete(MirroredTag).where(
            MirroredTag.appid == appid,
            MirroredTag.tag_id == tag_id,
            MirroredTag.openid.in_(part),
        )
        claim(session, gone)
    for part in slices(worn - before):
        rows = [{"appid": appid, "tag_id": tag_id, "openid": openid} for openid in part]
        insert_ignore(session, MirroredTag, rows)


def slices(openids: Iterable[str], size: int = _SLICE) -> list[list[str]]:
    given = sorted(openids)
    return [given[start : start + size] for start in range(0, len(given), size)]
