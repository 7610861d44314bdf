"""The browser build's page and its configuration."""

from collections.abc import Callable

from flask.testing import FlaskClient

from app import create_app
from core.config import Config

PROGRAM = {"appid": "wxa41f0c6d8e2b7593", "secret": "s", "merchant": "qinghe"}


def test_the_page_is_told_its_appid_and_no_phone(make_config: Callable[..., Config]) -> None:
    client = create_app(make_config(wechat={"mini_programs": [PROGRAM]})).test_client()

    assert client.get("/m/config.json").json == {"appid": PROGRAM["appid"], "api_base": ""}


def test_in_the_demo_only_the_phone_may_frame_it(make_config: Callable[..., Config]) -> None:
    demo = {"demo": True, "sandbox_url": "http://127.0.0.1:8001"}
    client = create_app(make_config(app=demo)).test_client()

    assert client.get("/m/config.json").json["phone_origin"] == "http://127.0.0.1:8001"
    page = client.get("/m/")
    if page.status_code == 200:
        assert "frame-ancestors http://127.0.0.1:8001" in page.headers["Content-Security-Policy"]
    else:
        assert (page.status_code, page.json["code"]) == (503, "not_built")


def test_no_path_leads_out_of_the_build(client: FlaskClient) -> None:
    assert client.get("/m/../../package.json").status_code == 404
    assert client.get("/m/%2e%2e/%2e%2e/package.json").status_code == 404


def test_each_shop_is_told_its_own_website_and_never_anothers(
    make_config: Callable[..., Config],
) -> None:
    def row(number: int, merchant: str) -> dict[str, str]:
        return {"appid": f"wx{number:016x}", "secret": "s", "merchant": merchant}

    programs = [row(1, "qinghe"), row(2, "rival"), row(3, "third")]
    websites = [row(11, "qinghe"), row(12, "rival")]
    client = create_app(
        make_config(wechat={"mini_programs": programs, "websites": websites})
    ).test_client()

    told = [
        client.get("/m/config.json", query_string={"appid": each["appid"]}).json
        for each in programs
    ]

    assert [each.get("website", {}).get("appid") for each in told] == [
        websites[0]["appid"],
        websites[1]["appid"],
        None,
    ]
