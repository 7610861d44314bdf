"""Chromium, the virtual phone alone with its sandbox, and the whole tree for the story."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sandbox import demo_config, live
from sandbox.outgoing import Answer
from sandbox.settings import load
from tests.browser.phone import Desk

SHOTS = Path(__file__).resolve().parent.parent / "shots"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
DESKTOP = {"width": 1440, "height": 900}

Open = Callable[..., Page]

expect.set_options(timeout=20_000)  # the whole tree shares the machine with the browser


def find_chromium() -> str:
    """The system's Chromium. Missing: a failure in CI, a loud skip elsewhere."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    message = "Chromium is missing: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Open]:
    """Open an address in a browser of its own; any script error on it fails the test."""
    contexts = []
    errors: list[str] = []

    def opened(url: str, viewport: Mapping[str, int] = DESKTOP, **options: Any) -> Page:
        context = chromium.new_context(
            viewport=dict(viewport), locale="zh-CN", timezone_id="Asia/Shanghai", **options
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Keep a picture in tests/shots, to be looked at."""

    def save(page: Page, name: str) -> None:
        SHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SHOTS / f"{name}.png", animations="disabled")

    return save


@pytest.fixture
def sandbox_alone(tmp_path: Path) -> Iterator[live.Live]:
    """A sandbox whose shop takes everything and says nothing, with two posters and a menu."""
    config = demo_config.write(
        tmp_path / "config.toml",
        base_url="http://127.0.0.1:1",
        sandbox_url="http://127.0.0.1:1",
        directory=tmp_path,
        database_url="sqlite://",
        redis_url="redis://127.0.0.1:1/0",
    )

    def takes_everything(*_call: Any) -> Answer:
        return Answer(200, "success")

    with live.running(load(config), deliver=takes_everything) as running:
        qrs = running.world.qrs
        for scene, title in (("s1", "静安寺店的海报"), ("s2", "徐汇店的海报")):
            qrs.create_official(demo_config.OFFICIAL, scene, None).title = title
        running.world.menus.of(demo_config.OFFICIAL).default = {
            "button": [
                {"name": "点单", "type": "click", "key": "order"},
                {
                    "name": "会员",
                    "sub_button": [
                        {"name": "券包", "type": "click", "key": "coupons"},
                        {"name": "扫码核销", "type": "scancode_waitmsg", "key": "redeem"},
                    ],
                },
            ]
        }
        yield running


@pytest.fixture
def desk(sandbox_alone: live.Live, open_page: Open) -> Desk:
    """The virtual phone on that sandbox, at 1440×900."""
    return Desk(open_page(f"{sandbox_alone.url}/sandbox/"))
