"""What people may not do, see or be made to do."""

import json
from collections.abc import Callable

import pytest
from flask import current_app
from sqlalchemy import select

from app import create_app
from core.config import Config
from core.database import reading
from crm import campaigns, segments
from crm.campaigns.drafting import Draft
from merchants.models import Merchant
from orders.models import Order, OrderState
from tests.console.conftest import Chain
from tests.factories.campaigns import EVERYBODY
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member

OWNER_ONLY = ["/stores/invites/new", "/members/export", "/audit/", "/audit/security"]
MANAGERS = [
    "/home",
    "/members/",
    "/segments/",
    "/segments/new",
    "/campaigns/",
    "/campaigns/new",
    "/coupons/",
    "/coupons/new",
    "/stores/",
]
ALL_STAFF = ["/orders/", "/redeem/", "/goods/", "/more"]


@pytest.mark.parametrize("path", ALL_STAFF + MANAGERS + OWNER_ONLY)
def test_a_page_opens_for_exactly_the_roles_it_is_for(chain: Chain, path: str) -> None:
    allowed = {"owner": True, "manager": path not in OWNER_ONLY, "clerk": path in ALL_STAFF}

    for username, may in allowed.items():
        answer = chain.browser(username).get(path)
        assert answer.status_code == (200 if may else 403), (username, path)
        assert ("你的账号不能做这件事" in answer.text) is not may
    assert chain.browser().get(path).status_code == 303


@pytest.mark.parametrize(
    "path", ["", "/cancel", "/hand-over", "/refund"], ids=["show", "cancel", "hand-over", "refund"]
)
def test_another_stores_order_is_not_found(chain: Chain, path: str) -> None:
    there = chain.order(chain.there)
    theirs = chain.order(chain.rival_store)

    assert chain.browser("owner").get(f"/orders/{there.no}{path}").status_code == 200
    assert chain.browser("owner").get(f"/orders/{theirs.no}{path}").status_code == 404
    assert chain.browser("clerk").get(f"/orders/{there.no}{path}").status_code == 404


def test_another_stores_order_cannot_be_moved(chain: Chain) -> None:
    there, theirs = chain.order(chain.there), chain.order(chain.rival_store)

    for username, order in (("clerk", there), ("owner", theirs)):
        answer = chain.browser(username).post(f"/orders/{order.no}/accept")
        assert answer.status_code == 404
        with reading() as session:
            state = session.scalar(select(Order.state).where(Order.id == order.id))
        assert state is OrderState.placed


def test_an_order_that_is_not_paid_is_shown_among_those_that_wait(chain: Chain) -> None:
    order = chain.order(paid_at=chain.now)
    with chain.writing() as session:
        session.get_one(Order, order.id).paid_at = None

    seen = chain.browser("owner").get(f"/orders/{order.no}")
    assert (seen.status_code, seen.location) == (303, f"/console/orders/waiting/{order.no}")
    assert chain.browser("rival").get(f"/orders/{order.no}").status_code == 404


def test_what_belongs_to_another_merchant_is_not_found(chain: Chain) -> None:
    with chain.writing() as session:
        rival = session.get_one(Merchant, chain.rival_merchant_id)
        member = make_member(session, merchant=rival)
        template = make_template(session, rival)
        coupon = make_coupon(session, member, template)
        segment = segments.create(
            session, rival.id, name="全部", rule=EVERYBODY, actor="staff:9", now=chain.now
        )
        campaign = campaigns.create(
            session,
            rival.id,
            Draft("回店", segment.id, template.id, "来吧"),
            actor="staff:9",
            now=chain.now,
        )
    owner = chain.browser("owner")

    for path in (
        f"/members/{member.no}",
        f"/members/{member.no}/give",
        f"/members/?segment={campaign.segment_id}",
        f"/segments/{campaign.segment_id}",
        f"/campaigns/{campaign.id}",
        f"/campaigns/{campaign.id}/report",
        f"/campaigns/{campaign.id}/launch",
        f"/campaigns/{campaign.id}/kill",
        f"/stores/{chain.rival_store.id}/poster",
        f"/redeem/{coupon.code}/undo",
    ):
        assert owner.get(path).status_code == 404, path
    assert owner.post(f"/members/{member.no}/tags", add="老客").status_code == 404
    assert owner.post(f"/coupons/{template.id}/state", state="paused").status_code == 404
    assert owner.post(f"/campaigns/{campaign.id}/pause").status_code == 404
    assert owner.post(f"/goods/{chain.rival_store.id}/1/shelf", state="on").status_code == 404
    unknown = owner.get(f"/redeem/check?code={coupon.code}")
    assert unknown.status_code == 422
    assert "没有这张券" in unknown.text


@pytest.mark.parametrize("token", ["", "x", "right"])
def test_a_form_without_our_token_changes_nothing(chain: Chain, token: str) -> None:
    order = chain.order()
    browser, other = chain.browser("owner"), chain.browser("manager")
    given = other.token() if token == "right" else token  # of somebody else's session

    answer = browser.client.post(f"/console/orders/{order.no}/accept", data={"csrf_token": given})

    assert answer.status_code == 403
    assert "这页放得太久了" in answer.text
    with reading() as session:
        assert session.scalar(select(Order.state)) is OrderState.placed


def test_a_log_in_form_needs_its_token_too(chain: Chain) -> None:
    answer = chain.browser().client.post(
        "/console/login", data={"username": "owner", "password": "correct horse"}
    )

    assert answer.status_code == 403


def test_every_answer_forbids_foreign_code_and_frames(chain: Chain) -> None:
    order = chain.order()
    owner = chain.browser("owner")

    for path in ("/login", "/home", f"/orders/{order.no}", "/nowhere", "/static/favicon.svg"):
        policy = owner.get(path).headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
    assert owner.get("/home").headers["Cache-Control"] == "no-store"


def test_a_failure_is_a_page_for_people(chain: Chain) -> None:
    answer = chain.browser("owner").get("/nowhere")

    assert answer.status_code == 404
    assert "没有这一页" in answer.text
    assert "回到首页" in answer.text


@pytest.mark.parametrize("path", ["/nowhere", "/orders/20261122NOSUCHONE1", "/audit/"])
def test_inside_a_session_a_refusal_keeps_the_way_on(chain: Chain, path: str) -> None:
    answer = chain.browser("clerk").get(path)

    assert answer.status_code in (403, 404)
    assert 'class="tabbar"' in answer.text
    assert "回到首页" in answer.text


def test_a_stranger_is_shown_no_frame(chain: Chain) -> None:
    answer = chain.browser().get("/nowhere")

    assert answer.status_code == 404
    assert "没有这一页" in answer.text
    assert 'class="tabbar"' not in answer.text


def test_with_the_database_away_a_page_says_so_and_tries_again(
    make_config: Callable[..., Config],
) -> None:
    away = "mysql+pymysql://linli:linli@127.0.0.1:1/linli"
    with create_app(make_config(database={"url": away})).app_context():
        client = current_app.test_client()
        client.set_cookie("linli_staff", "a token", path="/console")

        page = client.get("/console/orders/")
        part = client.get("/console/orders/", headers={"HX-Request": "true"})

    assert (page.status_code, page.headers["Retry-After"]) == (503, "5")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "系统正在恢复，请稍等" in page.text
    assert '<meta http-equiv="refresh" content="5">' in page.text
    assert "这页 5 秒后自己再试" in page.text
    assert (part.status_code, part.headers["Retry-After"]) == (503, "5")
    assert json.loads(part.headers["HX-Trigger"])["failure"]["text"].startswith("系统正在恢复")


def test_a_member_of_staff_who_left_is_out_at_once(chain: Chain) -> None:
    browser = chain.browser("clerk")
    with chain.writing() as session:
        session.merge(chain.clerk).state = "left"

    assert browser.get("/orders/").status_code == 303


def test_a_store_that_is_not_mine_cannot_be_chosen(chain: Chain) -> None:
    browser = chain.browser("manager")
    chain.order(chain.there, pickup_number="T900")
    browser.client.set_cookie("linli_store", str(chain.rival_store.id), path="/console")

    assert "T900" in browser.get("/orders/").text
    browser.post("/store", store=str(chain.here.id))
    assert "T900" not in browser.get("/orders/").text
