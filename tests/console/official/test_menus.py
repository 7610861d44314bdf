"""Menus: drawn, checked in words with bytes, compared with WeChat, published, taken back."""

from typing import Any

import pytest
from sqlalchemy import select

from console.official import menu_form
from core.database import reading, transaction
from core.outbox import enqueue
from messaging.menus import checking, comparing, remote, versions
from messaging.models import MenuState, MenuVersion
from sandbox import acts
from sandbox.demo_config import MINI, OFFICIAL
from tests.console.official.conftest import Desk

TYPED = {
    "for": "default",
    "0.name": "点单",
    "0.type": "miniprogram",
    "0.value": "pages/menu/menu",
    "2.name": "会员",
    "2.type": "group",
    "2.0.name": "联系我们",
    "2.0.type": "click",
    "2.0.value": "contact",
    "2.3.name": "门店",
    "2.3.type": "view",
    "2.3.value": "https://shop.test/stores",
}
OLD_MINI = {"url": "https://old.test", "appid": "wx0ld", "pagepath": "pages/old/old"}
BUTTONS = [
    {
        "type": "miniprogram",
        "name": "点单",
        "url": "http://127.0.0.1:8000/m/#/pages/menu/menu",
        "appid": MINI,
        "pagepath": "pages/menu/menu",
    },
    {
        "name": "会员",
        "sub_button": [
            {"type": "click", "name": "联系我们", "key": "contact"},
            {"type": "view", "name": "门店", "url": "https://shop.test/stores"},
        ],
    },
]


def kept() -> list[tuple[int, MenuState]]:
    with reading() as session:
        rows = session.scalars(select(MenuVersion).order_by(MenuVersion.number))
        return [(row.number, row.state) for row in rows]


def the_last() -> MenuVersion:
    with reading() as session:
        return session.scalars(select(MenuVersion).order_by(MenuVersion.number.desc())).first()  # type: ignore[return-value]


def seen(desk: Desk, person: str = "aqing") -> list[dict[str, Any]]:
    client = desk.shop.wechat.server.app.test_client()
    chat = client.get(f"/sandbox/api/people/{person}/chat?appid={OFFICIAL}").get_json()
    return list(chat["menu"]["button"])


def test_a_menu_is_drawn_compared_published_and_taken_back(desk: Desk) -> None:
    with transaction() as session:
        enqueue(session, "messaging.publish_menus", appid=OFFICIAL)
    desk.shop.follow("aqing")
    desk.shop.drain()
    owner = desk.browser()

    assert owner.post("/official/menus", **TYPED).status_code == 303
    assert kept() == [(1, MenuState.draft)]
    compared = owner.get("/official/menus/compare").text
    assert "点单 → 小程序「点单」" in compared
    assert "<del>点单 → 小程序「首页」</del>" in compared
    assert "店员看到的" not in compared  # nothing changes there

    owner.post(f"/official/menus/{the_last().id}/publish")
    owner.post(f"/official/menus/{the_last().id}/publish")
    assert kept() == [(1, MenuState.publishing)]
    desk.shop.drain()
    assert kept() == [(0, MenuState.published), (1, MenuState.published)]  # what was there before
    assert seen(desk) == BUTTONS
    assert len(desk.shop.world.menus.of(OFFICIAL).conditional) == 1

    changed = {key: value for key, value in TYPED.items() if not key.startswith("2.")}
    owner.post("/official/menus", **{**changed, "2.name": "", "2.type": ""})
    owner.post(f"/official/menus/{the_last().id}/publish")
    desk.shop.drain()
    assert [button["name"] for button in seen(desk)] == ["点单"]

    first = versions_of("published")[1]
    owner.post(f"/official/menus/{first}/restore")
    desk.shop.drain()
    assert seen(desk) == BUTTONS
    assert [state for _, state in kept()] == [MenuState.published] * 4
    names = [name for name, _ in desk.acts()]
    assert names == [
        "menu.save",
        "menu.publish",
        "menu.save",
        "menu.publish",
        "menu.restore",
    ]


def versions_of(state: str) -> list[int]:
    with reading() as session:
        found = select(MenuVersion.id).where(MenuVersion.state == state)
        return list(session.scalars(found.order_by(MenuVersion.number)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"0.name": "点单点单点单"}, "名字占 18 字节，最多 16（一个汉字 3 字节）"),
        ({"2.0.name": "长" * 21}, "名字占 63 字节，最多 60"),
        ({"0.type": "view", "0.value": "ftp://x"}, "网址要以 https:// 开头"),
        ({"2.0.value": ""}, "回复的话要填"),
        ({"2.0.value": "k" * 129}, "回复的话占 129 字节，最多 128"),
        ({"2.3.value": "https://x/" + "a" * 1020}, "网址占 1030 字节，最多 1024"),
        ({"0.type": ""}, "选点了以后做什么"),
        ({"0.name": ""}, "名字要填"),
    ],
)
def test_what_wechat_would_refuse_is_said_first(
    desk: Desk, change: dict[str, str], said: str
) -> None:
    owner = desk.browser()

    answer = owner.post("/official/menus", **{**TYPED, **change})
    looked = owner.touch("/official/menus/look", **{**TYPED, **change})

    assert (answer.status_code, looked.status_code) == (422, 200)
    assert said in answer.text
    assert said in looked.text
    assert kept() == []


def test_an_empty_menu_is_no_menu() -> None:
    assert checking.check({"button": []}) == {"": "最外层要有 1 到 3 个按钮"}
    many = {"button": [{"name": "x", "type": "view", "url": f"https://h{n}.test"} for n in "12"]}
    many["button"].append(
        {
            "name": "y",
            "sub_button": [
                {"name": "z", "type": "view", "url": f"https://h{n}.test"} for n in "3456"
            ],
        }
    )
    assert checking.check(many) == {}
    assert checking.check(many, conditional=True) == {"": "给一部分人看的菜单最多链到 3 个网站"}


def test_wechats_refusal_is_written_down_and_the_draft_can_be_mended(desk: Desk) -> None:
    owner = desk.browser()
    owner.post("/official/menus", **TYPED)
    desk.shop.fault(api="api.menu_create", kind="error", errcode=40165, times=1)

    owner.post(f"/official/menus/{the_last().id}/publish")
    desk.shop.drain()

    assert kept() == [(1, MenuState.failed)]
    assert "小程序页面不存在（40165）" in owner.get("/official/menus").text
    owner.post("/official/menus", **TYPED)
    owner.post(f"/official/menus/{the_last().id}/publish")
    desk.shop.drain()
    assert kept() == [(1, MenuState.published)]


def test_a_manager_draws_and_only_the_owner_publishes(desk: Desk) -> None:
    manager = desk.browser("manager")
    manager.post("/official/menus", **TYPED)

    refused = manager.post(f"/official/menus/{the_last().id}/publish")

    assert refused.status_code == 403
    assert kept() == [(1, MenuState.draft)]
    assert "发布要店主来点" in manager.get("/official/menus/compare").text


def test_the_menu_that_a_merchant_comes_with_is_drawn_from_and_can_be_had_back(desk: Desk) -> None:
    """It was made by hand: a text, a mini-program of theirs, a material."""
    theirs = [
        {"name": "营业时间", "type": "text", "value": "每天 9 点到 22 点"},
        {
            "name": "更多",
            "sub_button": [
                {"name": "老小程序", "type": "miniprogram", **OLD_MINI},
                {"name": "海报", "type": "img", "value": "media-1"},
            ],
        },
    ]
    desk.shop.world.menus.of(OFFICIAL).default = {"button": theirs}
    desk.shop.follow("aqing")
    desk.shop.drain()
    owner = desk.browser()

    form = owner.get("/official/menus").text
    assert 'value="营业时间"' in form
    assert 'value="media-1"' in form
    owner.post("/official/menus", **TYPED)
    owner.post(f"/official/menus/{the_last().id}/publish")
    desk.shop.drain()
    assert seen(desk) == BUTTONS
    assert kept() == [(0, MenuState.published), (1, MenuState.published)]
    assert "发布前微信上的" in owner.get("/official/menus").text

    owner.post(f"/official/menus/{versions_of('published')[0]}/restore")
    desk.shop.drain()
    text, more = seen(desk)
    assert (text["name"], text["type"]) == ("营业时间", "click")
    assert more["sub_button"] == [
        {"type": "miniprogram", "name": "老小程序", **OLD_MINI},
        {"type": "media_id", "name": "海报", "media_id": "media-1"},
    ]
    account = desk.shop.world.settings.accounts[OFFICIAL]
    acts.tap(desk.shop.world, desk.shop.person("aqing"), account, [0])
    assert desk.shop.chat("aqing")[-1]["text"] == "每天 9 点到 22 点"
    assert [state for _, state in kept()] == [MenuState.published] * 3


def test_saving_the_editors_own_drawing_of_a_foreign_menu_changes_nothing(desk: Desk) -> None:
    menu = {
        "button": [
            {"type": "miniprogram", "name": "老小程序", **OLD_MINI},
            {"type": "article_id", "name": "文章", "article_id": "a-1"},
            {"name": "更多", "sub_button": [{"type": "media_id", "name": "图", "media_id": "m-1"}]},
        ]
    }
    base = "http://127.0.0.1:8000"

    form = menu_form.typed(menu, base_url=base)

    assert menu_form.read(form, mini_appid=MINI, base_url=base, appid=OFFICIAL).menu == menu
    assert checking.check(menu) == {}


def test_what_a_button_says_is_typed_where_the_button_is_drawn(desk: Desk) -> None:
    desk.shop.follow("aqing")
    desk.shop.drain()
    owner = desk.browser()
    said = {"2.0.value": "+", "2.0.text": "总店电话 021-62480088"}

    assert 'name="2.0.text"' in owner.touch("/official/menus/look", **{**TYPED, **said}).text
    owner.post("/official/menus", **{**TYPED, **said})
    assert "联系我们 → 回复「总店电话 021-62480088」" in owner.get("/official/menus/compare").text
    owner.post(f"/official/menus/{the_last().id}/publish")
    desk.shop.drain()

    account = desk.shop.world.settings.accounts[OFFICIAL]
    acts.tap(desk.shop.world, desk.shop.person("aqing"), account, [1, 0])
    assert desk.shop.chat("aqing")[-1]["text"] == "总店电话 021-62480088"
    rules = owner.get("/official/").text
    assert "联系我们" in rules
    assert "live." not in rules


def test_the_staffs_menu_is_drawn_without_addresses(desk: Desk) -> None:
    form = desk.browser().get("/official/menus?for=staff").text
    drawn = form.split('id="menu-fields"')[1].split("<aside")[0]

    assert 'value="/console/orders/" selected>订单' in drawn
    assert "店员：今天的数字" in drawn
    assert "http" not in drawn
    assert "redeem" not in drawn.replace("/console/redeem/", "")


def test_what_somebody_changed_elsewhere_is_kept_too(desk: Desk) -> None:
    owner = desk.browser()
    owner.post("/official/menus", **TYPED)
    owner.post(f"/official/menus/{the_last().id}/publish")
    desk.shop.drain()
    assert kept() == [(1, MenuState.published)]  # WeChat had none
    elsewhere = [{"name": "别处", "type": "view", "url": "https://else.test"}]
    desk.shop.world.menus.of(OFFICIAL).default = {"button": elsewhere}

    owner.post("/official/menus", **{**TYPED, "0.name": "喝茶"})
    owner.post(f"/official/menus/{the_last().id}/publish")
    desk.shop.drain()

    assert [state for _, state in kept()] == [MenuState.published] * 3
    assert the_last().menus["default"]["button"] == elsewhere
    assert "在别处改过的" in owner.get("/official/menus").text


def test_a_menu_made_by_hand_is_seen_in_the_comparison(desk: Desk) -> None:
    live = {
        "button": [
            {"name": "甲", "type": "view", "url": "https://a.test"},
            {"name": "乙", "sub_button": {"list": [{"name": "丙", "key": "c"}]}},
        ]
    }
    wanted = {"button": [{"name": "甲", "type": "view", "url": "https://b.test"}]}

    assert comparing.differences(live, wanted) == [
        ("changed", "1", "甲 → https://a.test", "甲 → https://b.test"),
        ("removed", "2", "乙", ""),
        ("removed", "2.1", "丙 → c", ""),
    ]
    assert comparing.differences(wanted, wanted) == []


def test_with_wechat_away_the_comparison_says_so(desk: Desk) -> None:
    owner = desk.browser()
    owner.post("/official/menus", **TYPED)
    desk.shop.fault(api="api.menu_get", kind="error", errcode=-1, times=5)

    assert "没读到微信上现在的菜单" in owner.get("/official/menus/compare").text


def test_nothing_published_reads_as_nothing(desk: Desk) -> None:
    assert remote.read_live(OFFICIAL) == {"default": None, "staff": None}
    with reading() as session:
        assert versions.current(session, OFFICIAL)["default"]["button"][0]["name"] == "点单"
