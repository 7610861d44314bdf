"""A merchant with two official accounts: every page is about one of them, and says which."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.database import reading, transaction
from merchants.models import Role
from messaging.broadcasts.models import Broadcast
from messaging.models import Conversation, FollowerSync, MenuVersion, ReplyRule, Scene
from sandbox import acts
from sandbox.demo_config import OFFICIAL
from tests.console.official.conftest import Desk
from tests.console.official.test_answers import TYPED
from tests.console.official.test_menus import TYPED as MENU
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.wechat_world import Wechat, run_shop

SECOND = "wx00000000000000c2"
ALWAYS = {**TYPED, "from": "00:00", "until": "24:00", "days": list("0123456")}


@pytest.fixture
def both(wechat: Wechat, tmp_path: Path) -> Iterator[Desk]:
    """青禾 has a second account, for its office towers."""
    wechat.reset()
    world, raw = wechat.world, wechat.raw["wechat"]["official_accounts"]
    before, known = list(raw), world.settings.accounts
    twin = replace(known[OFFICIAL], appid=SECOND, token="t" * 32, name="青禾写字楼店")
    known[SECOND] = twin  # type: ignore[index]
    world.people._appids.append(SECOND)
    own = next(each for each in raw if each["appid"] == OFFICIAL)
    raw.append({**own, "appid": SECOND, "token": "t" * 32, "name": "青禾写字楼店"})
    try:
        wechat.reset()
        with run_shop(wechat, tmp_path) as shop:
            with transaction() as session:
                merchant = make_merchant(session, code="qinghe")
                rival = make_merchant(session, code="rival")
                store = make_store(session, merchant, name="静安寺店")
                make_staff(session, merchant, role=Role.owner).username = "owner"
            yield Desk(shop, merchant, rival, store)
    finally:
        raw[:] = before
        world.people._appids.remove(SECOND)
        del known[SECOND]  # type: ignore[attr-defined]


def appids(column: Any) -> list[str]:
    with reading() as session:
        return list(session.scalars(select(column).order_by(column)))


def test_every_page_is_about_the_account_that_was_chosen(both: Desk) -> None:
    owner, shop = both.browser(), both.shop
    person = shop.person("aqing")
    for appid in (OFFICIAL, SECOND):
        acts.follow(shop.world, person, shop.world.settings.accounts[appid])
    first = owner.get("/official/").text
    assert f'<option value="{SECOND}" >青禾写字楼店</option>' in first

    owner.post("/official/answers/new", **{**ALWAYS, "p0.text": "总店上新了"})
    owner.post("/official/account", account=SECOND, to="/console/official/menus")
    owner.post("/official/answers/new", **{**ALWAYS, "p0.text": "写字楼店上新了"})
    owner.post("/official/menus", **MENU)
    owner.post("/official/codes/missing")
    owner.post("/official/followers/sync")
    owner.post("/broadcasts/new", kind="text", audience="followers", text="周末见", appid=SECOND)
    for appid in (OFFICIAL, SECOND):
        acts.say(shop.world, person, shop.world.settings.accounts[appid], "有新品吗")
    acts.say(shop.world, person, shop.world.settings.accounts[SECOND], "杯子漏了")
    shop.drain()

    assert set(appids(ReplyRule.appid)) == {OFFICIAL, SECOND}
    assert "总店上新了" in [each["text"] for each in shop.chat("aqing", OFFICIAL)]
    assert "写字楼店上新了" in [each["text"] for each in shop.chat("aqing", SECOND)]
    for column in (MenuVersion.appid, Scene.appid, FollowerSync.appid, Broadcast.appid):
        assert appids(column) == [SECOND]

    pages = {
        "/official/": "写字楼店上新了",
        "/official/menus": "第 1 版草稿",
        "/official/codes": "/console/official/codes/1",
        "/official/followers": "上次对完",
        "/broadcasts/": "周末见",
        "/inbox/": "杯子漏了",
        "/official/records": "杯子漏了",
    }
    here = {path: owner.get(path).text for path in pages}
    assert {path: words in here[path] for path, words in pages.items()} == dict.fromkeys(
        pages, True
    )
    owner.post("/official/account", account=OFFICIAL)
    there = {path: owner.get(path).text for path in pages}
    assert {path: words in there[path] for path, words in pages.items()} == dict.fromkeys(
        pages, False
    )
    assert "总店上新了" in there["/official/"]


def test_a_page_that_was_open_before_the_switch_changes_the_account_it_shows(both: Desk) -> None:
    owner = both.browser()
    assert f'name="of_account" value="{OFFICIAL}"' in owner.get("/official/answers/new").text
    owner.post("/official/account", account=SECOND)

    owner.post("/official/answers/new", **ALWAYS, of_account=OFFICIAL)

    assert appids(ReplyRule.appid) == [OFFICIAL]
    rule_id = 1
    assert owner.get(f"/official/answers/{rule_id}").status_code == 404


def test_what_belongs_to_the_other_account_is_not_found_here(both: Desk) -> None:
    shop = both.shop
    acts.follow(shop.world, shop.person("aqing"), shop.world.settings.accounts[SECOND])
    acts.say(shop.world, shop.person("aqing"), shop.world.settings.accounts[SECOND], "在吗")
    shop.drain()
    with reading() as session:
        talk = session.scalars(select(Conversation)).one()
    owner = both.browser()

    assert owner.get(f"/inbox/{talk.id}").status_code == 404
    owner.post("/official/account", account="wx-somebody-elses")  # changes nothing
    assert owner.get(f"/inbox/{talk.id}").status_code == 404
    owner.post("/official/account", account=SECOND)
    assert owner.get(f"/inbox/{talk.id}").status_code == 200
