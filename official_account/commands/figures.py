"""今日: what happened so far today, in the stores that somebody works in."""

from datetime import datetime

from sqlalchemy import func, select

from analytics import day
from core.clock import business_day, day_bounds
from core.money import format_yuan
from coupons.models import Coupon
from official_account.commands.asking import Asker


def today(asker: Asker, _more: str) -> str:
    """Orders for a clerk; takings besides, for whoever may see reports."""
    begin, end = day_bounds(business_day(asker.now))
    stores = asker.store_ids
    if not stores:
        return "你还没有分到门店。"
    found = day.takings(asker.session, stores, begin, end)
    number, _ = day.waiting(asker.session, stores)
    lines = [f"今天 {found.orders} 单"]
    if asker.may("reports.view"):
        lines[0] += f"，实收 ¥{format_yuan(found.live_fen)}"
        if found.orders:
            lines.append(f"平均一单 ¥{format_yuan(found.average_fen)}")
        joined, _ = day.new_members(asker.session, asker.merchant_id, begin, end)
        lines.append(f"新会员 {joined} 位，核销 {_redeemed(asker, begin, end)} 张券")
    lines.append(f"{number} 单等着接" if number else "没有等着接的单")
    lines.append(asker.console("看订单 →", "/console/orders/"))
    asker.note("chat.today", f"merchant:{asker.merchant_id}")
    return "\n".join(lines)


def _redeemed(asker: Asker, begin: datetime, end: datetime) -> int:
    found = select(func.count()).where(
        Coupon.store_id.in_(asker.store_ids), Coupon.redeemed_at >= begin, Coupon.redeemed_at < end
    )
    return asker.session.scalar(found) or 0
