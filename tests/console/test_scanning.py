"""The camera at the counter: WeChat's script and the camera only where a code is scanned."""

from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path

import pytest

from console.scanning import SDK
from sandbox.demo_config import OFFICIAL
from tests.console.conftest import Chain
from tests.console.official.conftest import Desk
from tests.console.official.conftest import desk as desk
from tests.wechat_world import Shop, Wechat, run_shop

WECHAT = "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 MicroMessenger/8.0.49"
CHROME = "Mozilla/5.0 (Linux; Android 14) Chrome/131.0 Mobile Safari/537.36"
STRICT = "default-src 'none'; script-src 'self'; style-src 'self'"
WIDER = (
    "default-src 'none'; script-src 'self' https://res.wx.qq.com; frame-src weixin:; "
    "style-src 'self'"
)


@pytest.fixture
def shop(wechat: Wechat, tmp_path: Path) -> Iterator[Shop]:
    wechat.reset()
    with run_shop(wechat, tmp_path) as shop:
        yield shop


def collect(desk: Desk) -> str:
    """The page of a sum that is asked for."""
    answer = desk.browser().post("/collect/", amount="12.50", key="k1", store=str(desk.store.id))
    assert answer.status_code == 303, answer.text
    return str(answer.location).removeprefix("/console")


def test_only_pages_that_scan_inside_wechat_load_its_script(desk: Desk) -> None:
    sum_of, owner = collect(desk), desk.browser()

    for path, scans in (
        (sum_of, True),
        ("/redeem/", True),
        ("/redeem/check?code=", True),  # the form again
        ("/collect/", False),
        ("/home", False),
        ("/orders/", False),
    ):
        inside = owner.get(path, **{"User-Agent": WECHAT})
        outside = owner.get(path, **{"User-Agent": CHROME})
        policy = inside.headers["Content-Security-Policy"]
        assert policy.startswith(WIDER if scans else STRICT), (path, policy)
        assert outside.headers["Content-Security-Policy"].startswith(STRICT), path
        for answer in (inside, outside):
            camera = answer.headers["Permissions-Policy"]
            assert camera == ("camera=(self)" if scans else "camera=()"), path
            assert ("data-scan=" in answer.text) is scans, path
        assert (SDK in inside.text) is scans, path
        assert SDK not in outside.text, path


@pytest.mark.parametrize("door", ["collect", "redeem"])
def test_the_page_is_signed_under_our_own_address(desk: Desk, shop: Shop, door: str) -> None:
    page = "/console/redeem/check?code=A&x=1"

    signed = desk.browser().client.get(f"/console/{door}/signature", query_string={"page": page})

    assert signed.json["appId"] == OFFICIAL
    tickets = [key for key, token in shop.world.tokens._tokens.items() if token.kind == "ticket"]
    joined = f"jsapi_ticket={tickets[-1]}&noncestr={signed.json['nonceStr']}"
    joined += f"&timestamp={signed.json['timestamp']}&url=http://127.0.0.1:8000{page}"
    assert signed.json["signature"] == sha1(joined.encode()).hexdigest()


@pytest.mark.parametrize(
    "page", ["", "https://evil.example/console/", "//evil.example/", "/m/", "/console/\\x", "x"]
)
def test_no_other_page_is_signed(desk: Desk, page: str) -> None:
    owner = desk.browser().client

    answer = owner.get("/console/collect/signature", query_string={"page": page})

    assert answer.status_code == 400
    assert "signature" not in answer.text


def test_nobody_signs_without_being_staff(desk: Desk, shop: Shop) -> None:
    client = shop.app.test_client()

    for door in ("collect", "redeem"):
        answer = client.get(f"/console/{door}/signature", query_string={"page": "/console/"})
        assert answer.status_code == 303
        assert "/login" in answer.location or "/enter" in answer.location


def test_without_an_official_account_there_is_only_the_browsers_camera(chain: Chain) -> None:
    clerk = chain.browser("clerk")

    page = clerk.get("/redeem/", **{"User-Agent": WECHAT})

    assert "data-scan=" in page.text
    assert SDK not in page.text
    assert clerk.get("/redeem/signature?page=/console/redeem/").status_code == 404
