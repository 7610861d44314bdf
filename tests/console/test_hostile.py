"""Addresses and forms that no page of ours makes: refused, never a failure of the server."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from console import cookies
from tests.console.conftest import Browser, Chain
from tests.tables import running

HUGE = "9" * 25
LONG = "1" * 200


def cursor(*position: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


POSITIONS = [
    ("x",),
    (float("nan"),),
    (float("inf"),),
    (10**40,),
    ("\ud800",),
    ("x", "y"),
    ("2026-11-22T", 1),
    ("2026-11-22T04:00:00", 1),
    ("0001-01-01T00:00:00+14:00", 1),
    (float("nan"), 1),
    ("\ud800", 1),
    (1, 10**40),
    ("2026-11-22T04:00:00+00:00", "x"),
    (1, "x", 2),
    ("x", "2026-11-22T04:00:00", 2),
    (1, "0001-01-01T00:00:00+14:00", 2),
    (1, "2026-11-22T04:00:00+00:00", "\ud800"),
    (1, "2026-11-22T04:00:00+00:00", 10**40),
]


@pytest.mark.parametrize(
    "path", ["/campaigns/", "/members/", "/members/?sort=spent", "/orders/", "/orders/?tab=done"]
)
def test_a_made_up_cursor_is_refused(chain: Chain, path: str) -> None:
    owner = chain.browser("owner")
    chain.order()
    made_up = [cursor(*position) for position in POSITIONS]
    nested = base64.urlsafe_b64encode(b"[" * 9_000).decode()

    for given in [*made_up, nested, "é", "%00", "====="]:
        sign = "&" if "?" in path else "?"
        answer = owner.client.get(f"/console{path}{sign}cursor={given}")
        assert answer.status_code < 500, given


@pytest.mark.parametrize(
    "path",
    [
        f"/orders/{LONG}",
        f"/orders/?q={LONG}",
        f"/members/{LONG}",
        f"/members/?q={LONG}",
        "/members/?q=%C2%B2",
        "/members/?segment=%C2%B2",
        "/members/?tag=%C2%B2",
        f"/members/?tag={HUGE}",
        f"/members/?segment={HUGE}",
        f"/redeem/{LONG}/undo",
        f"/redeem/?done={LONG}",
        f"/redeem/check?code={LONG}",
        f"/campaigns/{HUGE}",
        f"/segments/{HUGE}",
        f"/stores/{HUGE}/poster",
        f"/stores/invites/{HUGE}",
        "/invite/%00",
        f"/invite/{LONG}",
        "/campaigns/new?segment=%C2%B2&template=%C2%B2",
        f"/campaigns/new?segment={HUGE}&template={HUGE}",
    ],
)
def test_an_address_that_we_never_wrote_is_no_failure(chain: Chain, path: str) -> None:
    assert chain.browser("owner").get(path).status_code < 500


@pytest.mark.parametrize("number", ["²", HUGE, "9" * 5000, "\x00"])
def test_a_form_with_numbers_that_are_none_is_no_failure(chain: Chain, number: str) -> None:
    owner, member = chain.browser("owner"), chain.member()

    for path, fields in (
        ("/campaigns/new", {"segment": number, "template": number, "holdout": number}),
        ("/campaigns/forecast", {"segment": number, "template": number, "holdout": number}),
        ("/coupons/new", {"stores": number, "kind": "amount", "face": number, "tenths": number}),
        ("/coupons/preview", {"stores": number, "days": number, "total": number}),
        ("/stores/invites/new", {"stores": number, "role": "clerk", "name": "x"}),
        (f"/members/{member.no}/tags", {"drop": number}),
        (f"/members/{member.no}/tags", {"add": number}),
        (f"/members/{member.no}/give", {"template": number, "key": number}),
        ("/redeem/confirm", {"code": number, "store": number, "key": number}),
        (
            "/segments/preview",
            {"0.op": "all", "0-0.field": "tag", "0-0.cmp": "has", "0-0.value": number},
        ),
        (
            "/segments/new",
            {"name": "x", "0-0.field": "orders", "0-0.cmp": ">=", "0-0.value": number},
        ),
        ("/segments/new", {"name": "x", "0-0.field": "spent", "0-0.cmp": ">=", "0-0.days": number}),
        ("/store", {"store": number}),
    ):
        answer = owner.post(path, **fields)
        assert answer.status_code < 500, path


def test_a_state_in_another_script_is_refused(chain: Chain) -> None:
    browser = chain.browser()
    with chain.app.test_request_context():
        under_way = cookies.seal(cookies.OAUTH, {"state": "s", "appid": "wx1", "next": ""})
    browser.client.set_cookie(cookies.OAUTH, under_way, path="/console")

    assert browser.get("/callback?state=%C3%A9&code=1").status_code == 410


@pytest.mark.parametrize("to", ["/console/%0d%0aX-Evil: 1", "/console/%00", "/console/中"])
def test_a_destination_becomes_no_header_of_its_own(chain: Chain, to: str) -> None:
    answer = chain.browser("owner").get(f"/login?next={to}", **{"HX-Request": "true"})

    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"].isascii()
    assert "X-Evil" not in answer.headers


def test_one_address_may_not_try_passwords_on_and_on(
    make_config: Callable[..., Any], redis: Redis, redis_url: str
) -> None:
    with running(make_config(redis={"url": redis_url})) as app:
        redis.set("linli:limit:password:ip:127.0.0.1", 30, ex=60)

        answer = Browser(app).log_in("somebody", "a guess")

        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
        assert "错的次数太多" in answer.text
