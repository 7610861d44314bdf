"""Product coupons of the brand platform: made, sent, confirmed, used, given back, ended."""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sandbox.clock import rfc3339
from sandbox.pay import notices, schema
from sandbox.pay.cardrules import ASK, END, PRODUCT, SEND, STOCK, USE, WORTH
from sandbox.pay.cardstore import Card, Product, Stock
from sandbox.pay.door import Body, Call, Handler, Made, pay_api
from sandbox.pay.errors import PayError, bad_parameter
from sandbox.pay.schema import Group, Rule, Text
from sandbox.state import World

ROOT = "/brand/marketing/product-coupon"
FOR_OTHERS = "/v3/marketing/partner/product-coupon"
CARD = "/users/<openid>/coupons/<code>"
STOCKS = "/product-coupons/<product>/stocks"
WHOLE_PROVIDER = ("/media/upload-image", "/notify-configs")
LOGO = "https://wxpaylogo.qpic.cn/wxpaylogo/"
DAY = 86_400


def card_api(name: str, path: str, *, method: str, title: str) -> Callable[[Handler], Handler]:
    """Serve a brand itself, and a service provider that says for which of its brands it asks."""

    def wrap(handler: Handler) -> Handler:
        def for_others(call: Call) -> Body | Made | None:
            if path in WHOLE_PROVIDER:
                return handler(call)
            body = dict(call.body)
            named = body.pop("brand_id", None) or call.query.get("brand_id")
            brand = call.world.settings.brands.get(str(named))
            if brand is None or brand.provider != call.merchant.mchid:
                raise PayError(403, "NO_AUTH", "品牌没有授权给这个服务商")
            inner = replace(call, merchant=brand, body=body)
            answer = handler(inner)
            call.title, call.person = inner.title, inner.person
            return answer

        pay_api(name, FOR_OTHERS + path, method=method, title=title)(for_others)
        return pay_api(name, ROOT + path, method=method, title=title)(handler)

    return wrap


@card_api("card_image", "/media/upload-image", method="POST", title="上传券面图片")
def upload(call: Call) -> Body:
    url = f"{LOGO}{secrets.token_hex(8)}/{len(call.world.cards.pictures)}"
    call.world.cards.pictures.append(url)
    return {"image_url": url}


@card_api("card_notify", "/notify-configs", method="POST", title="设置商品券通知地址")
def set_notify(call: Call) -> Body:
    schema.check(call.body, {"notify_url": Text(256, required=True)})
    call.world.cards.notify_urls[call.merchant.mchid] = call.body["notify_url"]
    return {**call.body, "update_time": rfc3339(call.world.clock.stamp())}


@card_api("card_create", "/product-coupons", method="POST", title="创建商品券")
def create(call: Call) -> Body:
    schema.check(call.body, PRODUCT)
    body, cards = call.body, call.world.cards
    known = cards.by_number(call.merchant.mchid, body["out_request_no"])
    if known is not None:
        if known.request != body:
            raise PayError(400, "INVALID_REQUEST", "请求重入时参数不一致")
        return _made(known, next(s for s in cards.stocks.values() if s.product_id == known.id))
    face = body["display_info"]
    for name in ("image_url", "background_url"):
        if face[name] not in cards.pictures:
            raise bad_parameter(f"/display_info/{name}", "不是图片上传接口返回的地址", face[name])
    if len(face["name"]) < 3:
        raise bad_parameter("/display_info/name", "至少 3 个字符", face["name"])
    single = body["scope"] == "SINGLE"
    if single and not (face.get("original_price") and face.get("combo_package_list")):
        raise bad_parameter("/display_info/original_price", "单品券要有原价和套餐组合")
    if body["type"] == "EXCHANGE" and not single:
        raise bad_parameter("/type", "兑换券只能是单品券", body["type"])
    if not single:
        _one_of_them(body.get("single_usage_info") or {}, body["type"], "/single_usage_info")
    _check_worth(body["stock"]["single_usage_rule"], body)
    number = f"{1_000_000_000 + len(cards.products)}"
    product = Product(number, call.merchant.mchid, body["out_request_no"], body)
    cards.products[number] = product
    stock = _new_stock(call, product, body["out_request_no"], body["stock"])
    call.title = f"做好一种卡包券：{face['name']}"
    return _made(product, stock)


@card_api("card_add_stock", STOCKS, method="POST", title="添加商品券批次")
def add_stock(call: Call) -> Body:
    rules: dict[str, Rule] = {
        "out_request_no": Text(40, required=True),
        "stock": Group(STOCK, required=True),
    }
    schema.check(call.body, rules)
    product, number = _product(call, call.path["product"]), call.body["out_request_no"]
    for known in call.world.cards.stocks.values():
        if known.product_id == product.id and known.number == number:
            if known.request != call.body["stock"]:
                raise PayError(400, "INVALID_REQUEST", "请求重入时参数不一致")
            return _stock_out(product, known)
    if product.state != "EFFECTIVE":
        raise PayError(400, "INVALID_REQUEST", "商品券已失效")
    _check_worth(call.body["stock"]["single_usage_rule"], product.request)
    call.title = f"续上一批卡包券：{product.request['display_info']['name']}"
    return _stock_out(product, _new_stock(call, product, number, call.body["stock"]))


@card_api("card_stock", f"{STOCKS}/<stock>", method="GET", title="查询商品券批次")
def query_stock(call: Call) -> Body:
    product = _product(call, call.path["product"])
    return _stock_out(product, _stock(call, product, call.path["stock"]))


@card_api("card_stop", "/product-coupons/<product>/deactivate", method="POST", title="失效商品券")
def stop(call: Call) -> Body:
    rules: dict[str, Rule] = {
        "out_request_no": Text(40, required=True),
        "deactivate_reason": Text(150, required=True),
    }
    schema.check(call.body, rules)
    product = _product(call, call.path["product"])
    product.state = "DEACTIVATED"
    return {"product_coupon_id": product.id, "state": product.state}


@card_api("card_send", "/users/<openid>/coupons", method="POST", title="发到卡包")
def send(call: Call) -> Body:
    schema.check(call.body, SEND)
    body, world, brand_id = call.body, call.world, call.merchant.mchid
    product = _product(call, body["product_coupon_id"])
    known = world.cards.find(brand_id, body["coupon_code"])
    if known is not None:
        if known.send_no != body["send_request_no"]:
            raise PayError(400, "INVALID_REQUEST", "券 Code 已经发过了")
        return describe(known)
    stock = _stock(call, product, body["stock_id"])
    begins = world.clock.now()
    if product.state != "EFFECTIVE" or begins >= stock.ends_at:
        raise PayError(400, "INVALID_REQUEST", "批次不在发放中")
    person = world.people.owner_of(call.path["openid"], body["appid"])
    if person is None:
        raise PayError(400, "INVALID_REQUEST", "openid 和 appid 不匹配")
    ends = min(stock.ends_at, begins + stock.days * DAY) if stock.days else stock.ends_at
    card = Card(
        body["coupon_code"],
        brand_id,
        product.id,
        stock.id,
        call.path["openid"],
        body["appid"],
        body["send_request_no"],
        begins,
        ends,
    )
    world.cards.add(card)
    stock.sent += 1
    call.title = f"{person.name}的卡包里来了一张券"
    tell(world, card, "SEND", "发券")
    return describe(card)


@card_api("card_find", CARD, method="GET", title="查询卡包里的券")
def find(call: Call) -> Body:
    return describe(_card(call, call.query))


@card_api("card_confirm", f"{CARD}/confirm", method="POST", title="确认发到卡包的券")
def confirm(call: Call) -> Body:
    return _move(call, ASK, "confirm", {"CONFIRMING": "EFFECTIVE"}, "")


@card_api("card_use", f"{CARD}/use", method="POST", title="核销卡包里的券")
def use(call: Call) -> Body:
    number = (call.body.get("associated_order_info") or {}).get("transaction_id", "")
    paid = any(o.transaction_id == number and number for o in call.world.ledger.orders.values())
    if not paid:
        raise bad_parameter("/associated_order_info", "没有这笔微信支付订单", number)
    return _move(call, USE, "use", {"EFFECTIVE": "USED"}, "USE")


@card_api("card_return", f"{CARD}/return", method="POST", title="退回卡包里的券")
def give_back(call: Call) -> Body:
    return _move(call, ASK, "return", {"USED": "EFFECTIVE"}, "RETURN")


@card_api("card_end", f"{CARD}/deactivate", method="POST", title="失效卡包里的券")
def end(call: Call) -> Body:
    alive = dict.fromkeys(("CONFIRMING", "PENDING", "EFFECTIVE"), "DEACTIVATED")
    return _move(call, END, "deactivate", alive, "")


def tell(world: World, card: Card, event: str, words: str) -> None:
    """The notice of a card, if the brand said where it wants to hear of them."""
    urls, brand = world.cards.notify_urls, world.settings.brands[card.brand_id]
    url = urls.get(brand.provider or card.brand_id)
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
        "stock_id": card.stock_id,
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
    mine = card is not None and (card.openid, card.product_id, card.stock_id) == (
        call.path["openid"],
        place.get("product_coupon_id"),
        place.get("stock_id"),
    )
    if card is None or not mine:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "没有这张用户商品券")
    return card


def _product(call: Call, id_: str) -> Product:
    product = call.world.cards.products.get(id_)
    if product is None or product.brand_id != call.merchant.mchid:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "没有这种商品券")
    return product


def _stock(call: Call, product: Product, id_: str) -> Stock:
    stock = call.world.cards.stocks.get(id_)
    if stock is None or stock.product_id != product.id:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "没有这个批次")
    return stock


def _new_stock(call: Call, product: Product, number: str, request: Body) -> Stock:
    cards, clock = call.world.cards, call.world.clock
    period = request["single_usage_rule"]["coupon_available_period"]
    begins, ends = (
        datetime.fromisoformat(period[f"available_{each}_time"]) for each in ("begin", "end")
    )
    if (ends - begins).days > 365:
        raise bad_parameter("/stock/single_usage_rule", "有效期最长 365 天")
    serial = sum(1 for each in cards.stocks.values() if each.product_id == product.id) + 1
    stock = Stock(
        f"{product.id}{serial:03}",
        product.id,
        number,
        request,
        clock.deadline(ends.timestamp()),
        period.get("available_days", 0),
    )
    cards.stocks[stock.id] = stock
    return stock


def _check_worth(rule: Body, product: Body) -> None:
    """What a card of single goods takes off stands in its batch; that of all goods, in the kind."""
    worth = {name: rule[name] for name in WORTH if name in rule}
    if product["scope"] == "SINGLE":
        _one_of_them(worth, product["type"], "/stock/single_usage_rule")
    elif worth:
        raise bad_parameter("/stock/single_usage_rule", "全场券的优惠写在商品券上")


def _one_of_them(worth: Body, type_: str, where: str) -> None:
    if list(worth) != [f"{type_.lower()}_coupon"]:
        raise bad_parameter(where, f"和券类型 {type_} 对不上")


def _stock_out(product: Product, stock: Stock) -> Body:
    state = "SENDING" if product.state == "EFFECTIVE" else "DEACTIVATED"
    return {"product_coupon_id": product.id, "stock_id": stock.id, "state": state}


def _made(product: Product, stock: Stock) -> Body:
    return {
        "product_coupon_id": product.id,
        "state": product.state,
        "stock": _stock_out(product, stock),
    }
