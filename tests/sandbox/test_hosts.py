"""Nobody reaches the demo by a foreign name, and the sandbox sends nobody elsewhere."""

from collections.abc import Callable

import pytest

from app import create_app
from core.config import Config
from sandbox.server import create_sandbox
from sandbox.settings import Settings


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
    ],
)
def test_a_demo_answers_to_its_own_names_only(
    make_config: Callable[..., Config], host: str, status: int
) -> None:
    demo = create_app(make_config(app={"demo": True})).test_client()
    shop = create_app(make_config()).test_client()

    assert demo.get("/openapi.json", headers={"Host": host}).status_code == status
    assert shop.get("/openapi.json", headers={"Host": host}).status_code == 404


def test_the_sandbox_knows_its_hosts(base_settings: Settings) -> None:
    client = create_sandbox(base_settings).test_client()
    people = client.get("/sandbox/api/people").get_json()["people"]

    def open_page(url: str) -> int:
        query = {"person": people[0]["id"], "url": url}
        return client.get("/sandbox/webview", query_string=query).status_code

    foreign = client.get("/sandbox/api/people", headers={"Host": "evil.example"})

    assert foreign.status_code == 403
    assert open_page("http://127.0.0.1:8000/console/") == 302
    assert open_page("/console/") == 302
    for url in ("https://evil.example/", "//evil.example/", "/\\evil.example/", "http://[/"):
        assert open_page(url) == 400
