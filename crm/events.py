"""The timeline: what a member did and what happened to them. Rows are only added."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from core import later, rows
from core.database import claim
from crm import listening
from crm.models import MemberEvent

TITLES = {
    "followed": "关注了公众号",
    "unfollowed": "取消关注",
    "scanned": "扫了码",
    "paid": "消费",
    "refunded": "退款",
    "visited": "到店",
    "redeemed": "核销了券",
    "claimed": "领了券",
    "gift_given": "把券转送给朋友",
    "gift_received": "收到朋友转送的券",
    "consent_changed": "改了授权",
    "merged": "并入了另一个账号",
    "tier_moved": "会员等级变了",
    "points_expiring": "积分快到期",
    "points_adjusted": "调整积分",
    "exchanged": "积分兑换",
    "topped_up": "储值",
    "prize_won": "抽中了",
    "friend_brought": "邀请的朋友下单了",
    "balance_low": "余额不多了",
    "membership_bought": "开通付费会员",
    "membership_ended": "付费会员到期",
    "opened": "打开了页面",
    "viewed": "看了商品",
    "shared": "分享给朋友",
    "searched": "搜索",
    "carted": "加了购物车",
    "order_abandoned": "下了单没付款",
    "tagged": "贴了标签",
}

BROWSING = ("opened", "viewed", "searched", "carted", "shared")
"""What a phone reports of itself, as often as it likes. It is kept for ninety days."""
KEEP_BROWSING = timedelta(days=90)

LATEST_AHEAD = timedelta(minutes=5)


class Event(NamedTuple):
    kind: str
    at: datetime
    store_id: int | None = None
    data: dict[str, Any] | None = None


def record(
    session: Session,
    member_id: int,
    kind: str,
    *,
    now: datetime,
    store_id: int | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """One event, now."""
    record_many(session, member_id, [Event(kind, now, store_id, data)], now=now)


def record_many(session: Session, member_id: int, batch: Sequence[Event], *, now: datetime) -> int:
    """A batch in one insert."""
    new = [_row(member_id, event, now) for event in batch]
    later.add_all(session, MemberEvent, new)
    listening.tell(session, member_id, ((row["kind"], row["at"], row["data"]) for row in new))
    return len(new)


def record_of_many(
    session: Session, kind: str, happened: Mapping[int, dict[str, Any]], *, now: datetime
) -> int:
    """The same thing happened to many members now: its data by member id, in one insert."""
    new = [
        _row(member_id, Event(kind, now, data=data), now) for member_id, data in happened.items()
    ]
    later.add_all(session, MemberEvent, new)
    if kind in listening.kinds(session):
        for row in new:
            listening.tell(session, row["member_id"], [(kind, now, row["data"])])
    return len(new)


def timeline(
    session: Session,
    member_id: int,
    *,
    browsing: bool = False,
    before: tuple[datetime, int] | None = None,
    limit: int = 30,
) -> list[MemberEvent]:
    """The newest first; `before` is the (at, id) of the last one seen.

    What they looked at is read by itself, so that it never pushes out what they did.
    """
    kind = MemberEvent.kind
    query = select(MemberEvent).where(
        MemberEvent.member_id == member_id,
        kind.in_(BROWSING) if browsing else kind.not_in(BROWSING),
    )
    if before is not None:
        query = query.where(tuple_(MemberEvent.at, MemberEvent.id) < before)
    return list(
        session.scalars(query.order_by(MemberEvent.at.desc(), MemberEvent.id.desc()).limit(limit))
    )


def record_batch(
    session: Session, member_id: int, batch: Mapping[str, Event], *, now: datetime
) -> int:
    """What a phone reports under names of its own, in one insert; how many were new.

    A batch whose answer was lost is sent again: what is known by its name is passed over.
    """
    new = [
        {**_row(member_id, event, now), "client_id": client_id}
        for client_id, event in batch.items()
    ]
    fresh = rows.add_all_new(session, MemberEvent, new)
    if fresh:
        listening.tell(session, member_id, ((row["kind"], row["at"], row["data"]) for row in new))
    return fresh


def forget_browsing(session: Session, *, now: datetime, limit: int = 1_000) -> int:
    """Forget the next slice of what was looked at long ago; how many. By the index of kind and
    time, so that nothing else of the table is walked."""
    ids: list[int] = []
    for kind in BROWSING:
        old = select(MemberEvent.id).where(
            MemberEvent.kind == kind, MemberEvent.at < now - KEEP_BROWSING
        )
        rest = limit - len(ids)
        ids += session.scalars(old.order_by(MemberEvent.at).limit(rest)) if rest else ()
    return claim(session, delete(MemberEvent).where(MemberEvent.id.in_(ids)))


def _row(member_id: int, event: Event, now: datetime) -> dict[str, Any]:
    """A phone's clock is not ours: what lies ahead is set to `now`."""
    return {
        "member_id": member_id,
        "kind": event.kind,
        "at": event.at if event.at <= now + LATEST_AHEAD else now,
        "store_id": event.store_id,
        "data": event.data or {},
    }
