"""Coupons that are nobody's: printed codes, and codes that another system gave out.

Whoever claims one gets it; at the counter it works as it is. A code of another system is known
beside our own number, per merchant.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.bulk import insert_ignore_alike
from core.database import claim, insert_ignore
from coupons import codes, gifting, ledger
from coupons.errors import AlreadyHeld, ClaimLimit, CouponNotFound
from coupons.issuing import count_issued, lock_template, row_of
from coupons.locking import reload, why_not
from coupons.models import (
    Coupon,
    CouponEntry,
    CouponGift,
    CouponState,
    CouponTemplate,
    EntryKind,
    GiftState,
    ImportedCode,
)


class Outer(NamedTuple):
    """A line of an import: its number, the other system's code, and who holds it if known."""

    number: int
    code: str
    member_id: int | None = None


def print_many(
    session: Session, template: CouponTemplate, batch_id: int, places: range, *, now: datetime
) -> int:
    """A code for each place of a batch, once; how many. The template is locked by the caller."""
    source = f"batch:{batch_id}"
    keys = [f"{source}:{place}" for place in places]
    return len(_issue(session, template, source, keys, EntryKind.issued, now))


def import_many(
    session: Session,
    template: CouponTemplate,
    batch_id: int,
    given: Sequence[Outer],
    *,
    now: datetime,
) -> list[int]:
    """A coupon for each code; the numbers of those that were imported meanwhile. As above."""
    mine = ImportedCode.merchant_id == template.merchant_id
    wanted = [each.code for each in given]
    known = set(
        session.scalars(select(ImportedCode.code).where(mine, ImportedCode.code.in_(wanted)))
    )
    new = [each for each in given if each.code not in known]
    source = f"batch:{batch_id}"
    keys = {f"{source}:{each.number}": each for each in new}
    ids = _issue(session, template, source, list(keys), EntryKind.imported, now)
    rows = [
        {"merchant_id": template.merchant_id, "code": keys[key].code, "coupon_id": id_}
        for key, id_ in ids.items()
    ]
    if insert_ignore(session, ImportedCode, rows) != len(rows):
        raise RuntimeError("another import took a code this moment")  # all of it again
    for key, id_ in ids.items():
        member_id = keys[key].member_id
        if member_id is not None:
            give(session, id_, member_id, f"member:{member_id}", now)
    return [each.number for each in given if each.code in known]


def claim_code(
    session: Session, text: str, *, member_id: int, merchant_id: int, now: datetime
) -> Coupon:
    """A member types a printed code: it is theirs. Again: the same answer.

    Nobody types more of a template than one may have of it, whatever became of them since. Raises
    CouponNotFound, AlreadyHeld (somebody else's), ClaimLimit, or why it cannot be used.
    """
    coupon = find(session, text, merchant_id, now)
    if coupon is None:
        raise CouponNotFound("券码不对，看看有没有输错")
    if coupon.member_id == member_id:
        return coupon
    if coupon.state is not CouponState.issued or coupon.expires_at <= now:
        raise why_not(coupon, now)
    template = lock_template(session, coupon.template_id)  # so that two codes are counted in turn
    if _count_typed(session, template.id, member_id) >= template.per_member_limit:
        raise ClaimLimit(f"这种券每人最多领 {template.per_member_limit} 张")
    if not give(session, coupon.id, member_id, f"member:{member_id}", now):
        raise AlreadyHeld
    return reload(session, coupon.id)


def _count_typed(session: Session, template_id: int, member_id: int) -> int:
    """Codes of the template that became this member's; of those that they gave away, too."""
    claimed = (
        select(CouponEntry.id)
        .where(CouponEntry.coupon_id == Coupon.id, CouponEntry.kind == EntryKind.claimed)
        .exists()
    )
    of = select(func.count(Coupon.id)).where(Coupon.template_id == template_id, claimed)
    kept = of.where(Coupon.member_id == member_id, Coupon.source != gifting.SOURCE)
    given = of.join(CouponGift, CouponGift.coupon_id == Coupon.id).where(
        CouponGift.from_member_id == member_id, CouponGift.state == GiftState.accepted
    )
    return (session.scalar(kept) or 0) + (session.scalar(given) or 0)


def is_fresh(text: str, now: datetime) -> bool:
    """A rotating code of this minute; a bare number or another system's code never is."""
    try:
        return codes.parse(text, now).fresh
    except CouponNotFound:
        return False


def find(session: Session, text: str, merchant_id: int, now: datetime) -> Coupon | None:
    """The merchant's coupon with this code, ours or another system's. Raises CodeExpired."""
    try:
        mine = Coupon.code == codes.read(text, now).code
        found = session.scalar(select(Coupon).where(mine, Coupon.merchant_id == merchant_id))
    except CouponNotFound:
        found = None
    if found is not None:
        return found
    outer = find_imported(session, text, merchant_id)
    return session.scalar(select(Coupon).where(Coupon.code == outer)) if outer else None


def find_imported(session: Session, text: str, merchant_id: int) -> str | None:
    """Our own number for a code of another system; not once a friend was given the coupon, whose
    giver knows that code."""
    return session.scalar(
        select(Coupon.code)
        .join(ImportedCode, ImportedCode.coupon_id == Coupon.id)
        .where(
            ImportedCode.merchant_id == merchant_id,
            ImportedCode.code == text.strip(),
            Coupon.source != gifting.SOURCE,
        )
    )


def give(session: Session, coupon_id: int, member_id: int, actor: str, now: datetime) -> bool:
    """Nobody's → theirs, for the one caller that did it; whoever reads it next reads it anew."""
    nobodys = update(Coupon).where(
        Coupon.id == coupon_id, Coupon.member_id.is_(None), Coupon.state == CouponState.issued
    )
    if not claim(session, nobodys.values(member_id=member_id)):
        return False
    coupon = reload(session, coupon_id)
    ledger.write(session, coupon, EntryKind.claimed, cause="", actor=actor, now=now)
    return True


def _issue(
    session: Session,
    template: CouponTemplate,
    source: str,
    keys: Sequence[str],
    kind: EntryKind,
    now: datetime,
) -> dict[str, int]:
    """A coupon under each key; key → id. The template's row is ours."""
    common = row_of(template, source, now)
    ids: dict[str, int] = {}
    left = list(keys)
    for _ in range(5):
        if not left:
            break
        drawn = [(codes.new_code(), key) for key in left]
        insert_ignore_alike(session, Coupon, common, ("code", "issue_key"), drawn)
        found = select(Coupon.issue_key, Coupon.id).where(Coupon.issue_key.in_(left))
        ids |= dict(session.execute(found).all())
        left = [key for key in left if key not in ids]  # their number was somebody's: again
    if left:
        raise RuntimeError("no free coupon code")
    if ids:
        new = Coupon.id.in_(list(ids.values()))
        ledger.write_many(session, new, kind, now=now)
        count_issued(session, template, len(ids))
    return ids
