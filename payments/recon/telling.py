"""Noon: a day whose bill has not come, or that differs, reaches whoever may look into it: once as
late, once as different."""

from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.clock import business_day, local
from core.database import claim
from merchants.roles import may
from messaging import questions
from payments.models.statements import (
    Discrepancy,
    DiscrepancyState,
    StatementDay,
    StatementState,
)
from payments.recon import days

CHANNELS = {"wechat": "微信支付", "alipay": "支付宝", "unionpay": "银联", "none": "店里自己的账"}
# A day that long ago is in the inbox, and no news.
NEWS = timedelta(days=3)


def tell(session: Session, *, now: datetime) -> int:
    """How many messages were prepared."""
    if local(now).hour < days.NOON:
        return 0
    late = (StatementState.wanted, StatementState.fetched, StatementState.differs)
    found = select(StatementDay).where(
        StatementDay.state.in_(late),
        StatementDay.day >= business_day(now) - NEWS,
        StatementDay.told_at.is_(None),
    )
    return sum(_tell(session, day, now) for day in session.scalars(found.order_by(StatementDay.id)))


def _tell(session: Session, day: StatementDay, now: datetime) -> int:
    words = _words(session, day)
    if not words:
        return 0  # nothing yet that concerns anybody
    mine = update(StatementDay).where(StatementDay.id == day.id, StatementDay.told_at.is_(None))
    if not claim(session, mine.values(told_at=now)):
        return 0  # another copy of the job tells of it
    news = "differs" if day.state is StatementState.differs else "late"
    return sum(
        questions.put(
            session,
            merchant_id,
            to=lambda staff: may(staff.role, "money.reconcile"),
            text=text,
            key=f"statement_day:{day.id}:{news}:{merchant_id}",
            now=now,
        )
        for merchant_id, text in words.items()
    )


def _words(session: Session, day: StatementDay) -> dict[int, str]:
    """To each merchant that it is about, what is the matter."""
    name = f"{CHANNELS.get(day.channel, day.channel)} {day.day.month} 月 {day.day.day} 日"
    if day.state is not StatementState.differs:
        if day.merchant_id is None:
            return {}
        return {day.merchant_id: f"{name}的账单到中午还没核完，到控制台「资金 → 对账」看看。"}
    counted = (
        select(func.coalesce(Discrepancy.merchant_id, day.merchant_id), func.count())
        .where(Discrepancy.day_id == day.id, Discrepancy.state == DiscrepancyState.open)
        .group_by(Discrepancy.merchant_id)
    )
    number: dict[int, int] = {}
    for merchant_id, count in session.execute(counted):
        if merchant_id is not None:
            number[int(merchant_id)] = number.get(int(merchant_id), 0) + count
    return {
        merchant_id: (
            f"{name}对账有 {count} 笔对不上，到控制台「资金 → 对账」看看，每笔都写着怎么办。"
        )
        for merchant_id, count in number.items()
    }
