"""Coupon templates as a merchant writes them: checked whole, then only paused and resumed.

What a template is worth never changes once coupons may be out; another worth is another template.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from core import audit
from core.errors import Invalid
from coupons.errors import TemplateNotFound
from coupons.models import CouponKind, CouponTemplate, TemplateState

MAX_NAME = 20
MAX_DAYS = 365


class TemplateInvalid(Invalid):
    code = "template_invalid"
    title = "优惠券填写有误"


@dataclass(frozen=True)
class TemplateDraft:
    """`off_bp` for percent, `face_fen` for amount. `store_ids` None: all. One of the two ends."""

    name: str
    kind: CouponKind
    face_fen: int = 0
    off_bp: int = 0
    cap_fen: int | None = None
    min_spend_fen: int = 0
    store_ids: list[int] | None = None
    valid_days: int | None = None
    valid_until: datetime | None = None
    total_limit: int | None = None
    per_member_limit: int = 1
    claimable: bool = False


def create(
    session: Session, merchant_id: int, draft: TemplateDraft, *, actor: str, now: datetime
) -> CouponTemplate:
    """A new template, given out from now on. Raises TemplateInvalid with every fault."""
    if errors := _faults(draft, now):
        raise TemplateInvalid(errors=errors)
    template = CouponTemplate(
        merchant_id=merchant_id,
        name=draft.name.strip(),
        kind=draft.kind,
        face_fen=draft.face_fen,
        off_bp=draft.off_bp,
        cap_fen=draft.cap_fen,
        min_spend_fen=draft.min_spend_fen,
        store_ids=draft.store_ids,
        valid_days=draft.valid_days,
        valid_until=draft.valid_until,
        total_limit=draft.total_limit,
        per_member_limit=draft.per_member_limit,
        claimable=draft.claimable,
        created_at=now,
    )
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


def _faults(draft: TemplateDraft, now: datetime) -> dict[str, str]:
    errors: dict[str, str] = {}
    if not 1 <= len(draft.name.strip()) <= MAX_NAME:
        errors["name"] = f"名字要 1 到 {MAX_NAME} 个字"
    if draft.kind is CouponKind.amount:
        if draft.face_fen <= 0:
            errors["face_fen"] = "减多少要大于 0"
        elif 0 < draft.min_spend_fen < draft.face_fen:
            errors["face_fen"] = "减的不能比门槛还多"
    elif not 0 < draft.off_bp < 10_000:
        errors["off_bp"] = "折扣要在 0.1 折到 9.9 折之间"
    if draft.kind is CouponKind.percent and draft.cap_fen is not None and draft.cap_fen <= 0:
        errors["cap_fen"] = "最多减多少要大于 0，不填就不封顶"
    if draft.valid_days is None and draft.valid_until is None:
        errors["valid_days"] = "填领取后几天内有效"
    if draft.valid_days is not None and not 1 <= draft.valid_days <= MAX_DAYS:
        errors["valid_days"] = f"天数要在 1 到 {MAX_DAYS} 之间"
    if draft.valid_until is not None and draft.valid_until <= now:
        errors["valid_until"] = "截止时间要在现在之后"
    if draft.total_limit is not None and draft.total_limit < 1:
        errors["total_limit"] = "总张数至少 1，不填就不限"
    if draft.per_member_limit < 1:
        errors["per_member_limit"] = "每人至少 1 张"
    if draft.store_ids == []:
        errors["store_ids"] = "至少选一家店"
    return errors
