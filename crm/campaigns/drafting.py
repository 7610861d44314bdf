"""Writing a campaign down: checked whole, changed only while it is a draft."""

import secrets
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from core import audit
from core.database import claim
from coupons.models import CouponTemplate, TemplateState
from crm.campaigns import thresholds
from crm.campaigns.holdout import WHOLE
from crm.campaigns.moving import pause, void_approvals
from crm.campaigns.variants import MOST, list_variants
from crm.campaigns.words import wrong_placeholder
from crm.contacts import Hours, check_hours, rules_of, speaking_hours
from crm.errors import CampaignInvalid, CampaignMoved
from crm.models import Campaign, CampaignMove, CampaignState, CampaignVariant, Segment

MAX_NAME = 32
MAX_MESSAGE = 300
MAX_HOLDOUT_BP = 5_000
MOST_HOURS = 72
MOST_POINTS = 10_000


@dataclass(frozen=True)
class Other:
    """A variant beside the campaign's own: another gift or none, other words, another hour."""

    template_id: int | None
    message: str
    send_hour: int | None = None
    points: int = 0


@dataclass(frozen=True)
class Draft:
    """What a merchant fills in. `quiet_hours` come on top of the merchant's own, which always hold.
    `others` are tried against it; see `crm.models.Campaign` for the caps. Without a template it
    gives `points`, or nothing but words.
    """

    name: str
    segment_id: int
    template_id: int | None
    message: str
    holdout_bp: int = 1_000
    quiet_hours: Hours | None = None
    others: tuple[Other, ...] = ()
    send_hour: int | None = None
    best_hour: bool = False
    pilot_bp: int = 0
    winner_hours: int | None = None
    budget_fen: int | None = None
    liability_fen: int | None = None
    daily_people: int | None = None
    expected_use_bp: int = WHOLE
    points: int = 0


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
    _write_others(session, campaign, draft)
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
    others_changed = _write_others(session, campaign, draft)
    if before == _columns(draft) and not others_changed:
        return
    campaign.changed_by = actor
    session.flush()
    void_approvals(session, campaign.id, actor=actor, now=now)
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


def raise_caps(
    session: Session,
    campaign: Campaign,
    *,
    budget_fen: int | None = None,
    liability_fen: int | None = None,
    daily_people: int | None = None,
    actor: str,
    now: datetime,
) -> None:
    """Other caps for a campaign that is under way; None lifts one. Raises CampaignInvalid.

    If it may now cost more than one person decides over, it waits for the other's word: paused.
    """
    caps = {"budget_fen": budget_fen, "liability_fen": liability_fen, "daily_people": daily_people}
    if campaign.state in (CampaignState.finished, CampaignState.killed):
        raise CampaignMoved
    if errors := _wrong_caps(caps):
        raise CampaignInvalid(errors=errors)
    before = {name: getattr(campaign, name) for name in caps}
    claim(session, update(Campaign).where(Campaign.id == campaign.id).values(**caps))
    session.refresh(campaign)
    audit.record(
        session,
        actor=actor,
        action="campaign.caps",
        subject=f"campaign:{campaign.id}",
        before=before,
        after=caps,
        merchant_id=campaign.merchant_id,
        now=now,
    )
    if campaign.state is CampaignState.running:
        size = thresholds.launched_size(session, campaign)
        if why := thresholds.why_needed(session, campaign, size, now=now):
            pause(session, campaign, actor="system", reason=why, now=now)
        elif any(_is_wider(before[name], cap) for name, cap in caps.items()):
            claim(
                session, update(Campaign).where(Campaign.id == campaign.id).values(allowed_at=now)
            )
            session.refresh(campaign)


def _is_wider(before: int | None, cap: int | None) -> bool:
    return before is not None and (cap is None or cap > before)


def read(session: Session, campaign: Campaign) -> Draft:
    """What is written down, as a draft."""
    begin, end = campaign.quiet_from_hour, campaign.quiet_until_hour
    plain = {name: getattr(campaign, name) for name in _PLAIN}
    _, *others = list_variants(session, campaign)
    return Draft(
        **plain,
        quiet_hours=None if begin is None or end is None else (begin, end),
        others=tuple(Other(v.template_id, v.message, v.send_hour, v.points) for v in others),
    )


def _write_others(session: Session, campaign: Campaign, draft: Draft) -> bool:
    """Whether they are not what they were."""
    wanted = [(o.template_id, o.message.strip(), o.send_hour, o.points) for o in draft.others]
    _, *known = list_variants(session, campaign)
    if wanted == [(v.template_id, v.message, v.send_hour, v.points) for v in known]:
        return False
    mine = CampaignVariant.campaign_id == campaign.id
    claim(session, delete(CampaignVariant).where(mine))
    for no, (template_id, message, send_hour, points) in enumerate(wanted, start=1):
        session.add(
            CampaignVariant(
                campaign_id=campaign.id,
                no=no,
                template_id=template_id,
                message=message,
                send_hour=send_hour,
                points=points,
            )
        )
    session.flush()
    return True


_PLAIN = (
    "name",
    "segment_id",
    "template_id",
    "points",
    "message",
    "holdout_bp",
    "send_hour",
    "best_hour",
    "pilot_bp",
    "winner_hours",
    "budget_fen",
    "liability_fen",
    "daily_people",
    "expected_use_bp",
)


def _columns(draft: Draft) -> dict[str, str | int | None]:
    quiet_from, quiet_until = draft.quiet_hours or (None, None)
    return {
        **{name: getattr(draft, name) for name in _PLAIN},
        "name": draft.name.strip(),
        "message": draft.message.strip(),
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
    for name, wrong in _wrong_gift(session, merchant_id, draft):
        errors.setdefault(name, wrong)
    errors |= _check_trial(session, merchant_id, draft) | _check_caps(draft)
    if not 0 <= draft.holdout_bp <= MAX_HOLDOUT_BP:
        errors["holdout_bp"] = f"对照组最多 {MAX_HOLDOUT_BP * 100 // WHOLE}%"
    if wrong := check_hours(draft.quiet_hours):
        errors["quiet_hours"] = wrong
    elif not speaking_hours(draft.quiet_hours, rules_of(session, merchant_id).quiet_hours):
        errors["quiet_hours"] = "和营销规则里的时间加起来，一天里没有能发的钟点了"
    if errors:
        raise CampaignInvalid(errors=errors)


def _wrong_gift(
    session: Session, merchant_id: int, made: Draft | Other, choose: str = "请选一张券"
) -> list[tuple[str, str]]:
    """(field, what is wrong) with what is given and with the words about it."""
    wrong = []
    if made.template_id is not None:
        template = session.get(CouponTemplate, made.template_id)
        if template is None or template.merchant_id != merchant_id:
            wrong.append(("template_id", choose))
        elif template.state is not TemplateState.active:
            wrong.append(("template_id", "这张券已经停发"))
    if not 0 <= made.points <= MOST_POINTS or (made.points and made.template_id is not None):
        wrong.append(("points", f"积分要在 1 到 {MOST_POINTS:,} 之间，和券只给一样"))
    gives = {"coupon": made.template_id is not None, "points": made.points > 0}
    if unfilled := wrong_placeholder(made.message, **gives):
        wrong.append(("message", f"没有给这样东西，文字里的 {unfilled} 填不上"))
    return wrong


def _check_trial(session: Session, merchant_id: int, draft: Draft) -> dict[str, str]:
    errors: dict[str, str] = {}
    if len(draft.others) > MOST - 1:
        errors["others"] = f"最多比 {MOST} 种"
    for no, other in enumerate(draft.others, start=1):
        letter = "ABCD"[min(no, MOST - 1)]
        for name, wrong in _wrong_gift(session, merchant_id, other, f"给 {letter} 组选一张券"):
            errors.setdefault(f"{name.removesuffix('_id')}_{no}", wrong)
        if not 1 <= len(other.message.strip()) <= MAX_MESSAGE:
            errors[f"message_{no}"] = f"文字要 1 到 {MAX_MESSAGE} 个字"
    hours = [draft.send_hour, *(other.send_hour for other in draft.others)]
    if any(hour is not None and not 0 <= hour <= 23 for hour in hours):
        errors["send_hour"] = "几点发要在 0 到 23 之间"
    elif draft.best_hour and any(hour is not None for hour in hours):
        errors["send_hour"] = "按各人的习惯发，就不能再定几点"
    if draft.winner_hours is not None:
        if not draft.others:
            errors["winner_hours"] = "只有一种，没有可比的"
        elif not 1 <= draft.winner_hours <= MOST_HOURS:
            errors["winner_hours"] = f"先看 1 到 {MOST_HOURS} 小时"
        if not 500 <= draft.pilot_bp <= 9_000:
            errors["pilot_bp"] = "先发的要占 5% 到 90%"
    return errors


def _check_caps(draft: Draft) -> dict[str, str]:
    caps = ("budget_fen", "liability_fen", "daily_people")
    errors = _wrong_caps({name: getattr(draft, name) for name in caps})
    if not 1 <= draft.expected_use_bp <= WHOLE:
        errors["expected_use_bp"] = "预计核销要在 1% 到 100% 之间"
    return errors


def _wrong_caps(caps: dict[str, int | None]) -> dict[str, str]:
    wrong = [name for name, value in caps.items() if value is not None and value <= 0]
    return dict.fromkeys(wrong, "要大于 0，不限就空着")
