"""The page of the day while orders come in, and strips of tabs on a phone."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.test_builders import DESK, PHONE, enter
from tests.browser.test_builders import address as address
from tests.console.conftest import Chain
from tests.console.conftest import chain as chain

pytestmark = pytest.mark.browser


def test_the_hours_are_drawn_again_when_an_order_changes_the_page(
    chain: Chain, address: str, open_page: Open
) -> None:
    chain.order()
    page = enter(open_page, chain, address, "/home", DESK)
    drawn = page.locator("#today .chart canvas")
    expect(drawn).to_have_count(1)
    expect(page.locator("#today .kpis")).to_contain_text("¥26.00")
    assert "截至" not in page.locator(".page-head").inner_text()

    chain.order()
    page.evaluate("document.getElementById('live').dispatchEvent(new CustomEvent('orders'))")

    expect(page.locator("#today .kpis")).to_contain_text("¥52.00")
    expect(drawn).to_have_count(1)


def test_the_tab_in_use_is_in_sight_on_a_phone(chain: Chain, address: str, open_page: Open) -> None:
    page = enter(open_page, chain, address, "/loyalty/referral/", PHONE)

    tabs = page.get_by_role("navigation", name="会员体系")
    expect(tabs.locator("[aria-current]")).to_be_in_viewport(ratio=0.9)
    assert tabs.evaluate("strip => strip.scrollLeft") > 0
