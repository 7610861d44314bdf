"""活动: campaigns that wait for a word."""

from core.money import format_yuan
from crm.campaigns import approvals
from crm.models import Campaign
from messaging.words import plain
from official_account.commands import refunding
from official_account.commands.asking import Asker

MOST = 5


def waiting(asker: Asker, _more: str) -> str:
    """Campaigns that wait for somebody else's word, each with its code; and refunds below, for
    whoever has a word in them."""
    found = approvals.list_open(asker.session, asker.merchant_id, asker.actor)[:MOST]
    lines = ["没有等你点头的活动。"] if not found else ["等你点头："]
    for each in found:
        campaign = asker.session.get_one(Campaign, each.campaign_id)
        lines.append(
            f"「{plain(campaign.name)}」发给 {each.people:,} 人，"
            f"最多花 ¥{format_yuan(each.cost_fen)}\n"
            f"回复「同意 {each.code}」或「不同意 {each.code}」\n"
            + asker.console("先看看 →", f"/console/campaigns/{campaign.id}")
        )
    asker.note("chat.campaigns", f"merchant:{asker.merchant_id}", {"people": len(found)})
    if asker.may("orders.refund"):
        lines.append(refunding.waiting(asker, ""))
    return "\n".join(lines)


def agree(asker: Asker, code: str) -> str:
    approval = approvals.find_by_code(asker.session, asker.merchant_id, code)
    campaign = approvals.approve(asker.session, approval, staff=asker.staff, now=asker.now)
    there = asker.console("去启动 →", f"/console/campaigns/{campaign.id}")
    return f"同意了「{plain(campaign.name)}」。{there}"


def refuse(asker: Asker, code: str) -> str:
    approval = approvals.find_by_code(asker.session, asker.merchant_id, code)
    campaign = approvals.refuse(asker.session, approval, staff=asker.staff, now=asker.now)
    return f"没有同意「{plain(campaign.name)}」，它还是草稿。"
