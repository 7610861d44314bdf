"""A tag here and the tag of that name at WeChat, made the same: what changed on either side counts.

What both wore last time is remembered, slice by slice: a run that is cut off is gone on with.
Whoever is new on one side is added on the other, whoever is missing on one side is taken off the
other.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from messaging.models import MirroredTag

MOST_TAGS, PER_CALL = 100, 50
SLICE = 1_000


class Plan(NamedTuple):
    add_there: set[str]
    drop_there: set[str]
    add_here: set[str]
    drop_here: set[str]
    alike: set[str]
    gone: set[str]


def plan(before: set[str], here: set[str], there: set[str]) -> Plan:
    """What to change, given who wore the tag when both sides were last the same.

    Whoever is left is the same on both sides already, and only remembered or forgotten.
    """
    return Plan(
        add_there=here - before - there,
        drop_there=(before - here) & there,
        add_here=there - before - here,
        drop_here=(before - there) & here,
        alike=(here & there) - before,
        gone=before - here - there,
    )


def remembered(session: Session, appid: str, tag_id: int) -> set[str]:
    found = select(MirroredTag.openid).where(
        MirroredTag.appid == appid, MirroredTag.tag_id == tag_id
    )
    return set(session.scalars(found))


def remember(session: Session, appid: str, tag_id: int, openids: Sequence[str]) -> None:
    """Both sides wear it now: a slice."""
    rows = [{"appid": appid, "tag_id": tag_id, "openid": openid} for openid in openids]
    insert_ignore(session, MirroredTag, rows)


def forget(session: Session, appid: str, tag_id: int, openids: Sequence[str]) -> None:
    """Neither side wears it any more: a slice."""
    gone = delete(MirroredTag).where(
        MirroredTag.appid == appid,
        MirroredTag.tag_id == tag_id,
        MirroredTag.openid.in_(openids),
    )
    claim(session, gone)


def slices(openids: Iterable[str], size: int = SLICE) -> list[list[str]]:
    given = sorted(openids)
    return [given[start : start + size] for start in range(0, len(given), size)]
