"""The counter: accept, make ready, hand over against the code, cancel, refund."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from core.audit import AuditEntry
from core.database import reading, transaction
from core.lockouts import Lockout
from core.outbox import OutboxJob
from orders import paying
from orders.errors import WrongState
from orders.models import DiscountKind, Order, OrderDiscount, OrderState, PaymentState
from payments import cancelling, refunding
from payments.models import Bill, PaymentAttempt, Refund, RefundState
from payments.refunding import rules
from tests.console.conftest import PASSWORD, Chain


def state_of(order: Order) -> OrderState:
    with reading() as session:
        return session.get_one(Order, order.id).state


def jobs() -> list[str]:
    with reading() as session:
        return sorted(session.scalars(select(OutboxJob.name)))


def test_the_list_shows_what_to_make_and_for_whom(chain: Chain) -> None:
    member = chain.member("苏晚", orders_count=1)
    chain.order(
        member=member,
        pickup_number="A086",
        note="一杯不要吸管",
        paid_at=chain.now - timedelta(minutes=5),
        lines=(("生椰拿铁", "大杯", 2200, 2), ("黄油可颂", "", 1600, 1)),
    )

    page = chain.browser("clerk").get("/orders/").text

    for text in (
        "A086",
        "苏晚",
        "首单",
        "自取",
        "静安寺店",
        "生椰拿铁",
        "大杯 · 少冰 · 半糖",
        "×2",
        "黄油可颂",
        "备注：一杯不要吸管",
        "60.00",
        "待接单",
        "5 分钟，该接了",
        "1 单待接",
    ):
        assert text in page, text


def test_tabs_hold_their_states_and_counts(chain: Chain) -> None:
    for number, state in enumerate(OrderState):
        chain.order(state=state, pickup_number=f"S{number}")
    clerk = chain.browser("clerk")

    expected = {"open": "S0S1S2S3", "placed": "S0", "making": "S1S2", "ready": "S3", "done": "S4"}
    for tab, numbers in {**expected, "cancelled": "S5"}.items():
        page = clerk.get(f"/orders/?tab={tab}").text
        assert "".join(f"S{n}" for n in range(6) if f">S{n}</a>" in page) == numbers, tab
    assert "待处理 <b>4</b>" in clerk.get("/orders/").text


def test_an_order_goes_from_the_list_to_the_customers_hands(chain: Chain) -> None:
    order = chain.order(pickup_code="482913")
    clerk = chain.browser("clerk")

    accepted = clerk.touch(f"/orders/{order.no}/accept")
    assert accepted.status_code == 204
    assert '"orders"' in accepted.headers["HX-Trigger"]
    assert state_of(order) is OrderState.accepted

    ready = clerk.post(f"/orders/{order.no}/ready")
    assert (ready.status_code, ready.location) == (303, f"/console/orders/{order.no}")
    assert state_of(order) is OrderState.ready
    assert "orders.after_ready" in jobs()

    done = clerk.post(f"/orders/{order.no}/hand-over", code="482 913")
    assert done.status_code == 303
    assert state_of(order) is OrderState.completed
    with reading() as session:
        actions = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
    assert actions[-3:] == ["order.accepted", "order.ready", "order.completed"]


def test_a_wrong_code_hands_nothing_over_and_is_counted(chain: Chain) -> None:
    order = chain.order(state=OrderState.ready, pickup_code="482913")

    answer = chain.browser("clerk").post(f"/orders/{order.no}/hand-over", code="000000")

    assert answer.status_code == 422
    assert "取餐码不对，请顾客再出示一次" in answer.text
    assert state_of(order) is OrderState.ready
    with reading() as session:
        lockout = session.scalars(select(Lockout).where(Lockout.subject.like("pickup:%"))).one()
    assert lockout.failures == 1


def test_the_second_to_accept_is_told(chain: Chain) -> None:
    order = chain.order()
    chain.browser("manager").post(f"/orders/{order.no}/accept")

    answer = chain.browser("clerk").post(f"/orders/{order.no}/accept")

    assert answer.status_code == 409
    assert "订单状态已经变了" in answer.text


def test_a_clerk_turns_a_new_order_down_and_all_the_money_goes_back(chain: Chain) -> None:
    order = chain.order()
    clerk = chain.browser("clerk")

    small = chain.merchant_id, rules.Rules(clerk_fen=2600)
    with chain.writing() as session:
        rules.save(session, *small, actor="staff:1", now=chain.now)

    asked = clerk.get(f"/orders/{order.no}/cancel").text
    answer = clerk.post(
        f"/orders/{order.no}/cancel", reason="原料用完了", other="芒果没了", key="k1"
    )

    assert "库存会还回去。取消后不能恢复" in asked
    assert "登录密码" not in asked
    assert answer.status_code == 303
    assert state_of(order) is OrderState.cancelled
    with reading() as session:
        refund = session.scalars(select(Refund)).one()
    assert (refund.amount_fen, refund.reason) == (2600, "原料用完了，芒果没了")
    assert "payments.refund" in jobs()


@pytest.mark.parametrize("who", ["clerk", "manager", "owner"])
def test_a_new_order_of_more_than_a_clerk_gives_back_is_turned_down_with_a_password(
    chain: Chain, who: str
) -> None:
    order = chain.order()
    with chain.writing() as session:
        less = rules.Rules(clerk_fen=2599)
        rules.save(session, chain.merchant_id, less, actor="staff:1", now=chain.now)
    browser, path = chain.browser(who), f"/orders/{order.no}/cancel"
    assert "登录密码" in browser.get(path).text

    bare = browser.post(path, reason="要打烊了", key="k1")

    assert (bare.status_code, state_of(order)) == (422, OrderState.placed)
    assert "payments.refund" not in jobs()
    assert browser.post(path, reason="要打烊了", key="k1", password=PASSWORD).status_code == 303
    assert state_of(order) is OrderState.cancelled


@pytest.mark.parametrize("state", ["accepted", "preparing", "ready"])
def test_once_accepted_a_clerk_cannot_give_the_money_back_by_cancelling(
    chain: Chain, state: str
) -> None:
    order = chain.order(state=OrderState(state))
    clerk = chain.browser("clerk")

    page = clerk.get(f"/orders/{order.no}").text
    asked = clerk.get(f"/orders/{order.no}/cancel")
    posted = clerk.post(
        f"/orders/{order.no}/cancel", reason="顾客要求", password=PASSWORD, key="k1"
    )

    assert "取消订单" not in page
    assert (asked.status_code, posted.status_code) == (403, 403)
    assert state_of(order) is OrderState(state)
    with reading() as session:
        assert session.scalars(select(Refund)).all() == []
    assert "payments.refund" not in jobs()


def test_a_manager_proves_who_they_are_before_cancelling_what_was_accepted(chain: Chain) -> None:
    order = chain.order(state=OrderState.ready)
    manager, path = chain.browser("manager"), f"/orders/{order.no}/cancel"

    asked = manager.post(path, reason="顾客要求", key="k1")
    wrong = manager.post(path, reason="顾客要求", password="guess", key="k1")
    unchanged = state_of(order)
    done = manager.post(path, reason="顾客要求", password=PASSWORD, key="k1")

    assert (asked.status_code, wrong.status_code, done.status_code) == (422, 422, 303)
    assert "输入你的登录密码" in asked.text
    assert "密码不对" in wrong.text
    assert unchanged is OrderState.ready
    assert state_of(order) is OrderState.cancelled
    with reading() as session:
        assert session.scalars(select(Refund.amount_fen)).all() == [2600]
        entry = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "order.cancelled")
        ).one()
    assert entry.before == {"state": "ready"}
    assert entry.after == {"state": "cancelled", "refund_fen": 2600, "proved_again": True}


def test_who_was_asked_about_a_new_order_does_not_cancel_an_accepted_one(chain: Chain) -> None:
    order = chain.order(state=OrderState.accepted)

    with pytest.raises(WrongState), transaction() as session:
        cancelling.cancel(
            session,
            session.get_one(Order, order.id),
            actor="staff:1",
            reason="打烊",
            now=chain.now,
            seen=OrderState.placed,
        )

    assert state_of(order) is OrderState.accepted


def test_the_question_says_what_really_goes_back(chain: Chain) -> None:
    new = chain.order()
    made = chain.order(state=OrderState.ready, refunded_fen=600)
    with chain.writing() as session:
        attempt = session.scalars(
            select(PaymentAttempt).join(Bill).where(Bill.order_id == made.id)
        ).one()
        attempt.refunded_fen = 600
        session.add(
            OrderDiscount(
                order_id=made.id,
                position=0,
                kind=DiscountKind.coupon,
                ref_id=1,
                name="见面礼",
                amount_fen=800,
                per_line=[800],
            )
        )
    manager = chain.browser("manager")

    of_new = manager.get(f"/orders/{new.no}/cancel").text
    of_made = manager.get(f"/orders/{made.no}/cancel").text

    assert "库存会还回去" in of_new
    assert "券" not in of_new.split("dialog-title")[1].split("</p>")[0]
    assert "¥20.00 原路退回" in of_made
    assert "已经做好，库存不退回。用掉的券会还给顾客。" in of_made
    assert "取消订单，退 ¥20.00" in of_made


def test_a_refund_asks_for_the_password_once_in_five_minutes(chain: Chain) -> None:
    order = chain.order(state=OrderState.completed)
    manager = chain.browser("manager")
    path = f"/orders/{order.no}/refund"

    asked = manager.post(path, amount="10", reason="做错了", key="k1")
    wrong = manager.post(path, amount="10", reason="做错了", key="k1", password="guess")
    with reading() as session:
        assert session.scalars(select(Refund)).all() == []
    proved = manager.post(path, amount="10", reason="做错了", key="k1", password=PASSWORD)
    again = manager.post(path, amount="6", reason="等太久", key="k2")
    too_much = manager.post(path, amount="10.01", reason="其他", key="k3")

    assert asked.status_code == 422
    assert "输入你的登录密码" in asked.text
    assert "密码不对" in wrong.text
    assert (proved.status_code, again.status_code) == (303, 303)
    assert too_much.status_code == 422
    assert "在 ¥0.01 到 ¥10.00 之间" in too_much.text
    with reading() as session:
        amounts = list(session.scalars(select(Refund.amount_fen).order_by(Refund.id)))
    assert amounts == [1000, 600]


@pytest.mark.parametrize("through", ["page", "dialog"])
def test_a_second_click_on_one_page_refunds_nothing_more(chain: Chain, through: str) -> None:
    order = chain.order(state=OrderState.completed)
    manager = chain.browser("manager")
    path = f"/orders/{order.no}/refund"
    headers = {"HX-Request": "true"} if through == "dialog" else {}
    shown = [key_on(manager.get(path, **headers).text) for _ in range(2)]
    click = manager.touch if through == "dialog" else manager.post
    form = {"amount": "2", "reason": "做错了"}

    answers = [click(path, **form, key=shown[0], password=PASSWORD) for _ in range(3)]
    other = click(path, **form | {"amount": "3"}, key=shown[0])
    with reading() as session:
        after_clicks = list(session.scalars(select(Refund.amount_fen)))
    none = click(path, **form)
    click(path, **form, key=shown[1])

    assert [each.status_code for each in answers] == [204 if through == "dialog" else 303] * 3
    assert (other.status_code, none.status_code) == (409, 400)
    assert after_clicks == [200]
    with reading() as session:
        assert list(session.scalars(select(Refund.amount_fen))) == [200, 200]
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "order.refund"))
        assert len(entries.all()) == 2


def test_a_second_click_that_refunds_everything_hears_what_the_first_did(chain: Chain) -> None:
    order = chain.order(state=OrderState.completed)
    manager = chain.browser("manager")
    form = {"amount": "26", "reason": "做错了", "password": PASSWORD, "key": "k1"}

    answers = [manager.post(f"/orders/{order.no}/refund", **form) for _ in range(2)]

    assert [each.status_code for each in answers] == [303, 303]
    with reading() as session:
        assert list(session.scalars(select(Refund.amount_fen))) == [2600]


def test_a_second_click_on_cancel_hears_what_the_first_did(chain: Chain) -> None:
    order = chain.order()
    clerk, path = chain.browser("clerk"), f"/orders/{order.no}/cancel"
    key = key_on(clerk.get(path).text)

    answers = [clerk.post(path, reason="要打烊了", key=key, password=PASSWORD) for _ in range(2)]

    assert [each.status_code for each in answers] == [303, 303]
    assert state_of(order) is OrderState.cancelled
    with reading() as session:
        assert list(session.scalars(select(Refund.amount_fen))) == [2600]


def test_the_proof_of_one_session_is_no_use_in_another(chain: Chain) -> None:
    order = chain.order(state=OrderState.completed)
    first, second = chain.browser("manager"), chain.browser("manager")
    first.post(f"/orders/{order.no}/refund", amount="1", reason="其他", key="k1", password=PASSWORD)
    proof = first.client.get_cookie("linli_proved", path="/console")
    assert proof is not None
    second.client.set_cookie("linli_proved", proof.value, path="/console")

    answer = second.post(f"/orders/{order.no}/refund", amount="1", reason="其他", key="k2")

    assert answer.status_code == 422


def test_an_order_explains_its_price(chain: Chain) -> None:
    order = chain.order(
        discount_fen=600,
        quote={"rejected": [{"name": "满 100 减 15", "reason": "还差 ¥74.00"}]},
    )

    page = chain.browser("owner").get(f"/orders/{order.no}").text

    for text in ("商品合计", "¥26.00", "实付", "¥20.00", "满 100 减 15", "还差 ¥74.00", "未用"):
        assert text in page, text


def test_an_order_is_found_by_its_pickup_number(chain: Chain) -> None:
    chain.order(pickup_number="A217", state=OrderState.completed)
    chain.order(pickup_number="A218")

    page = chain.browser("clerk").get("/orders/?q=a217").text

    assert ">A217</a>" in page
    assert ">A218</a>" not in page


def test_a_long_list_is_paged_without_losing_or_repeating(chain: Chain) -> None:
    for number in range(53):
        chain.order(
            pickup_number=f"N{number:02}", paid_at=chain.now - timedelta(seconds=number // 2)
        )
    clerk = chain.browser("clerk")

    first = clerk.get("/orders/").text
    onward = first.split('">下一页')[0].rsplit('href="', 1)[1].replace("&amp;", "&")
    second = clerk.get(onward.removeprefix("/console")).text

    seen = [n for n in range(53) for page in (first, second) if f">N{n:02}</a>" in page]
    assert sorted(seen) == list(range(53))


def key_on(page: str) -> str:
    """The hidden key that a form was shown with."""
    found = re.search(r'name="key" value="([^"]+)"', page)
    assert found, page[:400]
    return found[1]


def ask_back(chain: Chain, order: Order, fen: int) -> None:
    """As `request` leaves it, by the manager."""
    with chain.writing() as session:
        kept = session.get_one(Order, order.id)
        refunding.request(
            session,
            kept,
            fen,
            reason="商品洒漏",
            actor=f"staff:{chain.manager.id}",
            now=chain.now,
        )


def settle(chain: Chain, order: Order, state: RefundState) -> None:
    with chain.writing() as session:
        refund = session.scalars(select(Refund).where(Refund.order_id == order.id)).one()
        refund.state, refund.settled_at = state, chain.now + timedelta(seconds=3)
        if state is RefundState.succeeded:
            kept = session.get_one(Order, order.id)
            paying.record_refund(
                session, kept, refund.amount_fen, refund.settled_at, reason=refund.reason
            )


def history_of(page: str) -> str:
    """The lines of 经过, newest first, as one text."""
    lines = page.split("<h2>经过</h2>")[1].split("</ul>")[0]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", lines))


def test_a_refund_is_told_from_the_moment_somebody_asked_for_it(chain: Chain) -> None:
    order = chain.order(state=OrderState.completed)
    ask_back(chain, order, 600)
    owner = chain.browser("owner")

    pending = owner.get(f"/orders/{order.no}").text
    settle(chain, order, RefundState.succeeded)
    settled = owner.get(f"/orders/{order.no}").text

    assert "林晓 提交退款 ¥6.00 商品洒漏" in history_of(pending)
    assert "退款到账" not in history_of(pending)
    assert 'hx-trigger="every 4s"' in pending
    assert "部分退款到账" in history_of(settled).split("提交退款")[0]
    assert 'hx-trigger="every 4s"' not in settled


def test_a_refund_that_failed_is_told_and_no_longer_waited_for(chain: Chain) -> None:
    order = chain.order(state=OrderState.completed)
    ask_back(chain, order, 600)
    settle(chain, order, RefundState.failed)

    page = chain.browser("owner").get(f"/orders/{order.no}").text

    assert "¥6.00 没退成" in history_of(page).split("提交退款")[0]
    assert 'hx-trigger="every 4s"' not in page


def test_what_was_cancelled_shows_the_money_that_went_back_and_why(chain: Chain) -> None:
    ended = {
        "state": OrderState.cancelled,
        "cancelled_at": chain.now,
        "cancel_reason": "原料用完了",
        "discount_fen": 800,
        "paid_at": chain.now - timedelta(minutes=9),
    }
    back = chain.order(
        pickup_number="T401",
        payment_state=PaymentState.refunded,
        paid_fen=1800,
        refunded_fen=1800,
        **ended,
    )
    chain.order(pickup_number="T402", **ended)
    with chain.writing() as session:
        session.add(
            OrderDiscount(
                order_id=back.id,
                position=0,
                kind=DiscountKind.coupon,
                ref_id=1,
                name="见面礼",
                amount_fen=800,
                per_line=[800],
            )
        )
    owner = chain.browser("owner")

    page = owner.get("/orders/?tab=cancelled").text
    detail = owner.get(f"/orders/{back.no}").text
    newest, first = page.split("<tbody>")[1].split("</tr>")[:2]

    assert "已退 ¥18.00" in first
    assert "原因：原料用完了" in first
    assert "取消</td>" in first
    assert "9 分钟" not in first
    assert 'o-off num t-apricot"></td>' in first  # the coupon went back with the money
    assert "¥18.00 在退" in newest
    assert "¥8.00 券已退回" in detail
    assert "−¥8.00" not in detail


def test_an_order_says_what_of_it_came_from_where(chain: Chain) -> None:
    order = chain.order()
    manager = chain.browser("manager")
    whole = manager.get(f"/orders/{order.no}").text
    with transaction() as session:
        attempt = session.scalars(select(PaymentAttempt)).one()
        attempt.balance_fen, attempt.channel_fen = 1_000, attempt.amount_fen - 1_000
        rest = f"{attempt.channel_fen / 100:.2f}"

    parts = manager.get(f"/orders/{order.no}").text

    assert "<dt>储值余额</dt>" not in whole
    assert f"<dt>微信支付</dt><dd>¥{order.paid_fen / 100:.2f}</dd>" in whole
    assert f"<dt>储值余额</dt><dd>¥10.00</dd><dt>微信支付</dt><dd>¥{rest}</dd>" in parts
