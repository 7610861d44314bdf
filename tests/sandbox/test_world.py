"""What keeps the sandbox together: restart, clock, feed, control interface, files."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from flask.testing import FlaskClient

from core import config as backend_config
from sandbox import demo_config, keys, live, settings
from sandbox.server import create_sandbox
from sandbox.settings import Settings
from sandbox.state import Snapshots, World
from tests.sandbox.conftest import (
    MCHID,
    MINI,
    OFFICIAL,
    ORDER_READY,
    Shop,
    act,
    call,
    chat,
    openid,
    paid_order,
    settled,
    token,
    unreachable,
    world_of,
)


def test_a_restart_keeps_people_chats_grants_and_orders(
    make_world: Callable[..., FlaskClient],
    merchant_keys: keys.Keys,
    shop: Shop,
    tmp_path: Path,
) -> None:
    before = make_world()
    person = act(before, "people", name="路过的人")["id"]
    act(before, "people/aqing/follow")
    act(before, "people/aqing/say", text="在吗")
    act(before, "people/aqing/subscribe", appid=MINI, answers={ORDER_READY: "accept"})
    call(before, "/cgi-bin/tags/create", {"tag": {"name": "店员"}})
    value = token(before)
    shop.answer = unreachable
    paid_order(before, merchant_keys)
    settled(before, 1)
    act(before, "clock", advance_seconds=3)
    Snapshots(world_of(before), tmp_path / "state.json").save()
    shop.answer = Shop().answer

    after = make_world(state_path=tmp_path / "state.json")

    world = world_of(after)
    assert world.people.get(person).name == "路过的人"
    assert chat(after) == chat(before)
    assert world.grants.left(openid(after, appid=MINI), ORDER_READY) == 1
    assert token(after) == value
    assert "店员" in world.tags.of(OFFICIAL).values()
    assert world.clock.offset == 3
    told = len(shop.told)
    act(after, "clock", advance_seconds=16)
    shop.wait_for(told + 1)  # the notice that had no answer goes on
    order = after.get("/sandbox/api/state").get_json()["orders"][0]
    assert (order["state"], order["total_fen"]) == ("SUCCESS", 6600)


def test_reset_keeps_what_the_shop_published(sandbox_client: FlaskClient) -> None:
    button = {"type": "click", "name": "找我们", "key": "contact"}
    call(sandbox_client, "/cgi-bin/menu/create", {"button": [button]})
    act(sandbox_client, "people", name="路过的人")
    act(sandbox_client, "people/aqing/follow")
    act(sandbox_client, "crowd", size=3, grants={ORDER_READY: 1}, open_windows=True)
    world = world_of(sandbox_client)
    official, mini = demo_config.OFFICIAL, demo_config.MINI
    talker = world.people.crowd_openid(official, 2)

    act(sandbox_client, "reset")

    assert [p.name for p in world_of(sandbox_client).people.list()] == ["阿青", "小周", "沈知夏"]
    assert chat(sandbox_client) == []
    assert call(sandbox_client, "/cgi-bin/menu/get")["menu"]["button"] == [button]
    assert [w["kind"] for w in world.windows.list(official, talker)] == ["message"]
    assert world.grants.left(world.people.crowd_openid(mini, 2), ORDER_READY) == 1
    act(sandbox_client, "reset", everything=True)
    assert call(sandbox_client, "/cgi-bin/menu/get")["errcode"] == 46003
    assert world.windows.list(official, talker) == []
    assert (world.people.crowd_size, world.grants.crowd_each) == (0, {})


def test_the_feed_tells_in_sentences(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "faults", api="official.push", kind="duplicate", copies=2)
    act(sandbox_client, "people/aqing/follow")
    call(sandbox_client, "/cgi-bin/user/info", openid=openid(sandbox_client))

    events = sandbox_client.get("/sandbox/api/feed").get_json()["events"]

    assert [(e["direction"], e["title"]) for e in events] == [
        ("plan", "公众号消息会送 2 次（接下来 1 次）"),
        ("out", "阿青关注了公众号"),
        ("out", "同一条消息送第 2 次：阿青关注了公众号"),
        ("in", "青禾茶铺取了接口凭证"),
        ("in", "查了阿青的粉丝资料"),
    ]
    assert events[1]["raw"]["message"]["Event"] == "subscribe"
    later = sandbox_client.get(f"/sandbox/api/feed?after={events[-2]['id']}").get_json()
    assert [e["id"] for e in later["events"]] == [events[-1]["id"]]


def test_the_feed_streams(live_sandbox: live.Live) -> None:
    url, lines = f"{live_sandbox.url}/sandbox/api/feed/stream", []
    opened = threading.Event()

    def read() -> None:
        with requests.get(url, stream=True, timeout=20) as answer:
            opened.set()
            for line in answer.iter_lines(decode_unicode=True):
                lines.append(line)
                if line.startswith("data:") and "快进" in line:
                    return

    reader = threading.Thread(target=read)
    reader.start()
    opened.wait(20)
    requests.post(
        f"{live_sandbox.url}/sandbox/api/clock", json={"advance_seconds": 600}, timeout=20
    )
    reader.join(20)

    entry = json.loads(next(line for line in lines if line.startswith("data:"))[5:])
    assert entry["title"] == "沙箱时间快进了 10 分钟"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example:8001"},
        {"Host": "203.0.113.5"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
    ],
)
def test_a_page_of_another_site_gets_nothing_done(
    sandbox_client: FlaskClient, headers: dict[str, str]
) -> None:
    """Neither under a name pointed at this machine nor by a form without fields."""
    assert sandbox_client.post("/sandbox/api/reset", headers=headers).status_code == 403
    own = {"Origin": "http://localhost"}
    assert sandbox_client.get("/sandbox/api/people", headers=own).status_code == 200


def test_the_control_interface_is_for_this_machine(sandbox_client: FlaskClient) -> None:
    path, away = "/sandbox/api/people", {"REMOTE_ADDR": "203.0.113.5"}

    assert sandbox_client.get(path, environ_base=away).status_code == 403
    form = sandbox_client.post(
        path, data="name=x", content_type="application/x-www-form-urlencoded"
    )
    assert form.status_code == 415
    assert sandbox_client.post(path, json=[1]).status_code == 400
    assert sandbox_client.post("/sandbox/api/people/nobody/follow", json={}).status_code == 404
    for wrong in ({"kind": "x"}, {"api": "pay.typo", "kind": "delay"}):
        assert sandbox_client.post("/sandbox/api/faults", json=wrong).status_code == 400


def test_what_a_phone_shows_can_be_scanned(sandbox_client: FlaskClient) -> None:
    act(sandbox_client, "people/aqing/screen", qr="LL1.ABC.1.mac", label="优惠券")

    shown = sandbox_client.get("/sandbox/api/qrs").get_json()["qrs"][0]

    assert (shown["title"], shown["text"]) == ("阿青的优惠券", "LL1.ABC.1.mac")
    assert act(sandbox_client, "people/xiaozhou/scan", qr=shown["text"]) == {
        "kind": "text",
        "text": "LL1.ABC.1.mac",
    }
    page = act(sandbox_client, "people/xiaozhou/scan", qr="https://example.com/t/1")
    assert (page["kind"], page["url"]) == ("web", "https://example.com/t/1")


def test_a_shared_clock_is_written_for_the_backend(base_settings: Settings, tmp_path: Path) -> None:
    world = World(replace(base_settings, clock_file=tmp_path / "clock"))
    started = time.time()

    world.clock.advance(600)

    assert float((tmp_path / "clock").read_text()) == 600
    assert world.clock.stamp() - started >= 600
    world.stop()


def test_without_a_shared_clock_stamps_stay_real(world: World) -> None:
    world.clock.advance(600)

    assert abs(world.clock.stamp() - time.time()) < 1
    assert world.clock.now() - time.time() > 599


def test_the_demo_configuration_suits_both_sides(config_path: Path) -> None:
    theirs = backend_config.load(config_path, environ={})
    ours = settings.load(config_path)

    assert theirs.wechat.official_accounts[0].appid == OFFICIAL
    assert theirs.wechat.pay_merchants[0].serial_no == ours.merchants[MCHID].serial_no
    assert ours.accounts[MINI].secret == theirs.wechat.mini_programs[0].secret.get_secret_value()
    assert ours.clock_file == theirs.app.clock_file


def test_keys_and_secrets_stay_on_a_second_start(tmp_path: Path) -> None:
    def start() -> str:
        return demo_config.write(
            tmp_path / "config.toml",
            base_url="http://127.0.0.1:8000",
            sandbox_url="http://127.0.0.1:8001",
            directory=tmp_path,
            database_url="sqlite:///x.db",
            redis_url="embedded",
        ).read_text()

    assert start() == start()
    assert (tmp_path / "keys" / "merchant_key.pem").stat().st_mode & 0o077 == 0


def test_a_sandbox_can_stand_in_its_own_module(base_settings: Settings) -> None:
    app = create_sandbox(base_settings)

    assert app.test_client().get("/sandbox/").status_code == 200
    app.extensions["sandbox"].stop()
