"""The shop in a browser beside WeChat: logged in by WeChat's page with the QR, the member of the
phone; and what the shop tells a browser before it knows anybody."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import func, select

from app import create_app
from core.config import Config
from core.database import reading, transaction
from crm.models import Member
from people.models import Identity, IdentityKind
from sandbox.demo_config import MINI, OFFICIAL, WEBSITE
from tests.factories.merchants import make_merchant
from tests.wechat_world import Shop
from wxapp_api.browser_build import _forms

BACK = "http://127.0.0.1:8000/m/"


def website_code(shop: Shop, person: str = "aqing", **changes: str) -> str:
    """What WeChat's page sends the browser back with, once somebody has scanned."""
    asked = {
        "appid": WEBSITE,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "snsapi_login",
        "state": "s1",
        "person": person,
        **changes,
    }
    answer = shop.wechat.server.app.test_client().get("/connect/qrconnect", query_string=asked)
    assert answer.status_code == 302, answer.text
    query = dict(parse_qsl(urlsplit(answer.headers["Location"]).query))
    assert query["state"] == "s1"
    return query["code"]


def log_in(shop: Shop, **body: str) -> Any:
    return shop.app.test_client().post("/api/v1/sessions", json=body)


def test_who_scans_is_the_member_of_the_phone(shop: Shop) -> None:
    with transaction() as session:
        make_merchant(session, code="qinghe")
    phone = log_in(shop, code=shop.login_code("aqing"))
    browser = log_in(shop, code=website_code(shop), appid=WEBSITE)

    assert (phone.status_code, browser.status_code) == (201, 201)
    assert browser.json["user"]["id"] == phone.json["user"]["id"]
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Member)) == 1
        kinds = set(session.scalars(select(Identity.kind)))
    assert kinds == {IdentityKind.mini, IdentityKind.website}
    me = shop.app.test_client().get(
        "/api/v1/me", headers={"Authorization": f"Bearer {browser.json['token']}"}
    )
    assert me.status_code == 200


def test_a_code_counts_once_and_where_it_was_given(shop: Shop) -> None:
    with transaction() as session:
        make_merchant(session, code="qinghe")
    code = website_code(shop)
    assert log_in(shop, code=code).status_code == 401  # as one of the mini-program
    assert log_in(shop, code=shop.login_code("aqing"), appid=WEBSITE).status_code == 401
    assert log_in(shop, code=code, appid=OFFICIAL).status_code == 404
    assert log_in(shop, code=code, appid=WEBSITE).status_code == 201
    assert log_in(shop, code=code, appid=WEBSITE).status_code == 401


def test_the_page_with_the_qr_leads_to_the_shop_only(shop: Shop) -> None:
    client = shop.wechat.server.app.test_client()
    good = {
        "appid": WEBSITE,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "snsapi_login",
    }
    asked = client.get("/connect/qrconnect", query_string=good)  # who scans?
    assert (asked.status_code, asked.text.count("<svg"), asked.text.count("<nav")) == (200, 1, 1)
    assert "person=" in asked.text
    for changes in (
        {"redirect_uri": "https://evil.test/"},
        {"appid": MINI},
        {"scope": "snsapi_base"},
    ):
        answer = client.get("/connect/qrconnect", query_string={**good, **changes})
        assert answer.status_code == 400


def test_the_shop_says_how_it_can_be_paid(shop: Shop) -> None:
    with transaction() as session:
        make_merchant(session, code="qinghe")
    told = shop.app.test_client().get("/api/v1/config").get_json()["payments"]
    ways = {each["channel"]: each["ways"] for each in told}
    assert list(ways) == ["wechat", "alipay", "unionpay"]
    assert {"mini", "jsapi"} <= set(ways["wechat"])
    assert ways["alipay"] == ["code", "native", "page", "wap"]
    assert ways["unionpay"] == ["page", "wap"]


def test_the_browser_is_told_where_to_log_in_and_where_forms_may_go(shop: Shop) -> None:
    client = shop.app.test_client()
    website = client.get("/m/config.json").get_json()["website"]
    assert website["appid"] == WEBSITE
    assert website["login_url"].endswith("/connect/qrconnect")
    page = client.get("/m/")
    if page.status_code == 200:
        sandbox = urlsplit(website["login_url"])
        policy = page.headers["Content-Security-Policy"]
        assert f"form-action {sandbox.scheme}://{sandbox.netloc};" in policy


def test_forms_go_to_unionpays_own_domain_only(make_config: Callable[..., Config]) -> None:
    row = {
        "mer_id": "777290058110048",
        "certificate_path": "a",
        "certificate_password": "b",
        "root_certificate_path": "c",
        "middle_certificate_path": "d",
    }
    for config, wanted in (
        (make_config(), "'none'"),
        (
            make_config(unionpay={"accounts": [row]}),
            "https://gateway.95516.com https://*.95516.com",
        ),
    ):
        with create_app(config).app_context():
            assert _forms() == wanted
