"""The README's pictures, taken from a freshly started demo with a past: `make shots`."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from scripts.tree import ROOT, Tree, running
from tests.browser.conftest import ARGUMENTS, DESKTOP, find_chromium
from tests.browser.phone import Desk
from tests.browser.story import Console, Shop

FOLDER = ROOT / "docs" / "images"
STORE = "静安寺店"
MEMBERS = 240  # a shop that does well


def open_page(browser: Browser, url: str) -> Page:
    page = browser.new_page(viewport=DESKTOP, locale="zh-CN", timezone_id="Asia/Shanghai")
    page.set_default_timeout(120_000)  # a fresh demo first works off what its past left
    page.goto(url)
    return page


def save(page: Page, name: str) -> None:
    """JPEG, because a picture in the repository has to be small."""
    file = FOLDER / f"{name}.jpg"
    page.screenshot(path=file, type="jpeg", quality=72, animations="disabled")
    print(f"  {file.relative_to(ROOT)}  {file.stat().st_size // 1024} KB", flush=True)


def take_phone(browser: Browser, tree: Tree) -> None:
    """The customer has followed and has her welcome coupon; the clerk has the staff menu."""
    page = open_page(browser, f"{tree.sandbox_url}/sandbox/")
    desk = Desk(page)
    desk.clerk.scan("小周的店员邀请")
    expect(desk.clerk.root.locator(".mbar")).to_contain_text("扫码核销", timeout=60_000)
    desk.customer.scan(f"{STORE}的海报")
    desk.customer.hears("关注见面礼", seconds=60)
    page.wait_for_timeout(1_500)
    save(page, "phone")

    desk.customer.tap_menu("点单")
    shop = Shop(desk.customer)
    shop.at("mode-pickup").click()
    expect(shop.at("product").first).to_be_visible()
    shop.choose("杨枝甘露")
    page.wait_for_timeout(2_500)
    save(page, "mini")


def take_console(browser: Browser, tree: Tree) -> None:
    page = open_page(browser, f"{tree.base_url}/console/login")
    console = Console(page)
    console.log_in()
    # A whole day: pictures are also taken at night, when today has hardly begun.
    page.locator(".week a").nth(5).click()
    expect(page.get_by_role("link", name="回到今天")).to_be_visible()
    page.wait_for_timeout(2_000)
    save(page, "console")


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="linli-") as folder,
        running(Path(folder) / "tree", history=MEMBERS) as tree,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        take_phone(browser, tree)
        take_console(browser, tree)
        browser.close()


if __name__ == "__main__":
    main()
