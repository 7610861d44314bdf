"""Noon: whoever may reconcile hears of a day that differs or has no bill yet; once."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, update

from core import clock, database
from core.outbox import enqueue
from merchants.models import Role
from messaging.models import MessageWindow, OutboundMessage
from payments.models.statements import StatementDay, StatementState
from tests.payments.conftest import Till
from tests.payments.test_recon import DAY, MORNING, paid, run, want
from tests.payments.test_telling import listening

BEFORE_NOON = MORNING.replace(hour=3, minute=59)
NOON = BEFORE_NOON + timedelta(minutes=1)
NAME = f"微信支付 {DAY.month} 月 {DAY.day} 日"


def open_chat(till: Till, role: Role) -> str:
    """As `listening`, in the chat since before that noon."""
    openid = listening(till, role)
    with database.transaction() as session:
        session.execute(update(MessageWindow).values(opened_at=BEFORE_NOON))
    return openid


def tell(till: Till, at: datetime, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The job at that moment; every message about this day of WeChat's that there is then."""
    with monkeypatch.context() as patched:
        patched.setattr(clock, "now", lambda: at)
        with database.transaction() as session:
            enqueue(session, "payments.tell_differences")
        assert till.run_jobs("payments.tell_differences") == ["done"]
    with database.reading() as session:
        found = session.scalars(select(OutboundMessage).order_by(OutboundMessage.id)).all()
        told = [(one.openid, str(one.payload["text"])) for one in found]
    return [(openid, text) for openid, text in told if text.startswith(NAME)]


def test_at_noon_a_day_that_differs_is_told_once(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = open_chat(till, Role.owner)
    open_chat(till, Role.clerk)
    order = paid(till, 2_500)
    number = till.attempts(order)[0].out_trade_no
    till.channel.world.bills.wrongs.amounts_fen = {number: 2_600}
    day = run(till)
    assert day.state is StatementState.differs

    assert tell(till, BEFORE_NOON, monkeypatch) == []
    assert told_at(day) is None
    first = tell(till, NOON, monkeypatch)

    text = f"{NAME}对账有 1 笔对不上，到控制台「资金 → 对账」看看，每笔都写着怎么办。"
    fund = f"{NAME}的账单到中午还没核完，到控制台「资金 → 对账」看看。"
    assert sorted(first) == sorted([(owner, text), (owner, fund)])
    assert told_at(day) == NOON
    assert tell(till, NOON + timedelta(hours=1), monkeypatch) == first


def test_at_noon_a_bill_that_has_not_come_is_told_and_one_that_agrees_is_not(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = open_chat(till, Role.owner)
    paid(till, 2_500)
    want(till, MORNING)

    told = tell(till, NOON, monkeypatch)

    late = f"{NAME}的账单到中午还没核完，到控制台「资金 → 对账」看看。"
    assert set(told) == {(owner, late)}


def test_a_bill_that_came_late_and_differs_is_told_as_late_and_then_as_different(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = open_chat(till, Role.owner)
    order = paid(till, 2_500)
    number = till.attempts(order)[0].out_trade_no
    till.channel.world.bills.wrongs.amounts_fen = {number: 2_600}
    want(till, MORNING)
    late = f"{NAME}的账单到中午还没核完，到控制台「资金 → 对账」看看。"
    assert set(tell(till, NOON, monkeypatch)) == {(owner, late)}
    before = tell(till, NOON, monkeypatch)

    day = run(till)
    assert (day.state, told_at(day)) == (StatementState.differs, None)
    after = tell(till, NOON + timedelta(hours=1), monkeypatch)

    text = f"{NAME}对账有 1 笔对不上，到控制台「资金 → 对账」看看，每笔都写着怎么办。"
    assert after == [*before, (owner, text)]
    assert tell(till, NOON + timedelta(hours=2), monkeypatch) == after


def test_who_could_not_be_told_of_a_late_day_hears_when_it_differs(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account that several merchants share: whose day is late is nobody's news."""
    owner = open_chat(till, Role.owner)
    order = paid(till, 2_500)
    number = till.attempts(order)[0].out_trade_no
    till.channel.world.bills.wrongs.amounts_fen = {number: 2_600}
    want(till, MORNING)
    with database.transaction() as session:
        session.execute(update(StatementDay).values(merchant_id=None))

    assert tell(till, NOON, monkeypatch) == []
    with database.reading() as session:
        assert set(session.scalars(select(StatementDay.told_at))) == {None}
    run(till)

    text = f"{NAME}对账有 1 笔对不上，到控制台「资金 → 对账」看看，每笔都写着怎么办。"
    assert tell(till, NOON + timedelta(hours=1), monkeypatch) == [(owner, text)]


def test_at_noon_a_day_that_agrees_is_no_news(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    open_chat(till, Role.owner)
    paid(till, 2_500)
    day = run(till)
    assert day.state is StatementState.matched

    tell(till, NOON, monkeypatch)

    assert told_at(day) is None


def told_at(day: StatementDay) -> datetime | None:
    with database.reading() as session:
        return session.scalar(select(StatementDay.told_at).where(StatementDay.id == day.id))
