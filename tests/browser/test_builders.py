"""A rule and a journey, built out of nothing by a shop owner on a phone and at a desk."""

import re
import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select
from werkzeug.serving import make_server

from core.database import reading, transaction
from crm.models import Journey, JourneyState, JourneyVersion, Segment
from merchants.models import Merchant
from tests.browser.conftest import Open
from tests.console.conftest import Chain
from tests.console.conftest import chain as chain
from tests.factories.coupons import make_template

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}


@pytest.fixture
def address(chain: Chain) -> Iterator[str]:
    """The console on a port of its own, with a few members and a coupon."""
    old = chain.now - timedelta(days=40)
    for number, name in enumerate(("林小满", "乔安", "许星野")):
        chain.member(
            name, spent_fen=20_000 * number, orders_count=number, last_visit_at=old, joined_at=old
        )
    with transaction() as session:
        make_template(session, session.get_one(Merchant, chain.merchant_id), name="老客回店券")
    server = make_server("127.0.0.1", 0, chain.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


def enter(open_page: Open, chain: Chain, address: str, path: str, viewport: dict[str, int]) -> Page:
    page = open_page(f"{address}/console/login", viewport)
    cookie = chain.browser("owner").client.get_cookie("linli_staff", path="/console")
    assert cookie is not None
    page.context.add_cookies(
        [{"name": "linli_staff", "value": cookie.value, "url": f"{address}/console"}]
    )
    page.goto(f"{address}/console{path}")
    return page


def test_a_rule_is_built_by_tapping(chain: Chain, address: str, open_page: Open) -> None:
    page = enter(open_page, chain, address, "/segments/", PHONE)
    page.get_by_role("link", name="新建人群").click()
    page.get_by_label("名字").fill("花过钱的")
    first, second = page.locator("#r0-0"), page.locator("#r0-1")
    first.get_by_label("天数").fill("")  # however long ago
    first.get_by_label("金额（分）").fill("150")
    expect(first).to_contain_text("单独符合 2 人")

    second.get_by_label("看什么").select_option("event")
    second.get_by_label("行为").select_option("paid")
    expect(second.get_by_label("怎么拿")).to_be_visible()
    second.get_by_label("看什么").select_option("orders")
    second.get_by_label("单数").fill("2")
    expect(page.locator("#reach .big-n")).to_have_text("1 人")
    page.get_by_role("button", name="加一组条件").click()
    expect(page.locator("#g0-2")).to_be_visible()
    page.get_by_role("button", name="删除这组条件").click()
    expect(page.locator("#g0-2")).to_have_count(0)

    expect(page.locator("tbody")).to_contain_text("许星野")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator(".so-far")).to_contain_text("1 人")
    expect(page.locator(".so-far")).to_be_in_viewport()
    page.get_by_role("button", name="保存人群").click()

    expect(page.locator(".toast")).to_have_text("已保存「花过钱的」")
    with reading() as session:
        assert session.scalars(select(Segment.rule)).one() == {
            "op": "and",
            "rules": [
                {"field": "spent", "op": ">=", "value": 15_000},
                {"field": "orders", "op": ">=", "value": 2},
            ],
        }


def test_a_journey_is_built_by_clicking(chain: Chain, address: str, open_page: Open) -> None:
    page = enter(open_page, chain, address, "/journeys/", DESK)
    page.locator(".model", has_text="从空白开始").get_by_role("button").click()
    panel = page.locator("#panel")
    panel.get_by_label("旅程的名字").fill("三十天没来")
    panel.get_by_label("什么事触发").select_option("inactive")
    panel.get_by_label("几天没来").fill("30")
    panel.get_by_label("达到什么就停").select_option("paid")
    panel.get_by_role("button", name="保存").click()
    expect(page.locator(".node.start")).to_contain_text("30 天没来")

    for kind in ("发一张券", "发一条消息", "等一件事"):
        page.get_by_role("link", name="在这里加一步").last.click()
        page.get_by_role("button", name=re.compile(kind)).click()
        if kind == "发一张券":
            panel.get_by_label("哪张券").select_option(label="老客回店券")
        elif kind == "发一条消息":
            panel.get_by_label("文字").fill("{昵称}，给你留了「{券名}」。")
        panel.get_by_role("button", name="保存这一步").click()
        expect(panel).to_have_count(0)
    expect(page.locator(".node")).to_have_count(6)  # and an end of either line
    page.get_by_role("link", name="发布第 1 版").click()
    page.get_by_role("dialog").get_by_role("button", name="发布").click()

    expect(page.locator(".tag", has_text="运行中")).to_be_visible()
    with reading() as session:
        journey = session.scalars(select(Journey)).one()
        assert (journey.name, journey.state, journey.trigger) == (
            "三十天没来",
            JourneyState.live,
            "inactive",
        )
        graph = session.get_one(JourneyVersion, journey.version_id).graph
        kinds = [node["kind"] for node in graph["nodes"].values()]
        assert (kinds, graph["goal"]["kind"]) == (["coupon", "message", "listen"], "paid")
