"""A member gives an unused coupon to a friend: offered under a secret, taken once or back in a day.

What was given cannot be given on, so that no coupon goes round. With its holder it changes its
number: the giver knows the old one, and may have it on a screenshot or on paper. Locks: the gift,
then its coupon.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from core.numbers import new_token, token_hash
from coupons import codes, ledger
from coupons.errors import (
    GiftGone,
    GiftLimit,
    GiftNotFound,
    NotGiftable,
)
from coupons.locking import reload, take_free, why_not
from coupons.models import (
    Coupon,
    CouponGift,
    CouponState,
    CouponTemplate,
    EntryKind,
    GiftState,
)
from coupons.queries import get_for_member

LASTS = timedelta(hours=24)
MAX_WORDS = 60
SOURCE = "gift"


@dataclass(frozen=True)
class Gift:
    gift: CouponGift
    coupon: Coupon
    template: CouponTemplate


def may_give(coupon: Coupon, template: CouponTemplate, now: datetime) -> bool:
    """Whether its holder may offer it now."""
    free = coupon.state is CouponState.issued and coupon.valid_from <= now < coupon.expires_at
    unused = coupon.uses_left == template.uses_total
    return free and unused and template.giftable and coupon.source != SOURCE


def offer(
    session: Session, coupon_id: int, member_id: int, *, words: str = "", now: datetime
) -> tuple[CouponGift, str]:
    """issued → locked until a friend takes it; the gift and the secret that the link carries.

    The secret is told here and never again. Raises CouponNotFound, NotGiftable, or why the coupon
    was not free.
    """
    found = get_for_member(session, member_id, coupon_id)
    coupon, template = found.coupon, found.template
    if not template.giftable:
        raise NotGiftable("这种券不能转送")
    if coupon.source == SOURCE:
        raise NotGiftable("别人送你的券不能再转送")
    if coupon.uses_left != template.uses_total:
        raise NotGiftable("用过的次卡不能转送")
    if not take_free(session, coupon_id, {"state": CouponState.locked}, now):
        raise why_not(reload(session, coupon_id), now)
    rows.note(coupon, {"state": CouponState.locked})
    secret = new_token()
    gift = CouponGift(
        coupon_id=coupon_id,
        from_member_id=member_id,
        secret_hash=token_hash(secret),
        words=words.strip()[:MAX_WORDS],
        created_at=now,
        expires_at=min(now + LASTS, coupon.expires_at),
    )
    session.add(gift)
    session.flush()
    _write(session, coupon, EntryKind.offered, gift, f"member:{member_id}", now)
    return gift, secret


def accept(
    session: Session, secret: str, *, member_id: int, merchant_id: int, now: datetime
) -> Gift:
    """The friend takes it, once; taken again by the same person, it is answered again.

    Raises GiftNotFound (also for another merchant's), NotGiftable for one's own, GiftLimit or
    GiftGone, and then nothing changed.
    """
    found = find_by_secret(session, secret, merchant_id)
    gift, coupon = found.gift, found.coupon
    if gift.state is GiftState.accepted and gift.to_member_id == member_id:
        return found
    if gift.from_member_id == member_id:
        raise NotGiftable("这是你自己送出的券")
    if gift.state is not GiftState.offered or gift.expires_at <= now:
        raise GiftGone
    _take(session, found, member_id, now)
    _hand_over(session, coupon.id, member_id)
    session.refresh(coupon)
    _write(session, coupon, EntryKind.gifted, gift, f"member:{member_id}", now)
    return found


def withdraw(session: Session, gift_id: int, member_id: int, *, now: datetime) -> Gift:
    """The giver wants it back. Raises GiftNotFound, or GiftGone when it was taken."""
    found = _load(session, CouponGift.id == gift_id, CouponGift.from_member_id == member_id)
    if not _end(session, found.gift, GiftState.withdrawn, now):
        raise GiftGone("已经被领走了")
    _keep(session, found, f"member:{member_id}", now)
    return found


def end_of_batch(session: Session, batch_id: int, *, actor: str, now: datetime, limit: int) -> int:
    """Gifts of a batch's coupons that nobody took yet go back; how many were looked at."""
    offered = (
        select(CouponGift.id)
        .join(Coupon, Coupon.id == CouponGift.coupon_id)
        .where(Coupon.batch_id == batch_id, CouponGift.state == GiftState.offered)
        .order_by(CouponGift.id)
        .limit(limit)
    )
    ids = session.scalars(offered).all()
    for gift_id in ids:
        found = _load(session, CouponGift.id == gift_id)
        if _end(session, found.gift, GiftState.withdrawn, now):
            _keep(session, found, actor, now)
    return len(ids)


def return_due(session: Session, now: datetime, limit: int = 200) -> int:
    """Gifts that nobody took go back to their givers; how many. Two sweeps share the work."""
    due = session.scalars(
        select(CouponGift.id)
        .where(CouponGift.state == GiftState.offered, CouponGift.expires_at <= now)
        .order_by(CouponGift.expires_at, CouponGift.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for gift_id in due:
        found = _load(session, CouponGift.id == gift_id)
        if _end(session, found.gift, GiftState.lapsed, now):
            _keep(session, found, "system", now)
    return len(due)


def find_by_secret(session: Session, secret: str, merchant_id: int) -> Gift:
    """What the link leads to. Raises GiftNotFound."""
    return _load(
        session,
        CouponGift.secret_hash == token_hash(secret),
        Coupon.merchant_id == merchant_id,
    )


def list_of_member(session: Session, member_id: int, *, limit: int = 50) -> list[Gift]:
    """What they gave and were given, newest first."""
    found = session.execute(
        _GIFTS.where(
            or_(CouponGift.from_member_id == member_id, CouponGift.to_member_id == member_id)
        )
        .order_by(CouponGift.id.desc())
        .limit(limit)
    )
    return [Gift(*row) for row in found]


def follow_merge(session: Session, loser_id: int, winner_id: int) -> None:
    """What a merged member gave and was given is the winner's."""
    for column in (CouponGift.from_member_id, CouponGift.to_member_id):
        claim(session, update(CouponGift).where(column == loser_id).values({column: winner_id}))


_GIFTS = (
    select(CouponGift, Coupon, CouponTemplate)
    .join(Coupon, Coupon.id == CouponGift.coupon_id)
    .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
)


def _load(session: Session, *where: object) -> Gift:
    found = session.execute(
        _GIFTS.where(*where),  # type: ignore[arg-type]
        execution_options={"populate_existing": True},
    ).first()
    if found is None:
        raise GiftNotFound
    return Gift(*found)


def _held(coupon_id: int) -> dict[str, object]:
    return {"id": coupon_id, "state": CouponState.locked}


def _end(
    session: Session, gift: CouponGift, to: GiftState, now: datetime, **values: object
) -> bool:
    """offered → `to`, for the one caller that did it."""
    moving = update(CouponGift).where(
        CouponGift.id == gift.id, CouponGift.state == GiftState.offered
    )
    moved = claim(session, moving.values(state=to, ended_at=now, **values)) == 1
    session.refresh(gift)
    return moved


def _hand_over(session: Session, coupon_id: int, member_id: int) -> None:
    theirs = {"state": CouponState.issued, "member_id": member_id, "source": SOURCE}
    for _ in range(5):
        try:
            return rows.must_move(
                session, Coupon, _held(coupon_id), theirs | {"code": codes.new_code()}
            )
        except IntegrityError:  # the number is somebody's: another
            continue
    raise RuntimeError("no free coupon code")


def _keep(session: Session, found: Gift, actor: str, now: datetime) -> None:
    rows.must_move(session, Coupon, _held(found.coupon.id), {"state": CouponState.issued})
    session.refresh(found.coupon)
    _write(session, found.coupon, EntryKind.kept, found.gift, actor, now)


def _take(session: Session, found: Gift, member_id: int, now: datetime) -> None:
    """In the next of the `per_member_limit` places for gifts of a template: their keys are unique,
    so of two gifts that race for the last one only one gets it. Raises GiftLimit or GiftGone."""
    limit = found.template.per_member_limit
    begins = f"gift:{found.template.id}:{member_id}:"
    used = set(
        session.scalars(
            select(CouponGift.accept_key).where(CouponGift.accept_key.startswith(begins))
        )
    )
    for key in (f"{begins}{number}" for number in range(1, limit + 1)):
        if key in used:
            continue
        mine = {"to_member_id": member_id, "accept_key": key}
        try:
            taken = _end(session, found.gift, GiftState.accepted, now, **mine)
        except IntegrityError:  # another gift took the place this moment
            continue
        if not taken:
            raise GiftGone
        return
    raise GiftLimit(f"这种券每人最多收 {limit} 张")


def _write(
    session: Session, coupon: Coupon, kind: EntryKind, gift: CouponGift, actor: str, now: datetime
) -> None:
    ledger.write(session, coupon, kind, cause=f"gift:{gift.id}", actor=actor, now=now)
