"""Orders over the door: placed once, seen by their owner alone, cancelled while it is allowed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from core import clock
from core.database import db, reading, transaction
from core.outbox import OutboxJob
from coupons.models import Coupon, CouponState, StackGroup
from orders import handover, paying
from orders.models import Order
from tests.counting import statements
from tests.factories.catalogue import available
from tests.factories.coupons import make_coupon, make_promotion, make_template
from tests.factories.merchants import make_table
from tests.wxapp_api.conftest import Phone, Stall


def json(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json


def place(phone: Phone, cart: dict[str, Any], key: str = "order-0001") -> Any:
    return phone.post("orders", json=cart, headers={"Idempotency-Key": key})


def left(stall: Stall) -> int | None:
    with reading() as session:
        return available(session, stall.store, stall.tea)


def pay(no: str) -> None:
    with transaction() as session:
        order = session.scalars(select(Order).where(Order.no == no)).one()
        assert paying.mark_paid(session, order, amount_fen=order.payable_fen, now=clock.now())


def test_several_coupons_are_locked_redeemed_and_given_back_together(
    phone: Phone, stall: Stall
) -> None:
    with transaction() as session:
        face = make_coupon(session, phone.member, make_template(session, stall.merchant))
        worse = make_coupon(
            session, phone.member, make_template(session, stall.merchant, face_fen=500)
        )
        swap = make_template(
            session, stall.merchant, kind="exchange", face_fen=0, min_spend_fen=0, uses_total=2
        )
        swap.product_ids, swap.stack_group = [stall.tea.product_id], StackGroup.extra
        free = make_coupon(session, phone.member, swap)
    both = [str(face.id), str(free.id)]

    best = json(phone.post("quotes", json=stall.cart(2, coupon_id="best")))
    assert (best["best_coupon_ids"], best["best_saved_fen"]) == ([str(free.id), str(face.id)], 3000)
    refused: Any = place(phone, stall.cart(2, coupon_ids=[*both, str(worse.id)]))
    assert (refused.status_code, refused.json["code"]) == (409, "coupon_not_applicable")
    assert refused.json["detail"] == "已用更省的「见面礼」"

    order = json(place(phone, stall.cart(2, coupon_ids=both), key="order-0002"), 201)
    assert (order["payable_fen"], order["discount_fen"]) == (1400, 3000)
    pay(order["no"])
    with reading() as session:
        assert session.get_one(Coupon, face.id).state is CouponState.redeemed
        assert session.get_one(Coupon, free.id).uses_left == 1
        assert session.get_one(Coupon, free.id).state is CouponState.issued
        assert session.get_one(Coupon, worse.id).state is CouponState.issued
    with transaction() as session:
        paid = session.scalars(select(Order).where(Order.no == order["no"])).one()
        assert paying.record_refund(session, paid, 1400, clock.now(), reason="退款")
    with reading() as session:
        assert session.get_one(Coupon, face.id).state is CouponState.issued
        assert session.get_one(Coupon, free.id).uses_left == 2


def test_place_show_and_list(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        make_promotion(session, stall.merchant)
        coupon = make_coupon(session, phone.member, make_template(session, stall.merchant))
    cart = stall.cart(2, coupon_id=str(coupon.id), note="少糖", expected_payable_fen=3100)

    order = json(place(phone, cart), 201)
    again = json(place(phone, cart), 201)
    shown = json(phone.get(f"orders/{order['no']}"))
    (row,) = json(phone.get("orders?state=unpaid"))["items"]

    assert again["no"] == order["no"]
    assert shown == order
    assert (order["state"], order["payment_state"], order["state_text"]) == (
        "placed",
        "unpaid",
        "待付款",
    )
    assert (order["goods_fen"], order["discount_fen"], order["payable_fen"]) == (4400, 1300, 3100)
    assert [found["kind"] for found in order["discounts"]] == ["promotion", "coupon"]
    assert order["pickup_code"] is None
    assert order["history"][0]["text"] == "已下单"
    assert order["history"][0]["who"] == "你"
    assert order["can_cancel"] is True
    assert order["balance_usable"] is True
    expires = clock.datetime.fromisoformat(order["expires_at"])
    placed = clock.datetime.fromisoformat(order["placed_at"])
    assert expires - placed == timedelta(minutes=15)
    assert (row["no"], row["payable_fen"], row["quantity"]) == (order["no"], 3100, 2)
    assert left(stall) == 8


def test_the_same_key_with_another_cart_is_a_conflict(phone: Phone, stall: Stall) -> None:
    json(place(phone, stall.cart(2)), 201)

    refused: Any = place(phone, stall.cart(1))

    assert (refused.status_code, refused.json["code"]) == (409, "idempotency_conflict")
    assert left(stall) == 8


def test_without_a_key_nothing_is_placed(phone: Phone, stall: Stall) -> None:
    refused: Any = phone.post("orders", json=stall.cart())

    assert (refused.status_code, refused.json["errors"]) == (422, {"Idempotency-Key": "必填"})
    assert left(stall) == 10


def test_a_changed_price_is_told_and_nothing_is_placed(phone: Phone, stall: Stall) -> None:
    refused: Any = place(phone, stall.cart(expected_payable_fen=2000))

    assert (refused.status_code, refused.json["code"]) == (409, "price_changed")
    assert refused.json["payable_fen"] == 2200
    assert left(stall) == 10


def test_an_order_of_nothing_is_paid_when_placed(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        template = make_template(session, stall.merchant, face_fen=9900)
        make_coupon(session, phone.member, template)

    order = json(place(phone, stall.cart(coupon_id="best")), 201)

    assert (order["payable_fen"], order["payment_state"]) == (0, "paid")
    assert len(order["pickup_code"]) == 6
    assert order["ready_by"] is not None
    with reading() as session:
        names = set(session.scalars(select(OutboxJob.name)))
    assert "orders.after_paid" in names


def test_dine_in_at_a_table(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        table = make_table(session, stall.store, name="A3")
    dine_in = {"fulfilment": "dine_in"}

    refused: Any = place(phone, stall.cart(**dine_in))
    order = json(place(phone, stall.cart(**dine_in, table_code=table.code)), 201)

    assert (refused.status_code, refused.json["errors"]) == (422, {"table_code": "堂食要先扫桌码"})
    assert order["table"] == {"code": table.code, "name": "A3"}


def test_cancelling_gives_everything_back_and_again_changes_nothing(
    phone: Phone, stall: Stall
) -> None:
    no = json(place(phone, stall.cart(2)), 201)["no"]

    order = json(phone.post(f"orders/{no}/cancel", json={"reason": "不想要了"}))
    again = json(phone.post(f"orders/{no}/cancel", json={}))

    assert (order["state"], order["cancel_reason"]) == ("cancelled", "不想要了")
    assert again == order
    assert left(stall) == 10


def test_what_the_store_has_accepted_is_not_cancelled(phone: Phone, stall: Stall) -> None:
    no = json(place(phone, stall.cart()), 201)["no"]
    pay(no)
    with transaction() as session:
        order = session.scalars(select(Order).where(Order.no == no)).one()
        handover.accept(session, order, actor="staff:1", now=clock.now())

    refused: Any = phone.post(f"orders/{no}/cancel", json={})

    assert refused.status_code == 409
    assert json(phone.get(f"orders/{no}"))["state"] == "accepted"


def test_somebody_elses_order_is_not_found(make_phone: Callable[[], Phone], stall: Stall) -> None:
    mine, other = make_phone(), make_phone()
    no = json(place(mine, stall.cart()), 201)["no"]

    for answer in (other.get(f"orders/{no}"), other.post(f"orders/{no}/cancel", json={})):
        assert answer.status_code == 404
    assert json(other.get("orders"))["items"] == []
    assert mine.get("orders/20261122NOTTHERE00").status_code == 404
    assert mine.get("orders/x").status_code == 404


def test_lists_take_as_many_queries_for_fifty_as_for_one(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        template = make_template(session, stall.merchant, per_member_limit=99)
        for _ in range(50):
            make_coupon(session, phone.member, template)
    for i in range(8):
        pay(json(place(phone, stall.cart(), key=f"order-{i:04}"), 201)["no"])
    counts: list[int] = []
    for path in ("orders?limit=1", "orders?limit=50", "coupons?limit=1", "coupons?limit=50"):
        with statements(db.engine) as sent:
            json(phone.get(path))
        counts.append(len(sent))

    one_order, orders, one_coupon, coupons = counts
    assert one_order == orders
    assert one_coupon == coupons


def test_bad_cursors_are_malformed(phone: Phone, stall: Stall) -> None:
    for path in ("orders", "coupons", "coupon-templates", "stores"):
        for cursor in ("x", "W10", "WyJhIl0", "WzEsMl0", "WzFlNDAwXQ", "WyJhIiwiYiJd"):
            answer = phone.get(f"{path}?cursor={cursor}")
            assert answer.status_code in (200, 400), (path, cursor, answer.text)


def test_one_order_is_one_row(phone: Phone, stall: Stall) -> None:
    for _ in range(3):
        json(place(phone, stall.cart()), 201)

    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Order)) == 1
