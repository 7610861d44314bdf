"""The doctor says what a person has to mend, and nothing is good that everybody can read."""

import base64
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash

from app import create_app
from cli import placeholders
from cli.doctor import (
    check_accounts,
    check_merchants,
    check_mode,
    check_proxies,
    check_templates,
)
from core import config
from core.config import Config
from core.database import transaction
from merchants.models import Role
from tests.conftest import raw_config
from tests.console.conftest import Browser
from tests.factories.merchants import make_merchant, make_staff
from tests.tables import running

ROOT = Path(__file__).resolve().parents[2]


def command(directory: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """A command as a person types it, in a directory of their own."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    "arguments",
    [("-m", "flask", "--app", "app", "doctor"), ("-m", "tasks", "scheduler")],
    ids=["doctor", "tasks"],
)
def test_a_missing_configuration_is_one_clear_message(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = command(tmp_path, *arguments, LINLI_CONFIG="nowhere.toml")

    assert done.returncode == 1
    assert "nowhere.toml: no such file; copy config.example.toml" in done.stderr
    assert "LINLI_CONFIG=var/demo/config.toml" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_placeholder_of_the_example_is_named() -> None:
    loaded = config.load(placeholders.EXAMPLE, environ={})

    found = placeholders.list_placeholders(loaded)

    assert found == [
        "app.base_url",
        "app.secret_key",
        "app.encryption_keys[1]",
        "database.url",
        "wechat.official_accounts[1].appid",
        "wechat.official_accounts[1].secret",
        "wechat.official_accounts[1].token",
        "wechat.official_accounts[1].encoding_aes_key",
        "wechat.official_accounts[1].origin_id",
        "wechat.official_accounts[1].templates.new_order",
        "wechat.mini_programs[1].appid",
        "wechat.mini_programs[1].secret",
        "wechat.mini_programs[1].token",
        "wechat.mini_programs[1].encoding_aes_key",
        "wechat.mini_programs[1].subscribe_templates.order_ready",
        "wechat.mini_programs[1].subscribe_templates.coupon_arrived",
        "wechat.mini_programs[1].subscribe_templates.coupon_expiring",
        "wechat.pay_merchants[1].mchid",
        "wechat.pay_merchants[1].serial_no",
        "wechat.pay_merchants[1].api_v3_key",
        "wechat.pay_merchants[1].public_key_id",
        "wechat.pay_merchants[1].api_v2_key",
    ]
    assert placeholders.list_weak_keys(loaded) == ["1"]


def test_every_key_of_the_example_is_either_ones_own_or_the_same_for_all() -> None:
    """A new placeholder has to be decided upon: it joins OWN, or this list."""
    example = tomllib.loads(placeholders.EXAMPLE.read_text("utf-8"))
    names = {placeholders._name(key) for key, _ in placeholders._leaves(example)}

    shared = {"api_base", "pay_base", "oauth_base", "mp_base", "format", "level", "mode", "var"}
    shared |= {"gateway", "files", "signer", "pay_backup_base", "code_pay"}
    local = {"merchant", "name", "staff_tag", "private_key_path", "public_key_path"}
    local |= {"client_certificate_path"}
    assert names - placeholders.OWN == shared | local


def test_ones_own_keys_are_no_placeholders(tmp_path: Path) -> None:
    raw = raw_config(tmp_path)
    raw["app"]["encryption_keys"] = [f"1:{base64.b64encode(os.urandom(32)).decode()}"]
    loaded = config.parse(raw)

    assert placeholders.list_placeholders(loaded) == []
    assert placeholders.list_weak_keys(loaded) == []


def test_placeholders_fail_the_doctor(make_config: Callable[..., Config]) -> None:
    example = tomllib.loads(placeholders.EXAMPLE.read_text("utf-8"))
    key = example["app"]["encryption_keys"]
    app = create_app(make_config(app={"encryption_keys": key}))

    result = app.test_cli_runner().invoke(args=["doctor"])

    assert result.exit_code == 1
    assert "✗ app.encryption_keys[1] 还是示例文件里的占位值" in result.output
    assert "✗ 数据加密密钥 1 不是随机生成的" in result.output
    assert key[0] not in result.output


def findings(app: Flask, settings: Config) -> list[tuple[str, str]]:
    with app.app_context():
        return [(found.level, found.what) for found in check_mode(settings)]


def test_a_demo_is_called_a_demo(make_config: Callable[..., Config]) -> None:
    sandbox = "http://127.0.0.1:8001"
    settings = make_config(app={"demo": True}, wechat={"api_base": sandbox})

    (found,) = findings(create_app(settings), settings)

    assert found == (
        "warn",
        f"这是演示：微信和微信支付由沙箱扮演（{sandbox}），收不到真钱，密码人人知道",
    )


def test_outside_the_demo_its_hosts_and_its_passwords_are_named(
    app: Flask, make_config: Callable[..., Config]
) -> None:
    with transaction() as session:
        owner = make_staff(session, make_merchant(session), role=Role.owner, username="owner")
        owner.password_hash = generate_password_hash("linli-demo", method="scrypt")
    settings = make_config(wechat={"pay_base": "http://127.0.0.1:8001"})

    assert findings(app, settings) == [
        ("warn", "wechat.pay_base 不是微信的地址：http://127.0.0.1:8001"),
        ("warn", "库里有演示账号，密码是公开的：owner"),
    ]


@pytest.mark.parametrize("demo", [True, False])
def test_the_demos_password_opens_the_console_in_the_demo_only(
    make_config: Callable[..., Config], demo: bool
) -> None:
    with running(make_config(app={"demo": demo})) as app:
        with transaction() as session:
            owner = make_staff(session, make_merchant(session), role=Role.owner, username="owner")
            owner.password_hash = generate_password_hash("linli-demo", method="scrypt")
        browser = Browser(app)

        answer = browser.log_in("owner", "linli-demo")

        assert answer.status_code == (303 if demo else 422)
        assert browser.get("/orders/").status_code == (200 if demo else 303)


@pytest.mark.parametrize(
    ("values", "status"),
    [({}, 404), ({"demo": True}, 200), ({"docs": True}, 200), ({"demo": True, "docs": False}, 404)],
)
def test_the_apis_description_is_shown_where_the_configuration_says_so(
    make_config: Callable[..., Config], values: dict[str, Any], status: int
) -> None:
    client = create_app(make_config(app=values)).test_client()

    for path in ("/openapi.json", "/docs", "/docs/start.js", "/docs/assets/css/swagger-ui.css"):
        answer = client.get(path)
        assert answer.status_code == status, path
        policy = answer.headers.get("Content-Security-Policy", "")
        if path in ("/openapi.json", "/docs") or status == 404:
            assert "default-src 'none'" in policy
            assert "frame-ancestors 'none'" in policy
        if path == "/docs" and status == 200:
            assert "base-uri 'none'" in policy


@pytest.mark.parametrize(
    ("base_url", "hops", "levels"),
    [
        ("https://shop.example", 0, ["warn"]),
        ("https://shop.example", 1, []),
        ("http://127.0.0.1:8000", 0, []),
    ],
)
def test_https_without_a_proxy_that_is_counted_is_warned_of(
    make_config: Callable[..., Config], base_url: str, hops: int, levels: list[str]
) -> None:
    settings = make_config(app={"base_url": base_url, "trusted_proxies": hops})

    assert [found.level for found in check_proxies(settings)] == levels


@pytest.mark.parametrize(
    ("values", "status", "leads_to"),
    [
        ({}, 404, None),
        ({"demo": True}, 302, "/console/"),
        (
            {"demo": True, "sandbox_url": "http://127.0.0.1:8001"},
            302,
            "http://127.0.0.1:8001/sandbox/",
        ),
    ],
)
def test_the_demos_bare_address_leads_to_where_it_begins(
    make_config: Callable[..., Config], values: dict[str, Any], status: int, leads_to: str | None
) -> None:
    answer = create_app(make_config(app=values)).test_client().get("/")

    assert (answer.status_code, answer.location) == (status, leads_to)


ACCOUNT = {"appid": "wx0000000000000001", "secret": "s", "token": "t"}
KEYED = {**ACCOUNT, "encoding_aes_key": "A" * 43}


def one_account(directory: Path, account: dict[str, Any]) -> Config:
    return config.parse(raw_config(directory, wechat={"official_accounts": [account]}))


@pytest.mark.parametrize(
    ("account", "mode", "warning"),
    [
        (KEYED, "safe", ""),
        (ACCOUNT, "plain", "明文模式"),
        ({**KEYED, "mode": "plain"}, "plain", "明文模式"),
        ({**KEYED, "mode": "compatible"}, "compatible", "兼容模式"),
    ],
)
def test_an_account_with_a_key_is_safe_unless_it_says_otherwise(
    tmp_path: Path, account: dict[str, Any], mode: str, warning: str
) -> None:
    loaded = one_account(tmp_path, account)

    warned = [found.what for found in check_accounts(loaded) if "消息推送" in found.what]

    assert loaded.wechat.official_accounts[0].callback_mode == mode
    assert [warning in what for what in warned] == ([True] if warning else [])


@pytest.mark.parametrize("mode", ["safe", "compatible"])
def test_a_mode_that_opens_needs_a_key(tmp_path: Path, mode: str) -> None:
    with pytest.raises(config.ConfigError, match="encoding_aes_key"):
        one_account(tmp_path, {**ACCOUNT, "mode": mode})


@pytest.mark.parametrize(
    ("templates", "subscribed", "missing"),
    [
        ({}, {}, ["new_order", "order_ready", "coupon_arrived"]),
        ({"new_order": "A"}, {"coupon_arrived": "B"}, ["order_ready"]),
        ({"order_ready": "A"}, {"order_ready": "B", "coupon_arrived": "C"}, ["new_order"]),
        ({"new_order": "A"}, {"order_ready": "B", "coupon_arrived": "C"}, []),
    ],
)
def test_a_purpose_without_a_template_is_named(
    tmp_path: Path, templates: dict[str, str], subscribed: dict[str, str], missing: list[str]
) -> None:
    official = {**ACCOUNT, "templates": templates}
    mini = {"appid": "wx0000000000000002", "secret": "s", "subscribe_templates": subscribed}
    wechat = {"official_accounts": [official], "mini_programs": [mini]}

    found = list(check_templates(config.parse(raw_config(tmp_path, wechat=wechat))))

    assert [one.level for one in found] == ["warn"] * len(missing)
    for one, purpose in zip(found, missing, strict=True):
        assert f"没有 {purpose} " in one.what


@pytest.mark.parametrize(("image", "warned"), [("", 1), ("https://shop.example/cup.png", 0)])
def test_service_cards_need_a_picture_for_goods_without_one(
    tmp_path: Path, image: str, warned: int
) -> None:
    templates = {"order_ready": "1", "coupon_arrived": "2"}
    cards = {"pickup": 2007, "image": image}
    mini = {"appid": "wx0000000000000002", "secret": "s", "subscribe_templates": templates}
    wechat = {"mini_programs": [{**mini, "service_cards": cards}]}

    found = list(check_templates(config.parse(raw_config(tmp_path, wechat=wechat))))

    assert ["service_cards.image" in one.advice for one in found] == [True] * warned


def test_an_account_of_a_merchant_that_is_not_there_is_nobodys(
    app: Flask, make_config: Callable[..., Config]
) -> None:
    own, shared = {**ACCOUNT, "merchant": "qinghe"}, {**ACCOUNT, "appid": "wx0000000000000009"}
    mini = {"appid": "wx0000000000000002", "secret": "s", "merchant": "qingha"}
    settings = make_config(wechat={"official_accounts": [own, shared], "mini_programs": [mini]})

    before = [(one.level, one.what) for one in check_merchants(settings)]
    with transaction() as session:
        make_merchant(session, code="qinghe")
    after = [(one.level, one.what, one.advice) for one in check_merchants(settings)]

    assert before == [("warn", "库里还没有商家")]
    assert after == [
        (
            "fail",
            'wx0000000000000002 的 merchant = "qingha" 不在库里',
            "改成商家的 code：qinghe",
        )
    ]
