"""The console and the mini-program as a visitor uses them, for the story."""

import re

from playwright.sync_api import FrameLocator, Locator, Page, expect

from tests.browser.phone import Phone

OWNER = ("owner", "linli-demo")


class Shop:
    """The mini-program on one phone."""

    def __init__(self, phone: Phone) -> None:
        self.phone = phone

    @property
    def page(self) -> FrameLocator:
        return self.phone.mini

    def at(self, name: str) -> Locator:
        """The visible element with this test id, on the page in front."""
        return self.page.locator(f'[data-testid="{name}"]:visible')

    def go_to_nearest_store(self, name: str) -> None:
        """The list of stores asks where the person is; the phone asks whether it may say."""
        self.at("home-store").get_by_text("换店").click()
        self.phone.sheet("位置").get_by_role("button", name="允许", exact=True).click()
        nearest = self.at("store").first
        expect(nearest).to_contain_text(name)
        expect(nearest).to_contain_text(re.compile(r"\d+ m"))
        nearest.get_by_role("button", name="去点单").click()

    def choose(self, product: str, *options: str) -> None:
        """Put one of this product into the bag, with these options."""
        self.at("product").filter(has_text=product).first.get_by_test_id("options").click()
        for option in options:
            self.at("option").filter(has_text=option).first.click()
        expect(self.at("add")).to_contain_text("加入")
        self.phone.page.wait_for_timeout(600)  # the sheet is on its way up
        self.at("add").click()
        expect(self.at("bag-count")).to_be_visible()

    def pay(self) -> str:
        """Pay in full at the pay sheet; the amount as it was shown."""
        self.at("pay").click()
        sheet = self.phone.sheet("沙箱付款")
        expect(sheet).to_be_visible()
        amount = sheet.locator(".sum").inner_text()
        sheet.get_by_role("button", name="确认付款").click()
        expect(sheet).to_be_hidden()
        return amount


class Console:
    """The merchant's console in a desktop browser."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def log_in(self, username: str = OWNER[0], password: str = OWNER[1]) -> None:
        self.page.get_by_label("账号").fill(username)
        self.page.get_by_label("密码").fill(password)
        self.page.get_by_role("button", name="登录").click()
        expect(self.page).not_to_have_url(re.compile("login"))

    def go(self, path: str) -> None:
        self.page.goto(re.sub(r"/console/.*", f"/console/{path}", self.page.url))
