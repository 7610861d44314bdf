"""Product coupons of the brand platform: made, sent, confirmed, used, given back, ended."""

import secrets
from datetime import datetime
from typing import Any

from sandbox.clock import rfc3339
from sandbox.pay import notices, schema
from sandbox.pay.cardstore import Card, Product
from sandbox.pay.door import Body, Call, pay_api
from sandbox.pay.errors import PayError, bad_parameter
from sandbox.pay.schema import Group, Many, Rule, Text, Whole
from sandbox.state import World

ROOT = "/brand/marketing/product-coupon"
CARD = f"{ROOT}/users/<openid>/coupons/<code>"
LOGO = "https://wxpaylogo.qpic.cn/wxpaylogo/"
DAY = 86_400
_PERIOD: dict[str, Rule] = {
    "available_begin_time": Text(32, required=True),
    "available_end_time": Text(32, required=True),
    "available_days": Whole(1),
}
_STOCK: dict[str, Rule] = {
    "coupon_code_mode": Text(16, required=True),
    "stock_send_rule": Group(
        {"max_count": Whole(1, required=True), "max_count_per_user": Whole(1, required=True)},
        required=True,
    ),
    "single_usage_rule": Group(
        {"coupon_available_period": Group(_PERIOD, required=True)}, required=True
    ),
    "usage_rule_display_info": Group(
        {
            "coupon_usage_method_list": Many(Text(16), required=True),
            "mini_program_appid": Text(32),
            "mini_program_path": Text(128),
            "usage_description": Text(1000, required=True),
            "coupon_available_store_info": Group({"description": Text(1000, required=True)}),
        },
        required=True,
    ),
    "coupon_display_info": Group(
        {
            "code_display_mode": Text(16, required=True),
            "entrance_mini_program": Group(
                {
                    "appid": Text(32, required=True),
                    "path": Text(128, required=True),
                    "entrance_wording": Text(5, required=True),
                    "guidance_wording": Text(6, required=True),
                }
            ),
        },
        required=True,
    ),
    "notify_config": Group({"notify_appid": Text(32, required=True)}, required=True),
    "store_scope": Text(16, required=True),
}
_THRESHOLD = Whole(0, required=True)
PRODUCT: dict[str, Rule] = {
    "out_request_no": Text(40, required=True),
    "scope": Text(16, required=True),
    "type": Text(16, required=True),
    "usage_mode": Text(32, required=True),
    "single_usage_info": Group(
        {
            "normal_coupon": Group(
                {"threshold": _THRESHOLD, "discount_amount": Whole(1, required=True)}
            ),
            "discount_coupon": Group(
                {"threshold": _THRESHOLD, "percent_off": Whole(1, required=True)}
            ),
        },
        required=True,
    ),
    "display_info": Group(
        {
            "name": Text(15, required=True),
            "image_url": Text(512, required=True),
            "background_url": Text(512, required=True),
        },
        required=True,
    ),
    "out_product_no": Text(40),
    "stock": Group(_STOCK, required=True),
}
_PLACE: dict[str, Rule] = {
    "product_coupon_id": Text(40, required=True),
    "stock_id": Text(40, required=True),
    "appid": Text(32, required=True),
}
_ASK: dict[str, Rule] = {**_PLACE, "out_request_no": Text(40, required=True)}
SEND: dict[str, Rule] = {
    **_PLACE,
    "coupon_code": Text(40, required=True),
    "send_request_no": Text(128, required=True),
}
USE: dict[str, Rule] = {
    **_ASK,
    "use_time": Text(32, required=True),
    "associated_order_info": Group({"transaction_id": Text(32, required=True)}, required=True),
}
END: dict[str, Rule] = {**_ASK, "deactivate_reason": Text(150, required=True)}


@pay_api("card_image", f"{ROOT}/media/upload-image", method="POST", title="上传券面图片")
def upload(call: Call) -> Body:
    url = f"{LOGO}{secrets.token_hex(8)}/{len(call.world.cards.pictures)}"
    call.world.cards.pictures.append(url)
    return {"image_url": url}


@pay_api("card_notify", f"{ROOT}/notify-configs", method="POST", title="设置商品券通知地址")
def set_notify(call: Call) -> Body:
    schema.check(call.body, {"notify_url": Text(256, required=True)})
    call.world.cards.notify_urls[call.merchant.mchid] = call.body["notify_url"]
    return {**call.body, "update_time": rfc3339(call.world.clock.stamp())}


@pay_api("card_create", f"{ROOT}/product-coupons", method="POST", title="创建商品券")
def create(call: Call) -> Body:
    schema.check(call.body, PRODUCT)
    body, cards = call.body, call.world.cards
    known = cards.by_number(call.merchant.mchid, body["out_request_no"])
    if known is not None:
        if known.request != body:
            raise PayError(400, "INVALID_REQUEST", "请求重入时参数不一致")
        return _made(known)
    face, period = body["display_info"], body["stock"]["single_usage_rule"]
    for name in ("image_url", "background_url"):
        if face[name] not in cards.pictures:
            raise bad_parameter(f"/display_info/{name}", "不是图片上传接口返回的地址", face[name])
    if len(face["name"]) < 3:
        raise bad_parameter("/display_info/name", "至少 3 个字符", face["name"])
    ends = datetime.fromisoformat(period["coupon_available_period"]["available_end_time"])
    number = f"{1_000_000_000 + len(cards.products)}"
    product = Product(
        number,
        f"{number}001",
        call.merchant.mchid,
        body["out_request_no"],
        body,
        call.world.clock.deadline(ends.timestamp()),
        period["coupon_available_period"].get("available_days", 0),
    )
    cards.products[number] = product
    call.title = f"做好一种卡包券：{face['name']}"
    return _made(product)


@pay_api(
    "card_stock",
    f"{ROOT}/product-coupons/<product>/stocks/<stock>",
    method="GET",
    title="查询商品券批次",
)
def query_stock(call: Call) -> Body:
    product = _product(call, call.path["product"])
    return {"stock_id": product.stock_id, "state": product.state}


@pay_api(
    "card_stop", f"{ROOT}/product-coupons/<product>/deactivate", method="POST", title="失效商品券"
)
def stop(call: Call) -> Body:
    rules: dict[str, Rule] = {
        "out_request_no": Text(40, required=True),
        "deactivate_reason": Text(150, required=True),
    }
    schema.check(call.body, rules)
    product = _product(call, call.path["product"])
    product.state = "DEACTIVATED"
    return {"product_coupon_id": product.id, "state": product.state}


@pay_api("card_send", f"{ROOT}/users/<openid>/coupons", method="POST", title="发到卡包")
def send(call: Call) -> Body:
    schema.check(call.body, SEND)
    body, world, brand_id = call.body, call.world, call.merchant.mchid
    product = _product(call, body["product_coupon_id"])
    known = world.cards.find(brand_id, body["coupon_code"])
    if known is not None:
        if known.send_no != body["send_request_no"]:
            raise PayError(400, "INVALID_REQUEST", "券 Code 已经发过了")
        return describe(known)
    if product.state != "SENDING":
        raise PayError(400, "INVALID_REQUEST", "批次不在发放中")
    person = world.people.owner_of(call.path["openid"], body["appid"])
    if person is None:
        raise PayError(400, "INVALID_REQUEST", "openid 和 appid 不匹配")
    begins = world.clock.now()
    ends = min(product.ends_at, begins + product.days * DAY) if product.days else product.ends_at
    card = Card(
        body["coupon_code"],
        brand_id,
        product.id,
        call.path["openid"],
        body["appid"],
        body["send_request_no"],
        begins,
        ends,
    )
    world.cards.add(card)
    product.sent += 1
    call.title = f"{person.name}的卡包里来了一张券"
    tell(world, card, "SEND", "发券")
    return describe(card)


@pay_api("card_find", CARD, method="GET", title="查询卡包里的券")
def find(call: Call) -> Body:
    return describe(_card(call, call.query))


@pay_api("card_confirm", f"{CARD}/confirm", method="POST", title="确认发到卡包的券")
def confirm(call: Call) -> Body:
    return _move(call, _ASK, "confirm", {"CONFIRMING": "EFFECTIVE"}, "")


@pay_api("card_use", f"{CARD}/use", method="POST", title="核销卡包里的券")
def use(call: Call) -> Body:
    number = (call.body.get("associated_order_info") or {}).get("transaction_id", "")
    paid = any(o.transaction_id == number and number for o in call.world.ledger.orders.values())
    if not paid:
        raise bad_parameter("/associated_order_info", "没有这笔微信支付订单", number)
    return _move(call, USE, "use", {"EFFECTIVE": "USED"}, "USE")


@pay_api("card_return", f"{CARD}/return", method="POST", title="退回卡包里的券")
def give_back(call: Call) -> Body:
    return _move(call, _ASK, "return", {"USED": "EFFECTIVE"}, "RETURN")


@pay_api("card_end", f"{CARD}/deactivate", method="POST", title="失效卡包里的券")
def end(call: Call) -> Body:
    alive = dict.fromkeys(("CONFIRMING", "PENDING", "EFFECTIVE"), "DEACTIVATED")
    return _move(call, END, "deactivate", alive, "")


def tell(world: World, card: Card, event: str, words: str) -> None:
    """The notice of a card, if the brand said where it wants to hear of them."""
    url = world.cards.notify_urls.get(card.brand_id)
    if url is None:
        return
    person = world.people.owner_of(card.openid, card.appid)
    notices.create(
        world,
        card.brand_id,
        url,
        event_type=f"PRODUCT_COUPON.{event}",
        original_type="product_coupon",
        summary=f"商品券{words}通知",
        plain=describe(card) | {"openid": card.openid, "brand_id": card.brand_id},
        title=f"通知：商品券{words}",
        person=person.id if person else None,
    )


def describe(card: Card) -> Body:
    return {
        "coupon_code": card.code,
        "coupon_state": card.state,
        "product_coupon_id": card.product_id,
        "stock_id": f"{card.product_id}001",
        "send_request_no": card.send_no,
        "send_channel": "API",
        "valid_begin_time": rfc3339(card.begins_at),
        "valid_end_time": rfc3339(card.ends_at),
    }


def _move(call: Call, rules: dict[str, Rule], what: str, moves: dict[str, str], event: str) -> Body:
    """One move of a card; the same number again answers the same."""
    schema.check(call.body, rules)
    card = _card(call, call.body)
    number = call.body["out_request_no"]
    if card.done.get(number) == what:
        return describe(card)
    if number in card.done:
        raise PayError(400, "INVALID_REQUEST", "请求单号已经用过")
    if card.state not in moves:
        raise PayError(400, "INVALID_REQUEST", f"券的状态是 {card.state}，不能这样操作")
    card.state, card.done[number] = moves[card.state], what
    if event:
        tell(call.world, card, event, {"USE": "核销", "RETURN": "退券"}[event])
    return describe(card)


def _card(call: Call, place: dict[str, Any]) -> Card:
    card = call.world.cards.find(call.merchant.mchid, call.path["code"])
    mine = card is not None and (card.openid, card.product_id) == (
        call.path["openid"],
        place.get("product_coupon_id"),
    )
    if card is None or not mine:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "没有这张用户商品券")
    return card


def _product(call: Call, id_: str) -> Product:
    product = call.world.cards.products.get(id_)
    if product is None or product.brand_id != call.merchant.mchid:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "没有这种商品券")
    return product


def _made(product: Product) -> Body:
    stock = {"stock_id": product.stock_id, "state": product.state}
    return {"product_coupon_id": product.id, "state": "EFFECTIVE", "stock": stock}
