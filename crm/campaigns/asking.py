"""The question to those who may agree to a large campaign, in the chat with the account."""

from datetime import datetime

from sqlalchemy.orm import Session

from core.config import current_config
from core.money import format_yuan
from crm.campaigns import approvals
from crm.models import Approval, ApprovalState, Campaign
from merchants.models import Staff
from merchants.roles import may
from messaging import questions
from messaging.words import plain


def tell_approvers(session: Session, approval_id: int, *, now: datetime) -> int:
    """Prepare a message for each who may agree and has an open chat; how many that are."""
    approval = session.get_one(Approval, approval_id)
    if approval.state is not ApprovalState.pending:
        return 0
    return questions.put(
        session,
        approval.merchant_id,
        to=lambda staff: (
            may(staff.role, "campaigns.launch")
            and not approvals.is_own(session, approval, f"staff:{staff.id}")
        ),
        text=_question(session, approval),
        key=f"approval:{approval.id}",
        now=now,
    )


def _question(session: Session, approval: Approval) -> str:
    campaign = session.get_one(Campaign, approval.campaign_id)
    kind, _, number = approval.requested_by.partition(":")
    asker = session.get(Staff, int(number)) if kind == "staff" and number.isdigit() else None
    link = f"{current_config().app.base_url}/console/campaigns/{campaign.id}"
    who = plain(asker.name) if asker else "同事"
    return (
        f"{who}想发活动「{plain(campaign.name)}」：约 {approval.people:,} 人，"
        f"预计最多 {format_yuan(approval.cost_fen, symbol=True)}。\n"
        f"同意就回「同意 {approval.code}」，不行就回「不同意 {approval.code}」。\n"
        f"细节：{link}"
    )
