"""Lists of coupons and templates, and the gates to a member's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, case, func, or_, select
from sqlalchemy.orm import Session

from core import cursors, rows, statements
from core.database import UTCDateTime
from coupons.errors import CouponNotFound
from coupons.models import (
    Coupon,
    CouponKind,
    CouponState,
    CouponTemplate,
    StackGroup,
    TemplateState,
    UseChannel,
)

Shelf = Literal["usable", "used", "expired"]


@dataclass(frozen=True)
class CouponWithTemplate:
    coupon: Coupon
    template: CouponTemplate


class UsableCoupon(NamedTuple):
    """What a quote has to know of a coupon, and of its template."""

    id: int
    member_id: int
    campaign_id: int | None
    name: str
    kind: CouponKind
    face_fen: int
    off_bp: int
    cap_fen: int | None
    min_spend_fen: int
    pay_fen: int
    nth: int
    store_ids: list[int] | None
    product_ids: list[int] | None
    category_ids: list[int] | None
    weekdays: list[int] | None
    from_minute: int | None
    until_minute: int | None
    channel: UseChannel
    first_order: bool
    tiers: list[str] | None
    stack_group: StackGroup
    exclusive: bool


_C, _T = rows.table_of(Coupon).c, rows.table_of(CouponTemplate).c
_NOW = bindparam("now", type_=UTCDateTime())
_USABLE = (
    select(_C.id, _C.member_id, _C.campaign_id)
    .add_columns(_T.name, _T.kind, _T.face_fen, _T.off_bp, _T.cap_fen, _T.min_spend_fen)
    .add_columns(_T.pay_fen, _T.nth, _T.store_ids, _T.product_ids, _T.category_ids)
    .add_columns(_T.weekdays, _T.from_minute, _T.until_minute, _T.channel, _T.first_order)
    .add_columns(_T.tiers, _T.stack_group, _T.exclusive)
    .join(rows.table_of(CouponTemplate), _T.id == _C.template_id)
    .where(
        _C.member_id == bindparam("member_id"),
        _C.state == CouponState.issued,
        _C.valid_from <= _NOW,
        _C.expires_at > _NOW,
    )
    .order_by(_C.expires_at, _C.id)
    .limit(100)
)


@dataclass(frozen=True)
class CouponPage:
    items: list[CouponWithTemplate]
    next: str | None


@dataclass(frozen=True)
class Claimable:
    """A template as one member sees it."""

    template: CouponTemplate
    claimed: int

    @property
    def left(self) -> int | None:
        return self.template.left

    @property
    def open(self) -> bool:
        return self.left != 0 and self.claimed < self.template.per_member_limit


def get_for_member(session: Session, member_id: int, coupon_id: int) -> CouponWithTemplate:
    """The gate: somebody else's coupon is not found."""
    row = session.execute(
        select(Coupon, CouponTemplate)
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .where(Coupon.id == coupon_id, Coupon.member_id == member_id)
    ).first()
    if row is None:
        raise CouponNotFound
    return CouponWithTemplate(*row)


def list_for_member(
    session: Session,
    member_id: int,
    *,
    shelf: Shelf,
    cursor: str = "",
    limit: int = 20,
    now: datetime,
) -> CouponPage:
    """One shelf of the member's coupons, newest first: given, used or expired last."""
    moment = {"usable": "issued_at", "used": "redeemed_at", "expired": "expires_at"}[shelf]
    key = getattr(Coupon, moment)
    statement = (
        select(Coupon, CouponTemplate)
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .where(Coupon.member_id == member_id, on_shelf(shelf, now))
    )
    if cursor:
        at, last_id = cursors.decode(cursor, 2)
        statement = statement.where(_before(key, cursors.moment(at), cursors.number(last_id)))
    newest = (key.desc(), Coupon.id.desc())
    found = session.execute(statement.order_by(*newest).limit(limit + 1)).all()
    items = [CouponWithTemplate(*row) for row in found[:limit]]
    more = None
    if len(found) > limit:
        last = items[-1].coupon
        at = getattr(last, moment)
        more = cursors.encode([at.isoformat() if at else "", last.id])
    return CouponPage(items, more)


def count_for_member(session: Session, member_id: int, now: datetime) -> dict[Shelf, int]:
    shelves: tuple[Shelf, ...] = ("usable", "used", "expired")
    counts = session.execute(
        select(*(func.count(case((on_shelf(shelf, now), 1))) for shelf in shelves)).where(
            Coupon.member_id == member_id
        )
    ).one()
    return dict(zip(shelves, counts, strict=True))


def on_shelf(shelf: Shelf, now: datetime) -> ColumnElement[bool]:
    """Locked ones stay among the usable: the order may still end unpaid."""
    issued = Coupon.state == CouponState.issued
    if shelf == "usable":
        return or_(Coupon.state == CouponState.locked, and_(issued, Coupon.expires_at > now))
    if shelf == "used":
        return Coupon.state == CouponState.redeemed
    return or_(
        Coupon.state.in_((CouponState.expired, CouponState.void)),
        and_(issued, Coupon.expires_at <= now),
    )


def usable_for(session: Session, member_id: int, now: datetime) -> list[UsableCoupon]:
    """What a quote may try: free, begun and not over; the first hundred to expire."""
    return statements.fetch(session, UsableCoupon, _USABLE, {"member_id": member_id, "now": now})


def list_claimable(
    session: Session,
    merchant_id: int,
    member_id: int,
    *,
    cursor: str = "",
    limit: int = 20,
    now: datetime,
) -> tuple[list[Claimable], str | None]:
    """Templates that members may claim now, newest first, with how many this member has had."""
    statement = select(CouponTemplate).where(
        CouponTemplate.merchant_id == merchant_id,
        CouponTemplate.claimable.is_(True),
        CouponTemplate.state == TemplateState.active,
        or_(CouponTemplate.valid_until.is_(None), CouponTemplate.valid_until > now),
    )
    if cursor:
        statement = statement.where(
            CouponTemplate.id < cursors.number(cursors.decode(cursor, 1)[0])
        )
    found = session.scalars(statement.order_by(CouponTemplate.id.desc()).limit(limit + 1)).all()
    shown = found[:limit]
    claimed = _claimed(session, [template.id for template in shown], member_id)
    items = [Claimable(template, claimed.get(template.id, 0)) for template in shown]
    return items, cursors.encode([shown[-1].id]) if len(found) > limit else None


def find_for_moment(session: Session, merchant_id: int, moment: str) -> CouponTemplate | None:
    """The active template that an occasion ("welcome") issues by itself; the newest one."""
    return session.scalar(
        select(CouponTemplate)
        .where(
            CouponTemplate.merchant_id == merchant_id,
            CouponTemplate.moment == moment,
            CouponTemplate.state == TemplateState.active,
        )
        .order_by(CouponTemplate.id.desc())
        .limit(1)
    )


def list_templates(session: Session, merchant_id: int) -> list[CouponTemplate]:
    """All of a merchant's, newest first, for the console's pickers."""
    return list(
        session.scalars(
            select(CouponTemplate)
            .where(CouponTemplate.merchant_id == merchant_id)
            .order_by(CouponTemplate.id.desc())
            .limit(200)
        )
    )


def page_of_templates(
    session: Session, merchant_id: int, *, cursor: str = "", limit: int = 20
) -> tuple[list[CouponTemplate], str | None]:
    """All of a merchant's, newest first, a page at a time. Raises Malformed."""
    wanted = select(CouponTemplate).where(CouponTemplate.merchant_id == merchant_id)
    if cursor:
        wanted = wanted.where(CouponTemplate.id < cursors.number(cursors.decode(cursor, 1)[0]))
    found = session.scalars(wanted.order_by(CouponTemplate.id.desc()).limit(limit + 1)).all()
    shown = list(found[:limit])
    return shown, cursors.encode([shown[-1].id]) if len(found) > limit else None


def _claimed(session: Session, template_ids: Sequence[int], member_id: int) -> dict[int, int]:
    counted = session.execute(
        select(Coupon.template_id, func.count())
        .where(
            Coupon.template_id.in_(template_ids),
            Coupon.member_id == member_id,
            Coupon.source == "claim",
        )
        .group_by(Coupon.template_id)
    )
    return {row[0]: row[1] for row in counted}


def _before(key: Any, at: datetime, last_id: int) -> ColumnElement[bool]:
    """Rows after the cursor, newest first; a plain bound first, for the index."""
    return and_(key <= at, or_(key < at, Coupon.id < last_id))
