"""`doctor`: whether anybody's money comes in on somebody else's account, and whether days close."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from cli.findings import Finding
from core import clock
from core.clock import business_day
from core.config import Config
from core.database import reading
from merchants.models import Merchant
from payments import proof
from payments.models import DayState, SettlementDay
from payments.settlement import lawful

LATE = timedelta(days=3)


def check_settlement(_config: Config) -> Iterator[Finding]:
    now = clock.now()
    try:
        with reading() as session:
            shared = lawful.shared_by(session)
            names = session.scalars(select(Merchant.name).where(Merchant.id.in_(shared))).all()
            waiting = session.scalar(
                select(SettlementDay.day)
                .where(SettlementDay.state == DayState.open)
                .order_by(SettlementDay.day)
                .limit(1)
            )
            proven = proof.latest(session)
    except SQLAlchemyError:
        return
    if names:
        yield Finding(
            "fail",
            f"几家商户的钱收在同一个商户号里：{'、'.join(names)}。代收再转付是二清，要支付牌照",
            "给每家配自己的商户号，或用服务商模式给每家一个 sub_mchid，merchant 写它的代码",
        )
    if waiting is not None and waiting < business_day(now) - LATE:
        yield Finding(
            "warn",
            f"{waiting:%Y-%m-%d} 的日结单还没结",
            "看工人进程和 payments.settle_days 的任务",
        )
    if proven is not None and not proof.is_proven(proven):
        wrong = {name: ids for name, ids in proven.wrong.items() if ids}
        yield Finding("fail", f"最近一次核账有对不上的：{wrong}", "看日志里的 books_wrong")
