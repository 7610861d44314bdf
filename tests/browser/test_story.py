"""The first sale, lived in a browser: two phones, the mini-program, the console.

One test per step, in order, in one world: each goes on where the one before it stopped.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from scripts.tree import Tree, new_directory, running
from tests.browser.conftest import DESKTOP
from tests.browser.phone import Desk
from tests.browser.story import Console, Shop

pytestmark = pytest.mark.browser

Shot = Callable[[Page, str], None]


@dataclass
class Story:
    """The world so far."""

    tree: Tree
    desk: Desk
    console: Console
    shop: Shop
    known: dict[str, str] = field(default_factory=dict)
    stopped_at: str = ""


@pytest.fixture(scope="module")
def story(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A fresh tree, the virtual phone in one browser, the owner's desktop in another."""
    with running(new_directory(Path(tmp_path_factory.getbasetemp()))) as tree:
        pages: list[Page] = []
        for address in (f"{tree.sandbox_url}/sandbox/", f"{tree.base_url}/console/login"):
            context = chromium.new_context(
                viewport=DESKTOP, locale="zh-CN", timezone_id="Asia/Shanghai"
            )
            page = context.new_page()
            page.set_default_timeout(20_000)
            page.goto(address)
            pages.append(page)
        desk = Desk(pages[0])
        yield Story(tree, desk, Console(pages[1]), Shop(desk.customer))
        for page in pages:
            page.context.close()


@pytest.fixture(autouse=True)
def _in_order(story: Story, request: pytest.FixtureRequest) -> Iterator[None]:
    """After a step that failed the rest would only wait in vain."""
    if story.stopped_at:
        pytest.skip(f"the story stopped at {story.stopped_at}")
    before = request.session.testsfailed
    yield
    if request.session.testsfailed > before:
        story.stopped_at = request.node.name


def test_3_following_by_a_stores_poster_brings_the_welcome_coupon_once(
    story: Story, shot: Shot
) -> None:
    desk = story.desk
    desk.fault("重复").click()
    expect(desk.fault("重复")).to_be_checked()

    desk.customer.scan("静安寺店的海报")

    desk.customer.hears("欢迎来到青禾茶铺·静安寺店")
    desk.customer.hears("见面礼「关注见面礼」已放进你的券包")
    expect(desk.feed.filter(has_text="同一条消息送第 3 次")).to_have_count(1)
    expect(desk.customer.chat.get_by_text("已放进你的券包")).to_have_count(1)
    desk.is_done("扫码关注")
    desk.fault("重复").click()
    expect(desk.fault("重复")).not_to_be_checked()
    shot(desk.page, "story-3-follow")


def test_4_a_clerk_is_bound_by_an_invite_and_the_customer_sees_menu_and_coupon(
    story: Story, shot: Shot
) -> None:
    desk, shop = story.desk, story.shop
    desk.clerk.scan("小周的店员邀请")
    desk.clerk.hears("小周，绑定成功")
    expect(desk.clerk.root.locator(".mbar").get_by_text("扫码核销")).to_be_visible()

    desk.customer.tap_menu("点单")
    expect(shop.at("home-store")).to_be_visible()
    shot(desk.page, "story-4-home")
    shop.go_to_nearest_store("静安寺店")

    expect(shop.at("product").first).to_be_visible()
    expect(shop.at("category").first).to_be_visible()
    shot(desk.page, "story-4-menu")


def test_5_the_best_price_is_explained_line_by_line(story: Story, shot: Shot) -> None:
    desk, shop = story.desk, story.shop

    shop.choose("杨枝甘露")
    shop.at("checkout").click()

    expect(shop.at("coupon-line")).to_contain_text("关注见面礼")
    expect(shop.at("payable")).to_contain_text("14")
    shot(desk.page, "story-5-checkout")


def test_6_paid_once_though_the_notice_comes_forged_and_three_times(
    story: Story, shot: Shot
) -> None:
    desk, shop = story.desk, story.shop
    for name in ("重复", "签名错误"):
        desk.fault(name).click()
        expect(desk.fault(name)).to_be_checked()
    shop.at("pay").click()
    expect(desk.customer.sheet("沙箱付款")).to_contain_text("14.00")
    expect(desk.customer.sheet("沙箱付款")).to_contain_text(re.compile(r"还剩 14 分 \d+ 秒"))
    shot(desk.page, "story-6-pay")
    desk.customer.sheet("沙箱付款").get_by_role("button", name="确认付款").click()

    expect(shop.at("pickup-number")).to_contain_text(re.compile(r"[A-Z]\d{3}"))
    expect(shop.at("order-state")).to_contain_text("已付款")
    desk.is_done("下单付款")
    story.known["number"] = shop.at("pickup-number").inner_text().strip()
    for name in ("重复", "签名错误"):
        desk.fault(name).click()
        expect(desk.fault(name)).not_to_be_checked()
    shot(desk.page, "story-6-paid")


def test_7_the_clerk_makes_it_and_hands_it_over_by_code(story: Story, shot: Shot) -> None:
    desk, shop = story.desk, story.shop
    shop.at("remind").click()
    desk.customer.sheet("订阅消息").get_by_role("button", name="允许", exact=True).click()

    desk.clerk.tap_menu("今日订单")
    web = desk.clerk.web
    expect(web.get_by_text(story.known["number"]).first).to_be_visible()
    web.get_by_role("button", name="接单").click()
    expect(shop.at("order-state")).not_to_contain_text("等店里接单")
    shot(desk.page, "story-7-accepted")
    web.get_by_role("button", name="出餐").click()
    expect(shop.page.get_by_text("可取餐").first).to_be_visible()
    desk.customer.tab("公众号")
    desk.customer.hears("取餐提醒")
    desk.customer.tab("小程序")
    shop.at("show-code").click()
    code = re.sub(r"\D", "", shop.at("pickup-code").inner_text())

    web.get_by_role("link", name="交餐").click()
    web.get_by_label("取餐码").fill(code)
    shot(desk.page, "story-7-hand-over")
    web.get_by_role("button", name="交餐，完成订单").click()

    expect(shop.page.get_by_text("已完成").first).to_be_visible()
    expect(shop.at("show-code")).to_be_hidden(timeout=20_000)
    desk.is_done("制作取餐", seconds=25)
    shot(desk.page, "story-7-done")


def test_8_the_owner_picks_people_and_a_campaign_reaches_them_lawfully(
    story: Story, shot: Shot
) -> None:
    desk, console = story.desk, story.console
    desk.customer.tab("公众号")
    desk.customer.say("今天好喝")
    desk.customer.hears("今天好喝")
    console.log_in()
    page = console.page
    console.go("segments/")
    page.get_by_role("link", name="等着来第二次的").click()
    expect(page.locator("#reach .big-n")).to_contain_text(re.compile(r"[1-9]\d* 人"))
    shot(page, "story-8-segment")

    console.go("segments/")
    row = page.get_by_role("row", name=re.compile("等着来第二次的"))
    row.get_by_role("link", name="建活动").click()
    page.get_by_label("活动名字").fill("请你再来一杯")
    page.locator('label[for="c-holdout-1"]').click()
    offer = page.get_by_label("哪一张券")
    offer.select_option(offer.locator("option", has_text="老客回店券").get_attribute("value"))
    page.get_by_label("文字").fill("送你一张「{券名}」，这周来喝一杯。")
    expect(page.locator("#ticket")).to_contain_text("老客回店券")
    shot(page, "story-8-campaign")
    page.get_by_role("button", name="存为草稿").click()
    page.get_by_role("link", name="启动", exact=True).click()
    page.get_by_role("button", name=re.compile("^启动，最多发给")).click()
    expect(page.locator("#progress")).to_contain_text("已送达微信", timeout=30_000)
    story.known["campaign"] = page.url
    shot(page, "story-8-launched")

    desk.customer.hears("这周来喝一杯", seconds=30)
    desk.is_done("挑人召回", seconds=25)
    shot(desk.page, "story-8-message")


def test_9_the_coupon_works_exactly_once_in_the_store(story: Story, shot: Shot) -> None:
    desk, shop = story.desk, story.shop
    desk.customer.tap_menu("券包")
    shop.at("coupon").first.get_by_test_id("use").click()
    expect(shop.at("code-text")).to_be_visible()

    desk.clerk.root.get_by_role("button", name="关掉网页").click()
    desk.clerk.tap_menu("扫码核销")
    shot(desk.page, "story-9-scan")
    desk.clerk.aim("阿青的")
    desk.clerk.chat.get_by_role("button").last.click()
    web = desk.clerk.web
    redeem = web.get_by_role("button", name=re.compile("^确认核销"))
    expect(redeem).to_be_visible()
    shot(desk.page, "story-9-preview")
    redeem.click()

    expect(web.get_by_text(re.compile("^已核销"))).to_be_visible()
    expect(shop.at("code-state")).to_have_text("已核销")
    desk.is_done("到店核销", seconds=25)
    shot(desk.page, "story-9-redeemed")


def test_10_the_campaigns_page_and_the_day_tell_what_came_of_it(story: Story, shot: Shot) -> None:
    page = story.console.page
    page.goto(story.known["campaign"])
    page.locator("#campaign-acts").get_by_role("link", name="看报告").click()
    expect(page.get_by_text("核销").first).to_be_visible()
    shot(page, "story-10-report")

    story.console.go("home")
    expect(page.locator(".kpi").first).to_be_visible()
    shot(page, "story-10-day")
