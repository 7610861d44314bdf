"""The virtual phone by itself: what it shows and does when the shop only says "success"."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sandbox import demo_config, live
from sandbox.keys import BRAND_ID
from sandbox.pay.cardstore import Card, Product, Stock
from sandbox.people import openid_of
from sandbox.state import World
from tests.browser.phone import Desk

pytestmark = pytest.mark.browser

Shot = Callable[[Page, str], None]


def test_a_newcomer_is_told_what_to_do_and_the_step_ticks_itself_off(
    desk: Desk, shot: Shot
) -> None:
    expect(desk.hint).to_contain_text("静安寺店")
    expect(desk.customer.root.get_by_text("阿青还没关注青禾茶铺")).to_be_visible()
    shot(desk.page, "phone-1-start")

    desk.customer.scan("静安寺店的海报")

    desk.customer.hears("扫「静安寺店的海报」关注了青禾茶铺")
    desk.is_done("扫码关注")
    expect(desk.feed.first).to_contain_text("阿青扫「静安寺店的海报」关注了公众号")
    expect(desk.hint).not_to_contain_text("静安寺店")


def test_what_the_shop_sends_appears_by_itself_and_its_markup_stays_text(
    desk: Desk, sandbox_alone: live.Live
) -> None:
    desk.customer.scan("静安寺店的海报")
    desk.customer.hears("关注了")
    world = sandbox_alone.world
    person = world.people.get("aqing")
    card = {"title": "¥8 关注见面礼 · 满 20 可用", "appid": demo_config.MINI, "path": "/pages/x"}

    world.chats.add(
        person,
        demo_config.OFFICIAL,
        sender="account",
        kind="text",
        text='<img src=x onerror="alert(1)"><b>你好</b> <a href="javascript:alert(1)">坏</a>'
        '<a href="http://127.0.0.1/x">好</a>',
    )
    world.chats.add(person, demo_config.OFFICIAL, sender="account", kind="mini", **card)

    desk.customer.hears("你好")
    expect(desk.customer.chat.locator("img[src=x]")).to_have_count(0)
    expect(desk.customer.chat.get_by_role("button", name="坏")).to_have_count(0)
    expect(desk.customer.chat.get_by_role("button", name="好", exact=True)).to_be_visible()
    expect(desk.customer.chat.locator(".ticket")).to_contain_text(re.compile("¥8.*关注见面礼"))


def test_called_back_is_who_got_a_coupon_after_having_paid(
    desk: Desk, sandbox_alone: live.Live
) -> None:
    mine = openid_of(demo_config.OFFICIAL, "aqing")
    coupon = {"miniprogrampage": {"pagepath": "pages/coupons/coupons"}}

    def tell(title: str, api: str, **body: Any) -> None:
        sandbox_alone.world.feed.add(title, direction="in", api=api, raw={"body": body})
        expect(desk.feed.first).to_contain_text(title)

    tell("见面礼", "api.custom_send", touser=mine, **coupon)
    tell("付了款", "pay.notify")
    desk.is_done("下单付款")
    tell("别人的券", "api.custom_send", touser="oSomebodyElse", **coupon)
    tell("没有券", "api.subscribe_send", touser=mine, page="pages/orders/orders")
    expect(desk.step("挑人召回，已完成")).to_have_count(0)

    tell("她的券", "api.subscribe_send", touser=mine, page="pages/coupons/coupons")
    desk.is_done("挑人召回")


def test_menu_keyboard_and_unfollow(desk: Desk, sandbox_alone: live.Live) -> None:
    desk.customer.scan("静安寺店的海报")

    desk.customer.tap_menu("会员", "券包")
    expect(desk.feed.first).to_contain_text("阿青点了菜单「券包」")

    desk.customer.say("今天喝什么好？")
    desk.customer.hears("今天喝什么好？")
    expect(desk.feed.first).to_contain_text("阿青说：今天喝什么好？")

    desk.customer.root.get_by_role("button", name="账号资料").click()
    desk.customer.root.get_by_role("button", name="取消关注").click()
    desk.customer.hears("现在没有关注")
    expect(desk.customer.root.get_by_text("关注后才能说话")).to_be_visible()
    assert not sandbox_alone.world.followers.page(demo_config.OFFICIAL, "")[1]


def test_a_menu_that_scans_sees_the_other_phones_screen(
    desk: Desk, sandbox_alone: live.Live
) -> None:
    desk.clerk.scan("静安寺店的海报")
    desk.clerk.hears("关注了")

    desk.clerk.tap_menu("会员", "扫码核销")
    desk.clerk.root.get_by_label("自己输入一段内容").fill("LL1.abc.1.def")
    desk.clerk.root.get_by_role("button", name="扫这个码").click()

    expect(desk.feed.first).to_contain_text("小周点了菜单「扫码核销」，扫到一个码")
    desk.feed.first.get_by_role("button").click()
    expect(desk.feed.first).to_contain_text("LL1.abc.1.def")


def test_a_phone_changes_hands(desk: Desk, shot: Shot) -> None:
    desk.clerk.give_to("沈知夏")
    expect(desk.clerk.holder).to_contain_text("沈知夏")
    expect(desk.clerk.root.get_by_text("沈知夏还没关注青禾茶铺")).to_be_visible()

    desk.clerk.give_to("来一位新人")
    expect(desk.clerk.holder).to_contain_text("顾客")

    desk.clerk.give_to("阿青")
    expect(desk.clerk.holder).to_contain_text("阿青")
    expect(desk.customer.holder).not_to_contain_text("阿青")


def test_fault_switches_reach_the_sandbox_and_come_back_after_a_reload(
    desk: Desk, sandbox_alone: live.Live
) -> None:
    desk.fault("重复").click()
    expect(desk.fault("重复")).to_be_checked()
    desk.customer.scan("静安寺店的海报")
    expect(desk.feed.filter(has_text="同一条消息送第 3 次")).to_have_count(1)

    desk.page.reload()
    expect(desk.fault("重复")).to_be_checked()
    desk.fault("重复").click()

    expect(desk.fault("重复")).not_to_be_checked()
    assert sandbox_alone.world.faults.list() == []


def test_the_clock_moves_on_and_everything_can_begin_again(
    desk: Desk, sandbox_alone: live.Live
) -> None:
    desk.customer.scan("静安寺店的海报")
    desk.is_done("扫码关注")

    desk.fast_forward()
    assert sandbox_alone.world.clock.offset == pytest.approx(600, abs=1)

    desk.page.get_by_role("button", name="重来").click()
    desk.page.get_by_role("button", name="确定重来？").click()
    expect(desk.customer.root.get_by_text("阿青还没关注青禾茶铺")).to_be_visible()
    expect(desk.page.get_by_text("还没有事情发生")).to_be_visible()
    expect(desk.step("扫码关注，已完成")).to_have_count(0)


def test_a_mini_program_that_does_not_answer_is_said_so(desk: Desk) -> None:
    desk.customer.tab("小程序")

    expect(desk.customer.root.get_by_text("小程序没有打开")).to_be_visible(timeout=20_000)
    expect(desk.customer.root.get_by_role("button", name="再试一次")).to_be_visible()


def test_the_page_works_by_keyboard_alone(desk: Desk) -> None:
    page = desk.page
    desk.customer.root.get_by_role("tab", name="公众号").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(desk.customer.root.locator(".qrpick").first).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")

    desk.customer.hears("关注了青禾茶铺")


@pytest.mark.parametrize("width", [390, 1024, 1280])
def test_smaller_windows_show_everything_without_scrolling_sideways(
    sandbox_alone: live.Live,
    open_page: Callable[..., Page],
    shot: Shot,
    width: int,
) -> None:
    page = open_page(f"{sandbox_alone.url}/sandbox/", {"width": width, "height": 800})
    desk = Desk(page)

    desk.customer.scan("静安寺店的海报")
    desk.customer.hears("关注了")
    shot(page, f"phone-{width}")

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if width < 1240:
        page.get_by_role("tab", name="小周").click()
        expect(desk.clerk.holder).to_be_visible()
        expect(desk.customer.holder).to_be_hidden()
    if width < 820:
        page.get_by_role("tab", name="正在发生什么").click()
    expect(desk.feed.first).to_be_visible()


def test_a_card_of_the_pack_is_opened_held_before_the_clerk_and_thrown_away(
    desk: Desk, sandbox_alone: live.Live, shot: Shot
) -> None:
    put_card(sandbox_alone.world, "402712345678")

    desk.customer.root.get_by_role("tab", name="卡包").click()
    row = desk.customer.root.get_by_role("button", name=re.compile("老客回店券"))
    expect(row).to_contain_text("¥8")
    expect(row).to_contain_text("满 20 可用")
    row.click()
    sheet = desk.customer.root.get_by_role("dialog", name="老客回店券")
    expect(sheet).to_contain_text("4027 1234 5678")
    shot(desk.page, "phone-pack")
    desk.clerk.root.get_by_role("tab", name="扫一扫").click()
    expect(desk.clerk.root.get_by_text("阿青的卡包里的老客回店券")).to_be_visible()

    sheet.get_by_role("button", name="从卡包删掉").click()
    expect(desk.customer.root.get_by_text("卡包是空的")).to_be_visible()
    card = sandbox_alone.world.cards.find(BRAND_ID, "402712345678")
    assert card is not None
    assert card.state == "DELETED"


def put_card(world: World, code: str) -> None:
    """As the shop would have put it there."""
    worth = {"normal_coupon": {"threshold": 2_000, "discount_amount": 800}}
    face = {"display_info": {"name": "老客回店券"}, "single_usage_info": worth}
    batch = {
        "single_usage_rule": {},
        "usage_rule_display_info": {"usage_description": "以小程序里的券为准"},
        "coupon_display_info": {},
    }
    until = world.clock.now() + 86_400 * 7
    world.cards.products["1"] = Product("1", BRAND_ID, "tpl-1", face)
    world.cards.stocks["1001"] = Stock("1001", "1", "tpl-1", batch, until, 7)
    openid = openid_of(demo_config.MINI, "aqing")
    given = (openid, demo_config.MINI, "send-1", world.clock.now(), until)
    world.cards.add(Card(code, BRAND_ID, "1", "1001", *given, state="EFFECTIVE"))
