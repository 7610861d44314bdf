"""A file of members from another system that the demo's owner has looked at, not yet brought."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.clock import business_day
from crm.importing import making, reading
from merchants.models import Merchant, Staff

LINES = (
    "手机号,姓名,会员等级,积分,积分到期,储值本金,储值赠送,营销消息,上次消费",
    "13761204417,顾北辰,银毫,1280,{until},200.00,20.00,接受,2026-10-02",
    "18621177733,陈思雨,,640,{until},,,不接受,2026-09-18",
    "13916403097,傅青,金芽,3102,{until},500.00,80.00,接受,2026-11-01",
    "1391640309,少一位的,,50,,,,,",
    "15021189921,程野,钻石,120,,,,接受,2026-08-30",
    "18017526402,夏知微,,86,,50.00,,,2026-10-20",
)


def look(session: Session, merchant: Merchant, now: datetime) -> None:
    """Four people with what they had there, and two lines that have to be mended."""
    owner = session.scalars(select(Staff).where(Staff.username == "owner")).one()
    until = business_day(now) + timedelta(days=200)
    text = "\n".join(LINES).format(until=until.isoformat())
    making.keep(
        session,
        merchant.id,
        name="有赞会员.csv",
        raw=text.encode(),
        file=reading.read(session, merchant.id, text, now),
        actor=f"staff:{owner.id}",
        now=now - timedelta(hours=2),
    )
