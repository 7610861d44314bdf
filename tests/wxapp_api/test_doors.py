"""Who gets in, and how a request that does not fit is refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from core import clock
from core.database import transaction
from people.logins import open_session
from people.models import Audience
from tests.factories.merchants import make_merchant, make_store
from tests.wxapp_api.conftest import Phone, Stall

PROBLEM = "application/problem+json"


def test_without_a_token_the_answer_is_401_whatever_the_body(
    client: FlaskClient, stall: Stall
) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic eDp5"}):
        answer = client.post("/api/v1/quotes", data="{", headers=headers)
        assert answer.status_code == 401
        assert answer.content_type == PROBLEM
        assert answer.json
        assert answer.json["code"] == "not_logged_in"


def test_a_staff_token_opens_no_members_door(client: FlaskClient, stall: Stall) -> None:
    with transaction() as session:
        token = open_session(
            session,
            person=None,
            identity=None,
            audience=Audience.staff,
            lifetime=timedelta(days=1),
            now=clock.now(),
        )

    answer = client.get("/api/v1/coupons", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 401


def test_what_is_not_json_is_malformed(phone: Phone) -> None:
    for body in (b"", b"{", b"\xff\xfe", b'{"note": "\\ud800"}', b"[" * 10_000):
        answer = phone.post("quotes", data=body)
        assert (answer.status_code, answer.json and answer.json["code"]) == (400, "malformed")


def item(**changes: Any) -> dict[str, Any]:
    return {"sku_id": "1", "quantity": 1} | changes


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"items": []}, "items", "至少 1 项"),
        ({"items": [item(quantity=0)]}, "items.0.quantity", "不能小于 1"),
        ({"items": [item(quantity="2")]}, "items.0.quantity", "要是整数"),
        ({"items": [item(sku_id="x")]}, "items.0.sku_id", "格式不对"),
        ({"items": [item(sku_id="9" * 30)]}, "items.0.sku_id", "格式不对"),
        ({"store_id": 1}, "store_id", "要是文字"),
        ({"store_id": None}, "store_id", "要是文字"),
        ({"fulfilment": "drone"}, "fulfilment", "只能是 'pickup' or 'dine_in'"),
    ],
)
def test_what_is_json_but_does_not_fit_names_the_field(
    phone: Phone, stall: Stall, changes: dict[str, Any], field: str, words: str
) -> None:
    answer = phone.post("quotes", json=stall.cart() | changes)

    assert answer.status_code == 422
    assert answer.content_type == PROBLEM
    assert answer.json
    assert answer.json["errors"] == {field: words}


@pytest.mark.parametrize("char", ["\x00", "\x7f", "\x85", "\u202e", "\u200b", "\u2066", "\ufeff"])
def test_a_note_hides_and_turns_nothing_around(phone: Phone, stall: Stall, char: str) -> None:
    key = {"Idempotency-Key": "order-0001"}

    answer = phone.post("orders", json=stall.cart(note=f"少冰{char}"), headers=key)

    assert answer.status_code == 422
    assert answer.json
    assert answer.json["errors"] == {"note": "不能有控制字符"}


def test_a_note_has_lines_and_emoji(phone: Phone, stall: Stall) -> None:
    note = "少冰\n\t谢谢 👩\u200d🍳 ❤\ufe0f"
    key = {"Idempotency-Key": "order-0001"}

    answer = phone.post("orders", json=stall.cart(note=note), headers=key)

    assert (answer.status_code, answer.json and answer.json["note"]) == (201, note)
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_a_list_is_no_cart(phone: Phone) -> None:
    answer = phone.post("quotes", json=[])

    assert (answer.status_code, answer.json and answer.json["errors"]) == (
        422,
        {"body": "要是对象"},
    )


def test_addresses_that_lead_nowhere_are_not_found(client: FlaskClient, stall: Stall) -> None:
    with transaction() as session:
        foreign = make_store(session, make_merchant(session))

    for path in ("stores/x", "stores/99999", f"stores/{foreign.id}", f"stores/{foreign.id}/menu"):
        assert client.get(f"/api/v1/{path}").status_code == 404


def test_another_mini_program_is_not_found(client: FlaskClient, stall: Stall) -> None:
    answer = client.get("/api/v1/stores?appid=wx0000000000000000")

    assert (answer.status_code, answer.json and answer.json["code"]) == (
        404,
        "unknown_mini_program",
    )


def test_every_route_here_is_described(client: FlaskClient) -> None:
    spec: Any = client.application.api_doc  # type: ignore[attr-defined]

    described = {
        (path, method)
        for path, methods in spec["paths"].items()
        for method in methods
        if path.startswith("/api/v1/")
    }
    for path, method in (
        ("/api/v1/stores/{store_id}/menu", "get"),
        ("/api/v1/quotes", "post"),
        ("/api/v1/coupon-templates/{template_id}/claim", "post"),
    ):
        assert (path, method) in described


def test_two_members_do_not_see_each_other(make_phone: Callable[[], Phone], stall: Stall) -> None:
    from tests.factories.coupons import make_coupon, make_template

    mine, other = make_phone(), make_phone()
    with transaction() as session:
        coupon = make_coupon(session, mine.member, make_template(session, stall.merchant))

    assert mine.get(f"coupons/{coupon.id}/code").status_code in (200, 410)
    assert other.get(f"coupons/{coupon.id}/code").status_code == 404
