"""WeChat's own card of a paid order: put up once, brought on as the order moves, no advert."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core import clock
from core.config import ServiceCards
from core.database import claim, reading, transaction
from crm.models import Member
from gateways.wechat.card_events import CardLost
from messaging import ledger
from messaging.cards import content, keeping, notices, queries, remote
from messaging.cards.content import Goods, Progress
from messaging.cards.models import CardState, ServiceCard
from orders import handover
from orders.models import Order, OrderLine
from tests.payments.conftest import MINI, Till
from tests.payments.test_balance import mixed, top_up
from tests.payments.test_paying import open_sheet

JOBS = ("orders.after_paid", "orders.show_card", "messaging.show_card")
LINE = Goods("杨枝甘露", "https://shop.example/tea.png", "pages/menu/menu", 2, 2200)


def ordered(till: Till, name: str = "杨枝甘露") -> Order:
    order = till.order(2500)
    with transaction() as session:
        line = {"name": name, "quantity": 1, "unit_fen": 2500, "amount_fen": 2500}
        session.add(OrderLine(order_id=order.id, position=0, payable_fen=2500, **line))
    return order


def pay(till: Till, name: str = "杨枝甘露") -> Order:
    order = ordered(till, name)
    till.channel.pay(open_sheet(till, order))
    till.deliver(till.channel.next_notice())
    return order


def work(till: Till) -> None:
    while set(till.queued()) & set(JOBS):
        till.run_jobs(*JOBS)


def act(order: Order, verb: Any, **values: Any) -> None:
    with transaction() as session:
        fresh = session.get_one(Order, order.id)
        verb(session, fresh, actor="staff:1", now=clock.now(), **values)


def card() -> ServiceCard:
    with reading() as session:
        return session.scalars(select(ServiceCard)).one()


def shown(till: Till) -> list[dict[str, Any]]:
    person = till.channel.world.people.get("aqing")
    told = till.channel.world.chats.list(person, MINI)
    return [each for each in told if each["kind"] == "card"]


def test_a_paid_order_has_one_card_that_follows_it_to_the_end(till: Till) -> None:
    order = pay(till)
    work(till)

    (first,) = shown(till)
    assert (first["title"], first["rows"][-1], first["path"]) == (
        "已付款",
        ["商品", "杨枝甘露"],
        f"/pages/order/order?no={order.no}",
    )
    act(order, handover.accept)
    act(order, handover.start)
    work(till)
    assert [each["title"] for each in shown(till)] == ["制作中"]
    act(order, handover.ready)
    work(till)
    assert [each["title"] for each in shown(till)] == ["请来取"]
    assert card().state is CardState.live
    act(order, handover.complete, code=order.pickup_code)
    work(till)

    assert [each["title"] for each in shown(till)] == ["已取走"]
    done = card()
    assert (done.state, done.wanted, done.shown, done.errcode) == (CardState.over, 5, 5, None)
    assert done.code == till.attempts(order)[0].transaction_id


def test_the_card_tells_what_wechat_took_and_not_what_the_balance_paid(till: Till) -> None:
    top_up(till)
    order = ordered(till)
    till.channel.pay(till.open(order, mixed(till)))
    till.deliver(till.channel.next_notice())
    work(till)

    attempt = till.attempts(order)[-1]
    assert attempt.balance_fen > 0
    assert card().amount_fen == attempt.channel_fen == 2500 - attempt.balance_fen


def test_jobs_that_come_in_the_wrong_order_leave_the_card_at_the_last_step(till: Till) -> None:
    order = pay(till)
    act(order, handover.accept)
    act(order, handover.ready)
    work(till)
    with transaction() as session:
        late = Progress("accepted", "pages/order/order", "A1", [LINE])
        paid = keeping.Paid(MINI, card().openid, card().code, 2500, card().paid_at)
        keeping.keep(session, order.merchant_id, order.id, 2007, paid, late, now=clock.now())

    assert remote.show(card().id) is False
    assert (card().wanted, card().content["cur_status"]) == (4, 3)
    assert [each["title"] for each in shown(till)] == ["请来取"]


def test_a_card_that_comes_late_begins_at_the_beginning(till: Till) -> None:
    order = pay(till)
    act(order, handover.accept)
    act(order, handover.ready)
    till.run_jobs("orders.show_card")
    assert (card().shown, card().wanted) == (0, 4)

    assert remote.show(card().id) is True
    assert ([each["title"] for each in shown(till)], card().shown) == (["制作中"], 2)
    assert remote.show(card().id) is True
    assert ([each["title"] for each in shown(till)], card().shown) == (["请来取"], 4)
    assert remote.show(card().id) is False


def test_what_is_cancelled_before_it_was_shown_gets_no_card(till: Till) -> None:
    pay(till)
    till.run_jobs("orders.after_paid")
    till.run_jobs("orders.show_card")
    with transaction() as session:
        claim(session, update(ServiceCard).values(wanted=content.CANCELLED))

    assert remote.show(card().id) is False
    assert (card().state, card().shown, shown(till)) == (CardState.over, 0, [])


def test_a_ledger_tells_of_live_cards_until_they_are_over(till: Till) -> None:
    order = pay(till)
    act(order, handover.accept)
    work(till)
    now = clock.now()
    with reading() as session:
        member = session.get_one(Member, order.member_id)
        openid = card().openid
        assert ledger.of_person(session, order.merchant_id, member.person_id, now).cards == []
        known = queries.live_of(session, [MINI], [openid], now)
        assert known == [queries.LiveCard(2007, "accepted", card().paid_at + timedelta(days=30))]
        assert queries.live_of(session, [MINI], [openid], now + timedelta(days=31)) == []
        assert queries.totals_of(session, order.merchant_id, now) == queries.CardTotals(1, 0, {})


def test_an_answer_that_was_lost_is_asked_after_and_not_taken_for_a_refusal(till: Till) -> None:
    pay(till)
    till.channel.fault(api="api.set_user_notify", kind="drop_after", times=1)
    till.run_jobs("orders.after_paid")
    till.run_jobs("orders.show_card")

    assert till.run_jobs("messaging.show_card") == ["later"]
    assert card().state is CardState.waiting
    work(till)

    assert (card().state, card().shown, card().errcode) == (CardState.live, 1, None)
    assert len(shown(till)) == 1


@pytest.mark.parametrize("trouble", [{"kind": "drop_after"}, {"kind": "error", "errcode": -1}])
def test_a_card_is_not_given_up_because_nobody_could_tell_whether_it_stands(
    till: Till, trouble: dict[str, Any]
) -> None:
    pay(till)
    till.channel.fault(api="api.set_user_notify", kind="drop_after", times=1)
    till.run_jobs("orders.after_paid")
    till.run_jobs("orders.show_card")
    assert till.run_jobs("messaging.show_card") == ["later"]
    till.channel.fault(api="api.get_user_notify", times=1, **trouble)

    assert till.run_jobs("messaging.show_card") == ["later"]
    assert card().state is CardState.waiting
    work(till)

    assert (card().state, card().shown, len(shown(till))) == (CardState.live, 1, 1)


def test_a_payment_that_wechat_does_not_know_yet_is_asked_for_again_in_a_minute(till: Till) -> None:
    pay(till)
    till.channel.fault(api="api.set_user_notify", kind="error", errcode=85437, times=1)
    till.run_jobs("orders.after_paid")
    till.run_jobs("orders.show_card")

    assert till.run_jobs("messaging.show_card") == ["later"]
    assert (card().state, shown(till)) == (CardState.waiting, [])
    work(till)
    assert (card().state, len(shown(till))) == (CardState.live, 1)


def test_the_older_a_payment_that_nobody_knows_the_longer_is_waited() -> None:
    waits = [remote.NotKnownYet(timedelta(seconds=age)).seconds for age in (1, 240, 3_600, 86_000)]

    assert waits == [60, 60, 900, 21_500]


def test_who_does_not_want_cards_ends_theirs(till: Till) -> None:
    pay(till)
    work(till)
    till.channel.world.notifies.refusing.add(card().openid)
    with transaction() as session:
        claim(
            session,
            update(ServiceCard).values(wanted=4, content={**card().content, "cur_status": 3}),
        )
    remote.show(card().id)
    till.deliver(till.channel.next_notice())

    lost = card()
    assert (lost.state, lost.reason, lost.errcode) == (
        CardState.failed,
        "本人关掉了服务卡片",
        -1004,
    )
    assert [each["title"] for each in shown(till)] == ["已付款"]


def test_what_wechat_could_not_deliver_is_said_once_more(till: Till) -> None:
    pay(till)
    work(till)
    before = card()
    told = CardLost(before.openid, before.code, 1, -10001)
    with transaction() as session:
        notices.act(session, MINI, told, now=clock.now())
        notices.act(
            session,
            "wx-somebody-else",
            CardLost(before.openid, before.code, 1, -1004),
            now=clock.now(),
        )

    assert (card().again, card().lost, card().state) == (True, 1, CardState.live)
    work(till)
    assert (card().again, card().shown, card().state) == (False, 1, CardState.live)


def test_adverts_in_a_card_are_refused(till: Till) -> None:
    pay(till, name="特 价 柠檬茶")
    work(till)

    assert (card().state, card().reason, shown(till)) == (CardState.failed, "advert：特价", [])


def test_a_day_after_the_payment_no_card_is_put_up(till: Till) -> None:
    pay(till)
    till.run_jobs("orders.after_paid")
    till.run_jobs("orders.show_card")
    with transaction() as session:
        claim(session, update(ServiceCard).values(paid_at=clock.now() - timedelta(hours=25)))

    till.run_jobs("messaging.show_card")

    assert (card().state, card().reason, shown(till)) == (CardState.failed, "late", [])


def test_two_who_would_tell_wechat_at_once_are_one(till: Till) -> None:
    pay(till)
    till.run_jobs("orders.after_paid")
    till.run_jobs("orders.show_card")
    with transaction() as session:
        assert keeping.take(session, card().id, now=clock.now()) is not None
    with transaction() as session, pytest.raises(keeping.CardBusy):
        keeping.take(session, card().id, now=clock.now())
    with transaction() as session:
        later = clock.now() + keeping.CUT_OFF + timedelta(seconds=1)
        assert keeping.take(session, card().id, now=later) is not None


def test_where_no_mini_program_has_cards_nothing_is_asked(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "are_on", lambda: False)
    pay(till)
    till.run_jobs("orders.after_paid")

    assert not {"orders.show_card", "messaging.show_card"} & set(till.queued())


@pytest.mark.parametrize(("kind", "ready", "own"), [(2002, 4, set()), (2007, 3, {"queue_number"})])
def test_what_a_card_says_is_built_by_its_kind(kind: int, ready: int, own: set[str]) -> None:
    settings = ServiceCards(pickup=2007, image="https://shop.example/none.png")
    plain = Goods("纸袋", "", "pages/menu/menu", 1, 0)

    said = content.build(settings, kind, Progress("ready", "pages/x", "A012", [LINE, plain]))

    assert (said["cur_status"], said["product_count"], said["wxa_path_query"]) == (
        ready,
        3,
        "pages/x",
    )
    assert [each["product_img"] for each in said["product_list"]["info_list"]] == [
        "https://shop.example/tea.png",
        "https://shop.example/none.png",
    ]
    assert (
        set(said)
        - {
            "cur_status",
            "product_count",
            "product_list",
            "wxa_path_query",
            "min_wait_time",
            "max_wait_time",
        }
        == own
    )


def test_the_numbers_of_the_steps_can_be_corrected() -> None:
    corrected = ServiceCards(pickup=2007, statuses={"2007": {"ready": 9}})

    assert content.status_of(corrected, 2007, content.rank_of("ready")) == 9
    assert content.status_of(corrected, 2007, content.rank_of("paid")) == 1
