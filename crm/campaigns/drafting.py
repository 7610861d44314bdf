"""Writing a campaign down: checked whole, changed only while it is a draft."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from core import audit
from coupons.models import CouponTemplate, TemplateState
from crm.campaigns.holdout import WHOLE
from crm.contacts import NIGHT, check_hours
from crm.errors import CampaignInvalid, CampaignMoved
from crm.models import Campaign, CampaignMove, CampaignState, Segment

MAX_NAME = 32
MAX_MESSAGE = 300
MAX_HOLDOUT_BP = 5_000


@dataclass(frozen=True)
class Draft:
    """What a merchant fills in. `quiet_hours` is (from, until) in the store's zone, None: always
    allowed."""

    name: str
    segment_id: int
    template_id: int
    message: str
    holdout_bp: int = 1_000
    quiet_hours: tuple[int, int] | None = NIGHT


def create(
    session: Session, merchant_id: int, draft: Draft, *, actor: str, now: datetime
) -> Campaign:
    """A new draft. Raises CampaignInvalid with every fault."""
    _check(session, merchant_id, draft)
    campaign = Campaign(
        merchant_id=merchant_id,
        seed=secrets.randbelow(2**31),
        created_by=actor,
        created_at=now,
        **_columns(draft),
    )
    session.add(campaign)
    session.flush()
    session.add(
        CampaignMove(
            campaign_id=campaign.id,
            from_state=None,
            to_state=CampaignState.draft,
            actor=actor,
            at=now,
        )
    )
    session.flush()
    return campaign


def change(
    session: Session, campaign: Campaign, draft: Draft, *, actor: str, now: datetime
) -> None:
    """Rewrite a draft. Raises CampaignInvalid, or CampaignMoved when it is a draft no more."""
    if campaign.state is not CampaignState.draft:
        raise CampaignMoved("只有草稿能修改，先撤回审核")
    _check(session, campaign.merchant_id, draft)
    before = {name: getattr(campaign, name) for name in _columns(draft)}
    for name, value in _columns(draft).items():
        setattr(campaign, name, value)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="campaign.change",
        subject=f"campaign:{campaign.id}",
        before=before,
        after=_columns(draft),
        merchant_id=campaign.merchant_id,
        now=now,
    )


def _columns(draft: Draft) -> dict[str, str | int | None]:
    quiet_from, quiet_until = draft.quiet_hours or (None, None)
    return {
        "name": draft.name.strip(),
        "segment_id": draft.segment_id,
        "template_id": draft.template_id,
        "message": draft.message.strip(),
        "holdout_bp": draft.holdout_bp,
        "quiet_from_hour": quiet_from,
        "quiet_until_hour": quiet_until,
    }


def _check(session: Session, merchant_id: int, draft: Draft) -> None:
    errors: dict[str, str] = {}
    if not 1 <= len(draft.name.strip()) <= MAX_NAME:
        errors["name"] = f"名字要 1 到 {MAX_NAME} 个字"
    if not 1 <= len(draft.message.strip()) <= MAX_MESSAGE:
        errors["message"] = f"文字要 1 到 {MAX_MESSAGE} 个字"
    segment = session.get(Segment, draft.segment_id)
    if segment is None or segment.merchant_id != merchant_id:
        errors["segment_id"] = "请选一个人群"
    template = session.get(CouponTemplate, draft.template_id)
    if template is None or template.merchant_id != merchant_id:
        errors["template_id"] = "请选一张券"
    elif template.state is not TemplateState.active:
        errors["template_id"] = "这张券已经停发"
    if not 0 <= draft.holdout_bp <= MAX_HOLDOUT_BP:
        errors["holdout_bp"] = f"对照组最多 {MAX_HOLDOUT_BP * 100 // WHOLE}%"
    if wrong := check_hours(draft.quiet_hours):
        errors["quiet_hours"] = wrong
    if errors:
        raise CampaignInvalid(errors=errors)
