"""Giving coupons out: one at a time, or ten thousand in one transaction.

The same `key` (or source and member) never issues twice. Issuers of one template queue for its row
from the start: inserting a coupon shares that row through the foreign key, and two who share it
could both never get it for the counter.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.orm import Session

from core.bulk import insert_ignore_alike
from core.database import claim, insert_ignore
from coupons import codes, ledger
from coupons.errors import GoneAlready, NotClaimable, TemplateNotFound
from coupons.models import (
    Coupon,
    CouponState,
    CouponTemplate,
    EntryKind,
    TemplateState,
)

MOST_AT_ONCE = 10_000
NEIGHBOURS = 8
"""Among so many ids one wanted: still read as a range."""
BY_NAME = 1_000
FOREVER = timedelta(days=3650)
OWED = timedelta(days=30)
"""How long what was paid for is good, when the template's own end has passed."""


def issue(
    session: Session,
    template_id: int,
    member_id: int,
    *,
    source: str,
    key: str,
    actor: str = "system",
    owed: bool = False,
    now: datetime,
) -> Coupon | None:
    """One coupon for one member; None when `key` was used before.

    Raises GoneAlready when the template's total is used up, NotClaimable when it is paused or over;
    neither when it is `owed`: what was paid for is given whatever the template says since.
    """
    template = lock_template(session, template_id)
    if not owed:
        check_open(template, now)
    row = row_of(template, source, now) | {"member_id": member_id, "issue_key": key}
    if owed and row["expires_at"] <= now:
        row["expires_at"] = now + OWED
    if not _insert(session, row):
        return None
    coupon = session.scalars(select(Coupon).where(Coupon.issue_key == key)).one()
    ledger.write(session, coupon, EntryKind.issued, cause="", actor=actor, now=now)
    count_issued(session, template, 1, owed=owed)
    return coupon


def issue_many(
    session: Session,
    template: CouponTemplate,
    member_ids: Sequence[int],
    *,
    source: str,
    now: datetime,
) -> dict[int, int]:
    """A coupon for each member, at most one per (source, member) ever; member id → coupon id.

    Members who have theirs from an earlier call are in the answer too. All or nothing: raises
    GoneAlready when the total does not allow all of them.
    """
    if len(member_ids) > MOST_AT_ONCE:
        raise ValueError(f"at most {MOST_AT_ONCE} members a call")
    template = lock_template(session, template.id)
    check_open(template, now)
    issued = _issued(session, template.id, source, member_ids)
    fresh = [member_id for member_id in dict.fromkeys(member_ids) if member_id not in issued]
    common = row_of(template, source, now)
    ours: dict[int, int] = {}
    for _ in range(5):
        if not fresh:
            break
        drawn = [(codes.new_code(), id_, many_key(source, template.id, id_)) for id_ in fresh]
        insert_ignore_alike(session, Coupon, common, ("code", "member_id", "issue_key"), drawn)
        ours |= _issued(session, template.id, source, fresh)
        fresh = [id_ for id_ in fresh if id_ not in ours]  # their number was somebody's: again
    if fresh:
        issued |= _moved_on(session, source, template.id, fresh)
        if not issued.keys() >= set(fresh):
            raise RuntimeError("no free coupon code, or the member does not exist")
    if ours:
        # The template's row is ours, so within these ids all of its coupons are.
        ids = Coupon.id.between(min(ours.values()), max(ours.values()))
        new = and_(ids, Coupon.template_id == template.id)
        ledger.write_many(session, new, EntryKind.issued, now=now)
        count_issued(session, template, len(ours))
    return issued | ours


def many_key(source: str, template_id: int, member_id: int) -> str:
    return f"{source}:{template_id}:{member_id}"


def get_template(session: Session, template_id: int) -> CouponTemplate:
    template = session.get(CouponTemplate, template_id)
    if template is None:
        raise TemplateNotFound
    return template


def lock_template(session: Session, template_id: int) -> CouponTemplate:
    """The template as it is now, ours until the end of the transaction (SQLite: all of it is)."""
    template = session.scalar(
        select(CouponTemplate)
        .where(CouponTemplate.id == template_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if template is None:
        raise TemplateNotFound
    return template


def check_open(template: CouponTemplate, now: datetime) -> None:
    """The template gives out coupons now. Its total is not looked at: the counter decides."""
    if template.state is not TemplateState.active:
        raise NotClaimable("活动暂停了")
    if template.valid_until is not None and template.valid_until <= now:
        raise NotClaimable("活动已经结束")


def giving_out(now: datetime, number: int | ColumnElement[int] = 1) -> ColumnElement[bool]:
    """`check_open` and the total, for a query over templates: `number` more may be issued now."""
    end, limit = CouponTemplate.valid_until, CouponTemplate.total_limit
    return and_(
        CouponTemplate.state == TemplateState.active,
        end.is_(None) | (end > now),
        limit.is_(None) | (CouponTemplate.issued_count + number <= limit),
    )


def count_issued(
    session: Session, template: CouponTemplate, number: int, *, owed: bool = False
) -> None:
    """Move the guarded counter. Raises GoneAlready; the caller's transaction rolls back."""
    limit = CouponTemplate.total_limit
    statement = update(CouponTemplate).where(CouponTemplate.id == template.id)
    if not owed:
        room = limit.is_(None) | (CouponTemplate.issued_count + number <= limit)
        statement = statement.where(room)
    moved = claim(session, statement.values(issued_count=CouponTemplate.issued_count + number))
    if moved == 0:
        raise GoneAlready(f"「{template.name}」已经领完了")


def campaign_of(source: str) -> int | None:
    """`campaign:12` → 12."""
    return _numbered("campaign", source)


def batch_of(source: str) -> int | None:
    """`batch:12` → 12."""
    return _numbered("batch", source)


def _numbered(kind: str, source: str) -> int | None:
    given, _, number = source.partition(":")
    return int(number) if given == kind and number.isdigit() else None


def row_of(template: CouponTemplate, source: str, now: datetime) -> dict[str, Any]:
    """What all coupons have in common that this template gives out now."""
    begins = max(now, template.valid_from) if template.valid_from else now
    ends = [now + FOREVER]
    if template.valid_days:
        ends.append(begins + timedelta(days=template.valid_days))
    if template.valid_until:
        ends.append(template.valid_until)
    return {
        "template_id": template.id,
        "merchant_id": template.merchant_id,
        "state": CouponState.issued,
        "uses_left": template.uses_total,
        "valid_from": begins,
        "expires_at": min(ends),
        "source": source,
        "campaign_id": campaign_of(source),
        "batch_id": batch_of(source),
        "issued_at": now,
    }


def _insert(session: Session, row: dict[str, Any]) -> bool:
    """False: the key was used before. A number that somebody else has is drawn again."""
    for _ in range(5):
        row["code"] = codes.new_code()
        if insert_ignore(session, Coupon, [row]) == 1:
            return True
        taken = select(Coupon.id).where(Coupon.issue_key == row["issue_key"])
        if session.scalar(taken) is not None:
            return False
    raise RuntimeError("no free coupon code, or the member does not exist")


def _moved_on(
    session: Session, source: str, template_id: int, member_ids: Sequence[int]
) -> dict[int, int]:
    """Issued to these members before, and somebody else's since: given away, or merged."""
    keys = {many_key(source, template_id, id_): id_ for id_ in member_ids}
    found = select(Coupon.issue_key, Coupon.id).where(Coupon.issue_key.in_(keys))
    return {keys[key]: id_ for key, id_ in session.execute(found)}


def _issued(
    session: Session, template_id: int, source: str, member_ids: Sequence[int]
) -> dict[int, int]:
    """Slices of a campaign are neighbours: a range of members is read, not ten thousand keys.

    People from here and there are asked for by name: between the first and the last of them may
    lie all coupons of the template, read while its row is held.
    """
    wanted = sorted(set(member_ids))
    if not wanted:
        return {}
    if wanted[-1] - wanted[0] < NEIGHBOURS * len(wanted):
        pieces = [Coupon.member_id.between(wanted[0], wanted[-1])]
    else:
        parts = (wanted[at : at + BY_NAME] for at in range(0, len(wanted), BY_NAME))
        pieces = [Coupon.member_id.in_(part) for part in parts]
    mine = (Coupon.template_id == template_id, Coupon.source == source)
    asked = select(Coupon.member_id, Coupon.id)
    found = [row for piece in pieces for row in session.execute(asked.where(*mine, piece))]
    names = set(wanted)
    return {member_id: id_ for member_id, id_ in found if member_id in names}
