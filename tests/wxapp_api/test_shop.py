"""From the store list to an explained price."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask.testing import FlaskClient
from redis import Redis

from catalogue.models import GroupKind
from core import clock
from core.config import Config
from core.database import transaction
from messaging.models import SceneKind
from messaging.scenes import record_qr
from tests.factories.catalogue import make_group
from tests.factories.coupons import make_promotion, make_template
from tests.factories.merchants import make_merchant, make_store, make_table
from tests.factories.messaging import make_scene
from tests.tables import running
from tests.wxapp_api.conftest import WECHAT, Phone, Stall


def json(answer: Any, status: int = 200) -> Any:
    assert answer.status_code == status, answer.text
    return answer.json


def test_stores_come_nearest_first_with_metres_and_promises(
    client: FlaskClient, stall: Stall
) -> None:
    with transaction() as session:
        make_store(session, stall.merchant, name="浦东店", lat=31.237, lng=121.502)
        make_promotion(session, stall.merchant)

    page = json(client.get("/api/v1/stores?lat=31.2243&lng=121.4457&limit=1"))
    rest = json(client.get(f"/api/v1/stores?lat=31.2243&lng=121.4457&cursor={page['next']}"))

    (near,) = page["items"]
    assert (near["name"], near["distance_m"], near["open"]) == ("静安寺店", 0, True)
    assert near["promotions"] == ["满 40 减 5"]
    assert near["state_text"] == "营业中"
    assert [store["name"] for store in rest["items"]] == ["浦东店"]
    assert 5000 < rest["items"][0]["distance_m"] < 6000
    assert rest["next"] is None


def test_the_menu_has_skus_options_and_stock(client: FlaskClient, stall: Stall) -> None:
    with transaction() as session:
        make_group(session, stall.tea.product_id)

    menu = json(client.get(f"/api/v1/stores/{stall.store.id}/menu"))

    (product,) = menu["categories"][0]["products"]
    assert product["skus"] == [
        {
            "sku_id": str(stall.tea.id),
            "name": "",
            "price_fen": 2200,
            "sale_fen": None,
            "stock": 10,
            "state": "on",
        }
    ]
    (group,) = product["option_groups"]
    assert (group["kind"], group["min"], group["max"]) == (GroupKind.single, 1, 1)
    assert [option["name"] for option in group["options"]] == ["标准糖", "七分糖"]


def test_the_menu_shows_the_price_of_the_hour_and_the_quote_counts_with_it(
    client: FlaskClient, phone: Phone, stall: Stall
) -> None:
    with transaction() as session:
        named = {"product_ids": [stall.tea.product_id], "steps": []}
        make_promotion(session, stall.merchant, kind="price", name="特价", off_bp=2_000, **named)
        make_promotion(
            session, stall.merchant, kind="price", store_ids=[999], off_bp=9_000, **named
        )
        make_promotion(session, stall.merchant)

    menu = json(client.get(f"/api/v1/stores/{stall.store.id}/menu"))
    quote = json(phone.post("quotes", json=stall.cart(3)))

    (product,) = menu["categories"][0]["products"]
    assert (product["price_fen"], product["sale_fen"], product["offers"]) == (
        2200,
        1760,
        ["限时 8 折"],
    )
    assert [(each["name"], each["amount_fen"]) for each in quote["discounts"]] == [
        ("特价", 1320),
        ("满 40 减 5", 500),
    ]
    assert quote["payable_fen"] == 3 * 2200 - 1320 - 500


def test_a_table_code_names_its_store(client: FlaskClient, stall: Stall) -> None:
    with transaction() as session:
        table = make_table(session, stall.store, name="A3")

    found = json(client.get(f"/api/v1/tables/{table.code}"))

    assert found["table"] == {"code": table.code, "name": "A3"}
    assert found["store"]["id"] == str(stall.store.id)


def test_what_a_camera_reads_at_a_table_names_it(client: FlaskClient, stall: Stall) -> None:
    with transaction() as session:
        table = make_table(session, stall.store, name="A3")
        scene = make_scene(session, stall.store, kind=SceneKind.table, table_id=table.id)
        url = "http://weixin.qq.com/q/02AbCd"
        record_qr(session, scene.id, ticket="t", url=url, image_url="https://x/")
        poster = make_scene(session, stall.store)
        other_store = make_store(session, make_merchant(session, code="other"))
        other = make_table(session, other_store, name="B1")
        others = make_scene(session, other_store, kind=SceneKind.table, table_id=other.id)
        record_qr(session, others.id, ticket="o", url=f"{url}-other", image_url="https://x/")

    for text in (url, f" {url}\n", scene.code):
        found = json(client.get("/api/v1/tables", query_string={"qr": text}))
        assert found["table"] == {"code": table.code, "name": "A3"}
        assert found["store"]["id"] == str(stall.store.id)
    for text in (f"{url}-other", others.code, poster.code, "https://example.com/", "A3"):
        refused: Any = client.get("/api/v1/tables", query_string={"qr": text})
        assert (refused.status_code, refused.json["code"]) == (404, "table_not_found")
    for text in ("", " ", "x" * 257, "a\0b"):
        assert client.get("/api/v1/tables", query_string={"qr": text}).status_code == 422


def test_codes_of_tables_are_not_tried_by_the_thousand(
    make_config: Callable[..., Config], redis_url: str, redis: Redis
) -> None:
    with running(make_config(wechat=WECHAT, redis={"url": redis_url})) as app:
        with transaction() as session:
            make_merchant(session, code="qinghe")
        client = app.test_client()
        answers = [client.get("/api/v1/tables?qr=guess").status_code for _ in range(122)]

    assert answers == [404] * 120 + [429] * 2


def test_a_rule_out_of_reach_says_how_much_is_missing(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        make_promotion(session, stall.merchant)
        elsewhere = make_store(session, stall.merchant, name="浦东店")
        template = make_template(session, stall.merchant, claimable=True, store_ids=[elsewhere.id])
    json(phone.post(f"coupon-templates/{template.id}/claim"), 201)

    quote = json(phone.post("quotes", json=stall.cart(1)))

    assert [(each["kind"], each["missing_fen"]) for each in quote["rejected"]] == [
        ("promotion", 1800),
        ("coupon", None),
    ]


def test_claim_quote_and_show_the_code(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        make_promotion(session, stall.merchant)
        template = make_template(session, stall.merchant, claimable=True)

    (offered,) = json(phone.get("coupon-templates?claimable"))["items"]
    coupon = json(phone.post(f"coupon-templates/{template.id}/claim"), 201)
    refused = phone.post(f"coupon-templates/{template.id}/claim")
    quote = json(phone.post("quotes", json=stall.cart(2)))
    best = json(phone.post("quotes", json=stall.cart(2, coupon_id="best")))
    code = json(phone.get(f"coupons/{coupon['id']}/code"))

    assert (offered["face_text"], offered["condition_text"]) == ("¥8", "满 20 可用")
    assert refused.status_code == 409
    assert refused.json
    assert refused.json["code"] == "claim_limit"
    assert (quote["goods_fen"], quote["payable_fen"], quote["coupon_id"]) == (4400, 3900, None)
    assert quote["best_coupon"] == {"id": coupon["id"], "name": "见面礼", "discount_fen": 800}
    assert (best["payable_fen"], best["coupon_id"]) == (3100, coupon["id"])
    assert [each["reason"] for each in best["discounts"]] == ["满 40 减 5", "¥8 满 20 可用"]
    assert sum(line["payable_fen"] for line in best["items"]) == 3100
    assert code["token"].startswith("LL1.")
    assert code["code_text"].replace(" ", "") == code["code"]
    assert 0 < code["seconds_left"] <= 60


def test_a_claim_with_a_key_is_answered_again(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        template = make_template(session, stall.merchant, claimable=True)
    headers = {"Idempotency-Key": "claim-0001"}

    first = json(phone.post(f"coupon-templates/{template.id}/claim", headers=headers), 201)
    again = json(phone.post(f"coupon-templates/{template.id}/claim", headers=headers), 201)

    assert again["id"] == first["id"]
    assert json(phone.get("coupons"))["counts"] == {"usable": 1, "used": 0, "expired": 0}


def test_a_cart_that_cannot_be_had_says_why(phone: Phone, stall: Stall) -> None:
    short: Any = phone.post("quotes", json=stall.cart(11))
    unknown: Any = phone.post(
        "quotes", json=stall.cart() | {"items": [{"sku_id": "999", "quantity": 1}]}
    )

    assert (short.status_code, short.json["code"], short.json["left"]) == (409, "out_of_stock", 10)
    assert (unknown.status_code, unknown.json["errors"]) == (
        422,
        {"items.0.sku_id": "这家店没有这个商品"},
    )


def test_times_carry_their_offset(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        template = make_template(session, stall.merchant, claimable=True)

    coupon = json(phone.post(f"coupon-templates/{template.id}/claim"), 201)

    ends = clock.datetime.fromisoformat(coupon["expires_at"])
    assert ends.utcoffset() is not None
    assert timedelta(days=6) < ends - clock.now() <= timedelta(days=7)
