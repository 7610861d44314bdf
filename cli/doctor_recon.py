"""`doctor`: up to which day each account's bill was matched with our books."""

from collections.abc import Iterator
from datetime import date, timedelta

from sqlalchemy import case, func, select
from sqlalchemy.exc import SQLAlchemyError

import gateways
from cli.findings import Finding
from core import clock
from core.config import Config
from core.database import reading
from payments.models.statements import StatementDay, StatementKind, StatementState
from payments.recon import days

MATCHED = (StatementState.matched, StatementState.differs)
LATE = timedelta(days=1)
"""A bill that comes some hours late is nothing yet."""
ADVICE = "看「资金 → 对账」里那天为什么没核，和工人进程的 payments.reconcile"
NAMES = {"wechat": "微信支付", "alipay": "支付宝", "unionpay": "银联"}


def check_recon(_config: Config) -> Iterator[Finding]:
    newest = days.newest_ready(clock.now())
    last = func.max(case((StatementDay.state.in_(MATCHED), StatementDay.day)))
    asked = select(StatementDay.channel, StatementDay.account, func.min(StatementDay.day), last)
    of_trade = asked.where(StatementDay.kind == StatementKind.trade)
    try:
        with reading() as session:
            found = session.execute(
                of_trade.group_by(StatementDay.channel, StatementDay.account)
            ).all()
    except SQLAlchemyError:
        return
    known = {(channel, account): (first, day) for channel, account, first, day in found}
    for pay, _ in gateways.cashier().list_billed():
        first, day = known.get((pay.channel, pay.account), (None, None))
        yield _say(f"{NAMES[pay.channel]} {pay.account}", first, day, newest)


def _say(name: str, first: date | None, last: date | None, newest: date) -> Finding:
    if first is None:
        return Finding("ok", f"{name} 还没到第一次对账，每天十点后核前一天")
    if last is None and first < newest - LATE:
        return Finding("warn", f"{name} 的账单一天都没核成，{first:%Y-%m-%d} 起", ADVICE)
    if last is not None and last < newest - LATE:
        return Finding("warn", f"{name} 只对账到 {last:%Y-%m-%d}", ADVICE)
    if last is None:
        return Finding("ok", f"{name} 第一份账单还在等")
    return Finding("ok", f"{name} 对账到 {last:%Y-%m-%d}")
