"""A second person's word for a large campaign: asked for, given or refused, once.

The same verbs serve the console and the chat, where the code of the request stands for it. Nobody
agrees to what they asked for, wrote or changed last themselves, and only whoever may launch may
agree.
"""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import audit
from core.database import claim
from core.numbers import random_code
from core.outbox import enqueue
from crm.campaigns import moving
from crm.campaigns.thresholds import Size
from crm.errors import ApprovalNotFound, ApprovalOver, ApprovalOwn, CampaignMoved
from crm.models import NEXT_APPROVAL, Approval, ApprovalState, Campaign, CampaignState
from merchants.models import Staff
from merchants.roles import may

CODE_LENGTH = 6
_ASKABLE = (CampaignState.draft, CampaignState.paused)


def request(
    session: Session, campaign: Campaign, size: Size, *, actor: str, now: datetime
) -> Approval:
    """Ask for the word; the open request if there is one. A job tells those who may give it.

    Raises CampaignMoved unless the campaign is a draft, or was paused for want of this word.
    """
    if campaign.state not in _ASKABLE:
        raise CampaignMoved
    open_one = find_open(session, campaign.id)
    if open_one is not None:
        return open_one
    approval = Approval(
        code=random_code(CODE_LENGTH),
        campaign_id=campaign.id,
        merchant_id=campaign.merchant_id,
        people=size.people,
        cost_fen=size.cost_fen,
        state=ApprovalState.pending,
        requested_by=actor,
        requested_at=now,
    )
    session.add(approval)
    session.flush()
    _audit(session, approval, "campaign.approval_asked", actor, now)
    enqueue(session, "crm.ask_approval", approval_id=approval.id)
    return approval


def approve(session: Session, approval: Approval, *, staff: Staff, now: datetime) -> Campaign:
    """pending → approved, and the draft with it. Raises ApprovalOwn, ApprovalOver."""
    _check(session, approval, staff)
    _move(session, approval, ApprovalState.approved, staff, "", now)
    campaign = session.get_one(Campaign, approval.campaign_id, populate_existing=True)
    if campaign.state is CampaignState.draft:
        moving.approve(session, campaign, actor=f"staff:{staff.id}", now=now)
    return campaign


def refuse(
    session: Session, approval: Approval, *, staff: Staff, reason: str = "", now: datetime
) -> Campaign:
    """pending → refused; the campaign stays where it is. Raises ApprovalOwn, ApprovalOver."""
    _check(session, approval, staff)
    _move(session, approval, ApprovalState.refused, staff, reason, now)
    return session.get_one(Campaign, approval.campaign_id)


def find_by_code(session: Session, merchant_id: int, code: str) -> Approval:
    """Raises ApprovalNotFound; another merchant's is not found."""
    found = select(Approval).where(
        Approval.merchant_id == merchant_id, Approval.code == code.strip().upper()[:32]
    )
    approval = session.scalars(found).one_or_none()
    if approval is None:
        raise ApprovalNotFound
    return approval


def find_open(session: Session, campaign_id: int) -> Approval | None:
    return session.scalar(
        select(Approval).where(
            Approval.campaign_id == campaign_id, Approval.state == ApprovalState.pending
        )
    )


def list_open(session: Session, merchant_id: int, actor: str) -> list[Approval]:
    """What waits for the word of somebody who may launch; not what is their own."""
    found = (
        select(Approval)
        .join(Campaign, Campaign.id == Approval.campaign_id)
        .where(
            Approval.merchant_id == merchant_id,
            Approval.state == ApprovalState.pending,
            Approval.requested_by != actor,
            Campaign.created_by != actor,
            Campaign.changed_by != actor,
        )
    )
    return list(session.scalars(found.order_by(Approval.id)))


def latest(session: Session, campaign_id: int) -> Approval | None:
    found = select(Approval).where(Approval.campaign_id == campaign_id)
    return session.scalar(found.order_by(Approval.id.desc()).limit(1))


def is_own(session: Session, approval: Approval, actor: str) -> bool:
    """Whether this is who asked for the word, wrote the campaign or changed it last."""
    campaign = session.get_one(Campaign, approval.campaign_id)
    return actor in (approval.requested_by, campaign.created_by, campaign.changed_by)


def _check(session: Session, approval: Approval, staff: Staff) -> None:
    if staff.merchant_id != approval.merchant_id or not may(staff.role, "campaigns.launch"):
        raise ApprovalNotFound
    if is_own(session, approval, f"staff:{staff.id}"):
        raise ApprovalOwn


def _move(
    session: Session,
    approval: Approval,
    to: ApprovalState,
    staff: Staff,
    reason: str,
    now: datetime,
) -> None:
    sources = [state for state, targets in NEXT_APPROVAL.items() if to in targets]
    actor = f"staff:{staff.id}"
    decided = {"decided_by": actor, "decided_at": now, "reason": reason[:255]}
    moving_on = update(Approval).where(Approval.id == approval.id, Approval.state.in_(sources))
    moved = claim(session, moving_on.values(state=to, **decided))
    session.refresh(approval)
    if not moved:
        raise ApprovalOver
    _audit(session, approval, f"campaign.approval_{to.value}", actor, now)


def _audit(session: Session, approval: Approval, action: str, actor: str, now: datetime) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"campaign:{approval.campaign_id}",
        before={},
        after={"people": approval.people, "cost_fen": approval.cost_fen},
        merchant_id=approval.merchant_id,
        reason=approval.reason,
        now=now,
    )
