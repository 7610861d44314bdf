"""A refund that one asks for and another agrees to, in the chat and in the console."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import clock
from core.audit import AuditEntry
from core.database import reading, transaction
from merchants.models import Role, Staff, Store
from orders.models import Order, OrderState, PaymentState
from payments import asking
from payments.asked_models import AskedRefund, AskedState
from payments.errors import AskedBefore, RefundTooMuch
from payments.models import AttemptState, Bill, PaymentAttempt, Refund
from payments.refunding import Wanted, rules
from tests.console.conftest import _paid
from tests.factories.crm import make_member
from tests.factories.merchants import make_staff, make_store
from tests.official_account.conftest import TeaShop
from tests.official_account.test_commands import become, say
from tests.official_account.test_talking import make_clerk


def limit_chat(session: Session, staffed: TeaShop, fen: int) -> None:
    said = rules.Rules(chat_day_fen=fen)
    rules.save(session, staffed.merchant.id, said, actor="staff:1", now=clock.now())


@pytest.fixture
def staffed(tea: TeaShop) -> TeaShop:
    """小周 works here as a manager; 小陈, a clerk, asks."""
    make_clerk(tea)
    become(Role.manager)
    with transaction() as session:
        store = session.get_one(Store, tea.store.id)
        make_staff(session, tea.merchant, name="小陈", stores=(store,))
    return tea


def paid(tea: TeaShop, store: Store | None = None, fen: int = 5_200, pickup: str = "A023") -> Order:
    with transaction() as session:
        member = make_member(session, merchant=tea.merchant)
        values = {"paid_at": clock.now(), "state": OrderState.ready, "pickup_number": pickup}
        values["lines"] = (("杨枝甘露", "大杯", fen, 1),)
        return _paid(session, member, session.get_one(Store, (store or tea.store).id), values)


def ask(order: Order, fen: int = 5_200, by: str = "") -> AskedRefund:
    with transaction() as session:
        asker = session.scalars(select(Staff).where(Staff.name == "小陈")).one()
        actor = by or f"staff:{asker.id}"
        mine = session.get_one(Order, order.id)
        return asking.ask(session, mine, fen, reason="做错了", actor=actor, now=clock.now())


def refunds() -> list[tuple[int, str]]:
    with reading() as session:
        found = select(Refund.amount_fen, Refund.reason).order_by(Refund.id)
        return [(fen, reason) for fen, reason in session.execute(found)]


def state_of(asked: AskedRefund) -> tuple[AskedState, str]:
    with reading() as session:
        now = session.get_one(AskedRefund, asked.id)
        return now.state, now.via


def test_what_waits_is_listed_named_once_more_and_given_back_once(staffed: TeaShop) -> None:
    asked = ask(paid(staffed))

    told = say(staffed, "退款")
    assert told.startswith("等你点头的退款：\nA023 退 ¥52.00，做错了（小陈申请）")
    assert f"回复「同意退款 {asked.code}」或「不同意退款 {asked.code}」" in told
    once_more = say(staffed, f"同意退款 {asked.code}")
    assert once_more == (
        "A023 退 ¥52.00，做错了（小陈申请）。\n退了收不回来。回复「确认」或「取消」。"
    )
    assert refunds() == []
    assert say(staffed, "确认") == "¥52.00 正在退回，一般 1–3 分钟到账。"
    assert say(staffed, "确认") == "收到啦"
    assert say(staffed, f"同意退款 {asked.code}") == "这笔申请已经处理过了"

    assert refunds() == [(5_200, "做错了")]
    assert state_of(asked) == (AskedState.agreed, "chat")
    with reading() as session:
        acts = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert [act for act in acts if act.startswith("refund.")] == [
        "refund.ask",
        "refund.request",
        "refund.agree",
    ]


def test_a_request_may_be_refused_and_nothing_moves(staffed: TeaShop) -> None:
    asked = ask(paid(staffed))

    assert say(staffed, f"不同意退款 {asked.code}") == "没有同意，¥52.00 不退。"

    assert (refunds(), state_of(asked)) == ([], (AskedState.refused, "chat"))
    assert say(staffed, f"同意退款 {asked.code}") == "这笔申请已经处理过了"


@pytest.mark.parametrize("opened_after_the_first_word", [False, True])
def test_a_cancellation_while_the_customer_has_the_pay_page_open_is_for_the_console(
    staffed: TeaShop, opened_after_the_first_word: bool
) -> None:
    order = paid(staffed)
    with transaction() as session:
        mine = session.get_one(Order, order.id)
        mine.state, mine.payment_state = OrderState.placed, PaymentState.part_paid
        asker = session.scalars(select(Staff).where(Staff.name == "小陈")).one()
        said = {"reason": "做错了", "actor": f"staff:{asker.id}", "now": clock.now()}
        asked = asking.ask(session, mine, Wanted(cancels=True), **said)
    if opened_after_the_first_word:
        assert "退了收不回来" in say(staffed, f"同意退款 {asked.code}")
    with transaction() as session:
        rest = Bill(order_id=order.id, seq=2, amount_fen=2_000, created_at=clock.now())
        session.add(rest)
        session.flush()
        money = {"amount_fen": 2_000, "channel_fen": 2_000, "channel": "wechat"}
        times = {"created_at": clock.now(), "expires_at": clock.now()}
        live = PaymentAttempt(out_trade_no="P2", bill_id=rest.id, live=True, **money, **times)
        live.state = AttemptState.pending
        session.add(live)

    told = say(staffed, "确认" if opened_after_the_first_word else f"同意退款 {asked.code}")

    assert "顾客正打开着付款页" in told
    assert "到控制台同意 →" in told
    assert f"orders%2F{order.no}%2Fasked-refund" in told
    assert say(staffed, "确认") == "收到啦"
    assert (refunds(), state_of(asked)[0]) == ([], AskedState.pending)


def test_whoever_may_not_refund_or_works_elsewhere_finds_nothing(staffed: TeaShop) -> None:
    with transaction() as session:
        there = make_store(session, staffed.merchant, name="徐汇店")
    elsewhere, here = ask(paid(staffed, there)), ask(paid(staffed))

    assert say(staffed, f"同意退款 {elsewhere.code}") == "没有这笔退款申请"
    assert say(staffed, f"不同意退款 {elsewhere.code}") == "没有这笔退款申请"
    assert say(staffed, "同意退款 ZZZZZZ") == "没有这笔退款申请"
    become(Role.clerk)
    assert say(staffed, f"同意退款 {here.code}") == "你的账号不能做这件事，请找店长或店主。"
    assert say(staffed, "退款") == "你的账号不能做这件事，请找店长或店主。"
    assert refunds() == []
    assert state_of(elsewhere)[0] is state_of(here)[0] is AskedState.pending


def test_nobody_agrees_to_their_own_request(staffed: TeaShop) -> None:
    with reading() as session:
        mine = session.scalars(select(Staff).where(Staff.name == "小周")).one()
    asked = ask(paid(staffed), by=f"staff:{mine.id}")

    said = say(staffed, f"同意退款 {asked.code}")

    assert said == "自己申请的要别人同意，或者到订单里直接退"
    assert refunds() == []


def test_a_days_sum_bounds_what_is_agreed_to_in_the_chat(staffed: TeaShop) -> None:
    with transaction() as session:
        now = clock.now()
        rules.save(
            session, staffed.merchant.id, rules.Rules(chat_day_fen=6_000), actor="staff:1", now=now
        )
    first, second = ask(paid(staffed)), ask(paid(staffed, pickup="A024"), 900)

    say(staffed, f"同意退款 {first.code}")
    assert say(staffed, "确认").startswith("¥52.00 正在退回")
    over = say(staffed, f"同意退款 {second.code}")

    assert over.startswith("今天在聊天里还能同意 ¥8.00，这笔 ¥9.00。")
    assert "到控制台退" in over
    with transaction() as session:
        yesterday = clock.now() - timedelta(days=1)
        session.execute(update(AskedRefund).values(decided_at=yesterday))
    assert "退 ¥9.00" in say(staffed, f"同意退款 {second.code}")
    with transaction() as session:  # between the question and the word the limit was taken down
        rules.save(
            session,
            staffed.merchant.id,
            rules.Rules(chat_day_fen=0),
            actor="staff:1",
            now=clock.now(),
        )
    assert say(staffed, "确认").startswith("没有退：超过了今天在聊天里能同意的金额")
    assert refunds() == [(5_200, "做错了")]
    assert state_of(second)[0] is AskedState.pending


def test_what_was_given_back_meanwhile_is_not_given_back_again(staffed: TeaShop) -> None:
    order = paid(staffed)
    asked = ask(order)
    say(staffed, f"同意退款 {asked.code}")
    with transaction() as session:
        session.execute(update(PaymentAttempt).values(refunded_fen=5_000))

    assert say(staffed, "确认") == "没有退：退款金额超过了可退金额"
    assert refunds() == []
    assert state_of(asked)[0] is AskedState.pending


def test_an_order_has_one_open_question_of_at_most_what_is_left(staffed: TeaShop) -> None:
    order = paid(staffed)
    with pytest.raises(RefundTooMuch):
        ask(order, 5_201)
    ask(order, 100)
    with pytest.raises(AskedBefore):
        ask(order, 100)
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(AskedRefund)) == 1


def test_those_who_may_agree_hear_of_it_where_their_chat_is_open(staffed: TeaShop) -> None:
    say(staffed, "今日")
    staffed.shop.drain()

    asked = ask(paid(staffed))
    staffed.shop.drain()

    heard = staffed.shop.chat("xiaozhou")[-1]["text"]
    assert heard.startswith("A023 退 ¥52.00，做错了（小陈申请）\n回复「同意退款")
    assert asked.code in heard
