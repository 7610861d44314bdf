"""Coupon templates as a merchant writes them: checked whole, then only paused and resumed.

What a template is worth never changes once coupons may be out; another worth is another template.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from catalogue.goods import Good, covered, list_goods
from core import audit
from core.database import claim
from core.errors import Invalid
from core.money import apply_basis_points
from coupons import faults
from coupons.errors import TemplateNotFound
from coupons.faults import MAX_NAME as MAX_NAME
from coupons.models import CouponKind, CouponTemplate, StackGroup, TemplateState, UseChannel

MAX_DAYS = 365
MAX_USES = 100
MAX_REMIND = 30
GROUPS = (StackGroup.coupon, StackGroup.extra, StackGroup.promotion)
"""What a merchant may choose; a delivery coupon is always in its own."""


class TemplateInvalid(Invalid):
    code = "template_invalid"
    title = "优惠券填写有误"


@dataclass(frozen=True)
class TemplateDraft:
    """As in the table; lists that are None do not limit. One of the two ends."""

    name: str
    kind: CouponKind
    face_fen: int = 0
    off_bp: int = 0
    cap_fen: int | None = None
    pay_fen: int = 0
    nth: int = 0
    uses_total: int = 1
    min_spend_fen: int = 0
    store_ids: list[int] | None = None
    product_ids: list[int] | None = None
    category_ids: list[int] | None = None
    weekdays: list[int] | None = None
    from_minute: int | None = None
    until_minute: int | None = None
    channel: UseChannel = UseChannel.any
    first_order: bool = False
    tiers: list[str] | None = None
    stack_group: StackGroup = StackGroup.coupon
    exclusive: bool = False
    valid_days: int | None = None
    valid_until: datetime | None = None
    total_limit: int | None = None
    per_member_limit: int = 1
    daily_limit: int | None = None
    member_daily_limit: int | None = None
    claimable: bool = False
    giftable: bool = False
    remind_days: int = 3


def create(
    session: Session, merchant_id: int, draft: TemplateDraft, *, actor: str, now: datetime
) -> CouponTemplate:
    """A new template, given out from now on. Raises TemplateInvalid with every fault."""
    if errors := _faults(draft, now):
        raise TemplateInvalid(errors=errors)
    template = build(draft, list_goods(session, merchant_id))
    template.merchant_id, template.created_at = merchant_id, now
    session.add(template)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="template.create",
        subject=f"template:{template.id}",
        after={"name": template.name, "face_fen": draft.face_fen, "off_bp": draft.off_bp},
        merchant_id=merchant_id,
        now=now,
    )
    return template


def build(draft: TemplateDraft, goods: Sequence[Good]) -> CouponTemplate:
    """The row that a draft would become, nobody's yet: for a look at its ticket."""
    values = asdict(draft) | {"name": draft.name.strip()}
    if draft.kind is CouponKind.delivery:
        values["stack_group"] = StackGroup.delivery
    return CouponTemplate(**values, worth_fen=_worth_fen(draft, goods))


def _worth_fen(draft: TemplateDraft, goods: Sequence[Good]) -> int:
    """The most that one use takes off: of a piece, of the dearest of its goods."""
    if draft.kind in (CouponKind.amount, CouponKind.delivery):
        return draft.face_fen
    if draft.kind is CouponKind.percent:
        return draft.cap_fen or 0
    mine = covered(goods, draft.product_ids, draft.category_ids)
    dearest = max((good.price_fen for good in mine), default=0)
    if draft.kind is CouponKind.exchange:
        return max(0, dearest - draft.pay_fen)
    return apply_basis_points(dearest, draft.off_bp)


def get_template_of(session: Session, merchant_id: int, template_id: int) -> CouponTemplate:
    """The gate: another merchant's template is not found."""
    template = session.get(CouponTemplate, template_id)
    if template is None or template.merchant_id != merchant_id:
        raise TemplateNotFound
    return template


def set_state(
    session: Session, template: CouponTemplate, state: TemplateState, *, actor: str, now: datetime
) -> None:
    """Stop giving it out, or go on. Coupons that are out stay good."""
    before, template.state = template.state, state
    session.flush()
    audit.record(
        session,
        actor=actor,
        action=f"template.{state.value}",
        subject=f"template:{template.id}",
        before={"state": before},
        after={"state": state},
        merchant_id=template.merchant_id,
        now=now,
    )


def set_total(
    session: Session, template: CouponTemplate, total: int | None, *, actor: str, now: datetime
) -> None:
    """How many there are altogether; None: any number. Raises TemplateInvalid for fewer than are
    out."""
    before = template.total_limit
    mine = update(CouponTemplate).where(CouponTemplate.id == template.id)
    if total is not None:
        mine = mine.where(CouponTemplate.issued_count <= total)
    moved = claim(session, mine.values(total_limit=total))
    session.refresh(template)
    if not moved:
        raise TemplateInvalid(errors={"total": f"已经发了 {template.issued_count:,} 张，不能再少"})
    audit.record(
        session,
        actor=actor,
        action="template.total",
        subject=f"template:{template.id}",
        before={"total_limit": before},
        after={"name": template.name, "total_limit": total},
        merchant_id=template.merchant_id,
        now=now,
    )


def _faults(draft: TemplateDraft, now: datetime) -> dict[str, str]:
    errors = faults.of_limits(draft) | _kind_faults(draft)
    if not 1 <= draft.uses_total <= MAX_USES:
        errors["uses_total"] = f"能用 1 到 {MAX_USES} 次"
    if draft.tiers == []:
        errors["tiers"] = "至少选一个等级"
    if draft.stack_group not in GROUPS:
        errors["stack_group"] = "选一种"
    if draft.valid_days is None and draft.valid_until is None:
        errors["valid_days"] = "填领取后几天内有效"
    if draft.valid_days is not None and not 1 <= draft.valid_days <= MAX_DAYS:
        errors["valid_days"] = f"天数要在 1 到 {MAX_DAYS} 之间"
    if draft.valid_until is not None and draft.valid_until <= now:
        errors["valid_until"] = "截止时间要在现在之后"
    for name in ("total_limit", "daily_limit", "member_daily_limit"):
        if (limit := getattr(draft, name)) is not None and limit < 1:
            errors[name] = "至少 1 张，不填就不限"
    if not 0 <= draft.remind_days <= MAX_REMIND:
        errors["remind_days"] = f"提前 0 到 {MAX_REMIND} 天，0 就不提醒"
    elif draft.valid_days is not None and draft.remind_days >= draft.valid_days > 0:
        errors["remind_days"] = "要比有效期短，不然一领就提醒"
    if draft.per_member_limit < 1:
        errors["per_member_limit"] = "每人至少 1 张"
    return errors


def _kind_faults(draft: TemplateDraft) -> dict[str, str]:
    errors: dict[str, str] = {}
    if draft.kind is CouponKind.amount:
        if draft.face_fen <= 0:
            errors["face_fen"] = "减多少要大于 0"
        elif 0 < draft.min_spend_fen < draft.face_fen:
            errors["face_fen"] = "减的不能比门槛还多"
    if draft.kind is CouponKind.percent:
        if not 0 < draft.off_bp < 10_000:
            errors["off_bp"] = "折扣要在 0.1 折到 9.9 折之间"
        if draft.cap_fen is not None and draft.cap_fen <= 0:
            errors["cap_fen"] = "最多减多少要大于 0，不填就不封顶"
    if draft.kind is CouponKind.exchange:
        if draft.product_ids is None and draft.category_ids is None:
            errors["product_ids"] = "选能换的商品"
        if draft.pay_fen < 0:
            errors["pay_fen"] = "不能小于 0"
    if draft.kind is CouponKind.nth:
        if not 2 <= draft.nth <= 9:
            errors["nth"] = "第 2 到第 9 件"
        if not 0 < draft.off_bp <= 10_000:
            errors["off_bp"] = "折扣要在 0 折到 9.9 折之间"
    if draft.kind is CouponKind.delivery and draft.face_fen < 0:
        errors["face_fen"] = "不能小于 0，不填就全免"
    return errors
