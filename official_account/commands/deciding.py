"""活动 and 退款: what waits for a word. A campaign is decided here, money in the console."""

from datetime import timedelta

from sqlalchemy import func, select

from analytics import day
from core.money import format_yuan
from crm.campaigns import approvals
from crm.models import Campaign
from messaging.words import plain
from official_account.commands.asking import Asker
from orders.models import Order
from payments.models import Refund, RefundState

MOST = 5
LATELY = timedelta(days=30)


def waiting(asker: Asker, _more: str) -> str:
    """Campaigns that wait for somebody else's word, each with its code; and refunds below."""
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
    return "\n".join([*lines, refunds(asker, "")])


def agree(asker: Asker, code: str) -> str:
    approval = approvals.find_by_code(asker.session, asker.merchant_id, code)
    campaign = approvals.approve(asker.session, approval, staff=asker.staff, now=asker.now)
    there = asker.console("去启动 →", f"/console/campaigns/{campaign.id}")
    return f"同意了「{plain(campaign.name)}」。{there}"


def refuse(asker: Asker, code: str) -> str:
    approval = approvals.find_by_code(asker.session, asker.merchant_id, code)
    campaign = approvals.refuse(asker.session, approval, staff=asker.staff, now=asker.now)
    return f"没有同意「{plain(campaign.name)}」，它还是草稿。"


def refunds(asker: Asker, _more: str) -> str:
    """How many are on their way or stuck. To give money back needs a proof: the console."""
    stores = asker.store_ids
    going = select(func.count(), func.coalesce(func.sum(Refund.amount_fen), 0)).join(
        Order, Order.id == Refund.order_id
    )
    number, fen = asker.session.execute(
        going.where(
            Order.store_id.in_(stores),
            Refund.state.in_((RefundState.requested, RefundState.processing)),
        )
    ).one()
    stuck = day.stuck_refunds(asker.session, stores, asker.now - LATELY)
    words = f"{number} 笔退款在路上，共 ¥{format_yuan(int(fen))}" if number else "没有在路上的退款"
    if stuck:
        words += f"；{stuck} 笔没退成，要再退一次"
    return f"{words}。{asker.console('到订单里退款 →', '/console/orders/?tab=cancelled')}"
