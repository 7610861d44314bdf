"""A clerk asks for a refund; a manager agrees with a proof, or refuses."""

from typing import Any

from sqlalchemy import select
from werkzeug.test import TestResponse

from core.audit import AuditEntry
from core.database import reading
from core.numbers import new_token
from orders.models import Order, OrderState
from orders.paying import CouponBack
from payments.asked_models import AskedRefund
from payments.models import Refund
from payments.refunding import rules
from tests.console.conftest import PASSWORD, Browser, Chain


def one() -> AskedRefund:
    with reading() as session:
        return session.scalars(select(AskedRefund).order_by(AskedRefund.id.desc())).first()  # type: ignore[return-value]


def amounts() -> list[int]:
    with reading() as session:
        return list(session.scalars(select(Refund.amount_fen)))


def ask(who: Browser, order: Order, **fields: str) -> TestResponse:
    form = {"reason": "做错了", "key": new_token(), **fields}
    return who.post(f"/orders/{order.no}/refund", **form)


def test_a_clerk_asks_and_a_manager_agrees_with_a_password(chain: Chain) -> None:
    order = chain.order(state="ready")
    clerk, manager = chain.browser("clerk"), chain.browser("manager")
    here = f"/orders/{order.no}"
    assert "申请退款" in clerk.get(here).text
    assert "申请退款" not in manager.get(here).text  # they give money back themselves

    assert ask(clerk, order, amount="99").status_code == 422
    assert ask(clerk, order, amount="26").status_code == 303
    again = ask(clerk, order, amount="1")
    assert (again.status_code, "已经有一笔退款在等第二个人同意" in again.text) == (422, True)

    page = manager.get(here).text
    assert "退 ¥26.00，做错了（小周申请），等第二个人同意" in page
    assert "等你同意退款" in manager.get("/home").text
    assert "同意，退 ¥26.00" in manager.get(f"{here}/asked-refund").text
    fields: dict[str, Any] = {"code": one().code}
    assert manager.post(f"{here}/asked-refund", **fields).status_code == 422
    assert amounts() == []
    agreed = manager.post(f"{here}/asked-refund", **fields, password=PASSWORD)
    assert agreed.status_code == 303
    assert (amounts(), one().via) == ([2_600], "console")
    assert manager.post(f"{here}/asked-refund", **fields, password=PASSWORD).status_code == 422
    assert amounts() == [2_600]
    assert "小周 申请，林晓 同意后 提交退款 ¥26.00" in manager.get(here).text
    with reading() as session:
        no = session.scalars(select(Refund.out_refund_no)).one()
    assert "小周 申请，林晓 同意" in manager.get(f"/refunds/{no}").text


def test_a_manager_refuses_without_a_password(chain: Chain) -> None:
    order = chain.order(state="ready")
    here = f"/orders/{order.no}"
    ask(chain.browser("clerk"), order, amount="26")

    chain.browser("manager").post(f"{here}/asked-refund", code=one().code, do="refuse")

    assert (one().state.value, amounts()) == ("refused", [])
    assert "申请退款" in chain.browser("clerk").get(here).text


def test_an_order_that_nobody_accepted_is_turned_down_instead(chain: Chain) -> None:
    order = chain.order(state="placed")
    clerk = chain.browser("clerk")

    assert "申请退款" not in clerk.get(f"/orders/{order.no}").text
    refused = ask(clerk, order, amount="1")

    assert refused.status_code == 403
    assert one() is None


def test_the_owner_says_who_may_give_back_how_much(chain: Chain) -> None:
    owner = chain.browser("owner")
    said = {"amount": "80", "clerk": "20", "minutes": "15", "manager": "500", "coupon": "valid"}
    page = owner.get("/orders/refund-rules").text
    assert ('value="200.00"' in page, 'value="1,000.00"' in page) == (True, True)

    assert owner.post("/orders/refund-rules", **said).status_code == 422
    too_much = owner.post("/orders/refund-rules", **said | {"clerk": "501"}, password=PASSWORD)
    assert (too_much.status_code, "不要比店长的多" in too_much.text) == (422, True)
    owner.post("/orders/refund-rules", **said, password=PASSWORD)

    with reading() as session:
        assert rules.of(session, chain.merchant_id) == rules.Rules(
            clerk_fen=2_000,
            clerk_minutes=15,
            manager_fen=50_000,
            chat_day_fen=8_000,
            coupon_back=CouponBack.valid,
        )
    assert chain.browser("manager").get("/orders/refund-rules").status_code == 403


def test_within_the_rules_a_clerk_gives_back_alone_but_not_piece_by_piece(chain: Chain) -> None:
    order = chain.order(state="ready", lines=(("柠檬茶", "中杯", 900, 3),))
    with chain.writing() as session:
        said = rules.Rules(clerk_fen=1_000)
        rules.save(session, chain.merchant_id, said, actor="staff:1", now=chain.now)
    clerk, here = chain.browser("clerk"), f"/orders/{order.no}/refund"

    page = clerk.get(here).text
    assert ("柠檬茶" in page, "退 3" in page, "你的登录密码" in page) == (True, True, True)
    shown = clerk.touch(f"{here}/sum", **{"n-0": "1", "amount": ""}).text
    assert ("柠檬茶 ×1" in shown, "退款 ¥9.00" in shown) == (True, True)
    over = clerk.touch(f"{here}/sum", **{"n-0": "2", "amount": ""}).text
    assert ("一单你自己最多退 ¥10.00" in over, "申请退 ¥18.00" in over) == (True, True)

    assert ask(clerk, order, **{"n-0": "1", "restock-0": "1"}).status_code == 422
    assert amounts() == []
    done = ask(clerk, order, **{"n-0": "1", "restock-0": "1"}, password=PASSWORD)
    assert (done.status_code, amounts(), one()) == (303, [900], None)
    assert ask(clerk, order, **{"n-0": "1"}).status_code == 303  # the second: together too much

    asked = one()
    assert (amounts(), asked.amount_fen, asked.wanted["pieces"]) == ([900], 900, [[0, 1]])
    manager = chain.browser("manager")
    fields = {"code": asked.code, "password": PASSWORD}
    assert manager.post(f"/orders/{order.no}/asked-refund", **fields).status_code == 303
    assert amounts() == [900, 900]


def test_above_a_managers_sum_an_owner_agrees(chain: Chain) -> None:
    order = chain.order(state="ready")
    with chain.writing() as session:
        said = rules.Rules(manager_fen=2_000)
        rules.save(session, chain.merchant_id, said, actor="staff:1", now=chain.now)
    manager, owner = chain.browser("manager"), chain.browser("owner")
    ask(chain.browser("clerk"), order, amount="20.01")
    fields = {"code": one().code, "password": PASSWORD}

    refused = manager.post(f"/orders/{order.no}/asked-refund", **fields)

    assert (refused.status_code, "要老板来同意" in refused.text) == (422, True)
    assert amounts() == []
    assert owner.post(f"/orders/{order.no}/asked-refund", **fields).status_code == 303
    assert amounts() == [2_001]


def state_of(order: Order) -> str:
    with reading() as session:
        return session.get_one(Order, order.id).state.value


def managers_give(chain: Chain, fen: int) -> None:
    with chain.writing() as session:
        known = rules.Rules(manager_fen=fen)
        rules.save(session, chain.merchant_id, known, actor="staff:1", now=chain.now)


def test_cancelling_what_is_more_than_a_manager_gives_back_asks_a_second_person(
    chain: Chain,
) -> None:
    order = chain.order(state="preparing")
    managers_give(chain, 2_599)
    manager, owner, path = chain.browser("manager"), chain.browser("owner"), f"/orders/{order.no}"
    page = manager.get(f"{path}/cancel").text
    assert ("申请取消" in page, "登录密码" in page) == (True, False)

    for _ in range(2):  # the second click hears what the first did
        click = {"reason": "顾客要求", "key": "k1", "password": PASSWORD}
        assert manager.post(f"{path}/cancel", **click).status_code == 303

    assert (state_of(order), amounts()) == ("preparing", [])
    assert (one().amount_fen, one().state.value) == (2_600, "pending")
    assert "取消，退 ¥26.00，顾客要求" in owner.get(path).text
    own = manager.post(f"{path}/asked-refund", code=one().code, password=PASSWORD)
    assert (own.status_code, amounts()) == (422, [])
    agreed = owner.post(f"{path}/asked-refund", code=one().code, password=PASSWORD)
    assert agreed.status_code == 303
    assert (state_of(order), amounts()) == ("cancelled", [2_600])
    with reading() as session:
        ended = select(AuditEntry.actor, AuditEntry.after).where(
            AuditEntry.action == "order.cancelled"
        )
        [(actor, after)] = session.execute(ended).all()
    assert actor == one().decided_by
    assert after == {"state": "cancelled", "refund_fen": 2_600}


def test_what_went_back_before_counts_when_an_order_is_cancelled(chain: Chain) -> None:
    order = chain.order(state="preparing")
    managers_give(chain, 2_599)
    manager = chain.browser("manager")
    assert ask(manager, order, amount="1", password=PASSWORD).status_code == 303
    assert amounts() == [100]

    manager.post(f"/orders/{order.no}/cancel", reason="顾客要求", key="k1", password=PASSWORD)

    assert (state_of(order), amounts(), one().amount_fen) == ("preparing", [100], 2_500)


def test_a_cancellation_that_was_asked_for_is_not_agreed_to_once_it_is_handed_over(
    chain: Chain,
) -> None:
    order = chain.order(state="ready")
    managers_give(chain, 0)
    path = f"/orders/{order.no}"
    chain.browser("manager").post(f"{path}/cancel", reason="顾客要求", key="k1")
    with chain.writing() as session:
        session.get_one(Order, order.id).state = OrderState.completed

    late = chain.browser("owner").post(f"{path}/asked-refund", code=one().code, password=PASSWORD)

    assert (late.status_code, state_of(order), amounts()) == (422, "completed", [])
    assert one().state.value == "pending"
