"""The signature for web pages: WeChat's own vector, one ticket for all, our own pages only."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha1

import pytest

import gateways
from core import clock
from gateways.wechat import jssdk
from sandbox.demo_config import OFFICIAL
from tests.wechat_world import Shop

TICKET = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
PAGE = "http://127.0.0.1:8000/m/?a=1#/pages/home/home"


def test_the_official_vector() -> None:
    at = datetime.fromtimestamp(1414587457, UTC)

    signed = jssdk.sign(
        "wx1", TICKET, "http://mp.weixin.qq.com?params=value#x", now=at, nonce="Wm3WZYTPz0wzccnW"
    )

    assert signed.signature == "0f9de62fce790f9a083d5c99e95740ceb90c27ed"


def tickets(shop: Shop) -> list[str]:
    return [value for value, token in shop.world.tokens._tokens.items() if token.kind == "ticket"]


def test_a_page_of_ours_is_signed_under_one_ticket(shop: Shop) -> None:
    before = len(tickets(shop))
    client = shop.app.test_client()

    first = client.get("/api/v1/jssdk", query_string={"url": PAGE}).json
    again = client.get("/api/v1/jssdk", query_string={"url": PAGE}).json

    assert first["appid"] == OFFICIAL
    assert first["nonce"] != again["nonce"]
    ticket = tickets(shop)[-1]
    assert len(tickets(shop)) == before + 1
    plain = PAGE.split("#")[0]
    joined = f"jsapi_ticket={ticket}&noncestr={first['nonce']}&timestamp={first['timestamp']}"
    expected = sha1(f"{joined}&url={plain}".encode()).hexdigest()
    assert first["signature"] == expected


def test_many_at_once_fetch_one_ticket(shop: Shop) -> None:
    before = len(tickets(shop))
    official = gateways.wechat().official(OFFICIAL)

    def sign(_: int) -> str:
        with shop.app.app_context():
            return official.sign_page(PAGE, now=clock.now()).signature

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(sign, range(16)))) == 16

    assert len(tickets(shop)) == before + 1


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/m/",
        "http://127.0.0.1:8000.evil.example/",
        "http://127.0.0.1:8000@evil.example/",
        "http://user@127.0.0.1:8000/",
        "https://127.0.0.1:8000/",
        "http://127.0.0.1:8001/",
        "http://127.0.0.1:99999/",
        "//127.0.0.1:8000/",
        "http://127.0.0.1:8000\\@evil.example/",
        "http://127.0.0.1:8000/ x",
        "x",
    ],
)
def test_a_page_of_somebody_else_is_not_signed(shop: Shop, url: str) -> None:
    answer = shop.app.test_client().get("/api/v1/jssdk", query_string={"url": url})

    assert (answer.status_code, answer.json["code"]) == (403, "foreign_page")


def test_an_unknown_account_is_not_found(shop: Shop) -> None:
    query = {"url": PAGE, "appid": "wx0000000000000009"}

    assert shop.app.test_client().get("/api/v1/jssdk", query_string=query).status_code == 404
