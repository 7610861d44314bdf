"""Promotions as a merchant writes them: a draft may be changed, a running one only stopped.

What a running promotion gives never changes under the eyes of who is ordering; another one is
another promotion.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import pairwise

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core import audit, rows
from core.errors import Conflict, Invalid, NotFound
from coupons import faults
from coupons.models import NEXT_PROMOTION, Promotion, PromotionKind, PromotionState, StackGroup

MAX_STEPS = 5
GROUPS = (StackGroup.promotion, StackGroup.goods, StackGroup.coupon)
STEPPED = (PromotionKind.spend, PromotionKind.pieces)


class PromotionInvalid(Invalid):
    code = "promotion_invalid"
    title = "促销填写有误"


class PromotionNotFound(NotFound):
    code = "promotion_not_found"
    title = "没有找到这个促销"


class PromotionMoved(Conflict):
    """It has moved on meanwhile, or cannot be changed any more."""

    code = "promotion_state"
    title = "这个促销的状态已经变了，刷新看看"


@dataclass(frozen=True)
class PromotionDraft:
    """As in the table; lists that are None do not limit."""

    name: str
    kind: PromotionKind
    starts_at: datetime
    ends_at: datetime | None = None
    steps: list[list[int]] = field(default_factory=list)
    off_bp: int = 0
    price_fen: int | None = None
    nth: int = 0
    pieces_each: int | None = None
    pieces_per_member: int | None = None
    store_ids: list[int] | None = None
    product_ids: list[int] | None = None
    category_ids: list[int] | None = None
    weekdays: list[int] | None = None
    from_minute: int | None = None
    until_minute: int | None = None
    stack_group: StackGroup = StackGroup.promotion


def create(
    session: Session, merchant_id: int, draft: PromotionDraft, *, actor: str, now: datetime
) -> Promotion:
    """A new promotion, still a draft. Raises PromotionInvalid with every fault."""
    promotion = build(draft, now)
    promotion.merchant_id, promotion.created_at = merchant_id, now
    session.add(promotion)
    session.flush()
    _audit(session, promotion, "promotion.create", None, actor, now)
    return promotion


def build(draft: PromotionDraft, now: datetime) -> Promotion:
    """The row that a draft would become. Raises PromotionInvalid."""
    if errors := _faults(draft, now):
        raise PromotionInvalid(errors=errors)
    values = asdict(draft) | {"name": draft.name.strip(), "steps": sorted(draft.steps)}
    return Promotion(**values, state=PromotionState.draft)


def change(
    session: Session, promotion: Promotion, draft: PromotionDraft, *, actor: str, now: datetime
) -> None:
    """Write a draft anew. Raises PromotionInvalid, or PromotionMoved once it has run."""
    written = build(draft, now)
    values = {name: getattr(written, name) for name in asdict(draft)}
    expected = {"id": promotion.id, "state": PromotionState.draft}
    if rows.compare_and_set(session, Promotion, expected, values) == 0:
        raise PromotionMoved("已经上线过的促销不能再改，停掉它，另建一个")
    rows.note(promotion, values)
    _audit(session, promotion, "promotion.change", None, actor, now)


def set_state(
    session: Session, promotion: Promotion, state: PromotionState, *, actor: str, now: datetime
) -> None:
    """Start, stop or go on. Orders that are placed keep their price. Raises PromotionMoved."""
    before = promotion.state
    if state not in NEXT_PROMOTION[before]:
        raise PromotionMoved
    if state is PromotionState.running and promotion.ends_at and promotion.ends_at <= now:
        raise PromotionMoved("结束时间已经过了，另建一个")
    expected = {"id": promotion.id, "state": before}
    if rows.compare_and_set(session, Promotion, expected, {"state": state}) == 0:
        raise PromotionMoved
    rows.note(promotion, {"state": state})
    _audit(session, promotion, f"promotion.{state.value}", before, actor, now)


def get_promotion_of(session: Session, merchant_id: int, promotion_id: int) -> Promotion:
    """The gate: another merchant's promotion is not found."""
    promotion = session.get(Promotion, promotion_id)
    if promotion is None or promotion.merchant_id != merchant_id:
        raise PromotionNotFound
    return promotion


def list_promotions(session: Session, merchant_id: int, limit: int = 200) -> Sequence[Promotion]:
    """A merchant's, newest first, for the console."""
    mine = select(Promotion).where(Promotion.merchant_id == merchant_id)
    return session.scalars(mine.order_by(Promotion.id.desc()).limit(limit)).all()


def list_between(
    session: Session, merchant_id: int, since: datetime, until: datetime
) -> Sequence[Promotion]:
    """Those that run, or ran until they were stopped, at some time in between; oldest first."""
    mine = select(Promotion).where(
        Promotion.merchant_id == merchant_id,
        Promotion.state != PromotionState.stopped,
        Promotion.starts_at < until,
        or_(Promotion.ends_at.is_(None), Promotion.ends_at > since),
    )
    return session.scalars(mine.order_by(Promotion.starts_at, Promotion.id).limit(200)).all()


def _faults(draft: PromotionDraft, now: datetime) -> dict[str, str]:
    errors = faults.of_limits(draft)
    if draft.ends_at is not None and draft.ends_at <= max(draft.starts_at, now):
        errors["ends_at"] = "结束要在开始和现在之后"
    if draft.stack_group not in GROUPS:
        errors["stack_group"] = "选一种"
    for name in ("pieces_each", "pieces_per_member"):
        pieces = getattr(draft, name)
        if pieces is not None and draft.kind is not PromotionKind.price:
            errors[name] = "只有限时折扣能限件数"
        elif pieces is not None and pieces < 1:
            errors[name] = "至少 1 件，不填就不限"
    if draft.kind in STEPPED:
        errors |= _step_faults(draft)
    elif draft.kind is PromotionKind.nth:
        if not 2 <= draft.nth <= 9:
            errors["nth"] = "第 2 到第 9 件"
        if not 0 < draft.off_bp <= 10_000:
            errors["off_bp"] = "折扣要在 0 折到 9.9 折之间"
    else:
        if draft.product_ids is None and draft.category_ids is None:
            errors["product_ids"] = "选打折的商品"
        if draft.price_fen is not None and draft.price_fen < 0:
            errors["price_fen"] = "不能小于 0"
        if draft.price_fen is None and not 0 < draft.off_bp < 10_000:
            errors["off_bp"] = "折扣要在 0.1 折到 9.9 折之间"
    return errors


def _step_faults(draft: PromotionDraft) -> dict[str, str]:
    """Steps go up: who buys more never saves less."""
    steps = sorted(draft.steps)
    if not 1 <= len(steps) <= MAX_STEPS:
        return {"steps": f"写 1 到 {MAX_STEPS} 档"}
    for (lower, less), (higher, more) in pairwise(steps):
        if lower == higher or more <= less:
            return {"steps": "门槛越高，要减得越多"}
    if draft.kind is PromotionKind.spend:
        bad = any(off <= 0 or off > threshold for threshold, off in steps)
        return {"steps": "减的要大于 0，不能比门槛还多"} if bad else {}
    bad = any(number < 1 or not 0 < off < 10_000 for number, off in steps)
    return {"steps": "至少 1 件，折扣在 0.1 折到 9.9 折之间"} if bad else {}


def _audit(
    session: Session,
    promotion: Promotion,
    action: str,
    before: PromotionState | None,
    actor: str,
    now: datetime,
) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"promotion:{promotion.id}",
        before={"state": before} if before else None,
        after={"name": promotion.name, "state": promotion.state},
        merchant_id=promotion.merchant_id,
        now=now,
    )
