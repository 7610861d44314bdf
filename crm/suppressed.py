"""Members whom WeChat has told us not to write to: who, why, since when, until when; lifted."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from core import audit
from core.errors import NotFound
from crm.models import Member
from crm.segments.compiling import everyone
from messaging import suppression
from messaging.models import Suppression
from people.models import Identity

Position = tuple[datetime, int]


class NotSuppressed(NotFound):
    title = "这个人已经可以联系了"


class Suppressed(NamedTuple):
    address: Suppression
    member: Member


def list_members(
    session: Session,
    merchant_id: int,
    *,
    now: datetime,
    before: Position | None = None,
    limit: int = 50,
) -> list[Suppressed]:
    """The latest first, after a position of (at, id)."""
    found = _of_merchant(merchant_id, now)
    if before is not None:
        at, id_ = before
        earlier = and_(Suppression.at == at, Suppression.id < id_)
        found = found.where(or_(Suppression.at < at, earlier))
    latest = found.order_by(Suppression.at.desc(), Suppression.id.desc()).limit(limit)
    return [Suppressed(*row) for row in session.execute(latest)]


def of_member(session: Session, member: Member, *, now: datetime) -> list[Suppressed]:
    """A member's addresses that are left alone now."""
    found = _of_merchant(member.merchant_id, now).where(Member.id == member.id)
    return [Suppressed(*row) for row in session.execute(found.order_by(Suppression.id))]


def lift(
    session: Session, merchant_id: int, suppression_id: int, *, actor: str, now: datetime
) -> Member:
    """Before its time, because somebody knows better. Raises NotSuppressed."""
    mine = _of_merchant(merchant_id, now).where(Suppression.id == suppression_id)
    found = session.execute(mine).first()
    if found is None:
        raise NotSuppressed
    address, member = found
    suppression.lift(session, address.appid, address.openid)
    audit.record(
        session,
        actor=actor,
        action="suppression.lifted",
        subject=f"member:{member.id}",
        before={"reason": address.reason, "until": address.until.isoformat()},
        merchant_id=merchant_id,
        now=now,
    )
    return member


def _of_merchant(merchant_id: int, now: datetime) -> Select[Suppression, Member]:
    return (
        select(Suppression, Member)
        .join(
            Identity,
            and_(Identity.appid == Suppression.appid, Identity.openid == Suppression.openid),
        )
        .join(Member, Member.person_id == Identity.person_id)
        .where(everyone(merchant_id), Suppression.until > now)
    )
