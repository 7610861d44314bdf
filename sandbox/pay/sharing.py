"""Profit sharing: receivers, sharing under its rules, release of the rest, return."""

import secrets
from typing import Any

from sandbox.clock import rfc3339
from sandbox.pay import schema, unsealing
from sandbox.pay.door import Body, Call, pay_api
from sandbox.pay.errors import PayError, bad_parameter
from sandbox.pay.ledger import Order
from sandbox.pay.schema import Flag, Group, Many, Rule, Text, Whole
from sandbox.pay.sharebook import Portion, Return, Share
from sandbox.state import World

AFTER, WITHIN = 60, 30 * 86_400
MOST_TIMES = MOST_RECEIVERS = 50
RELATIONS = {
    *("SERVICE_PROVIDER", "STORE", "STAFF", "STORE_OWNER", "PARTNER", "HEADQUARTER", "BRAND"),
    *("DISTRIBUTOR", "USER", "SUPPLIER", "CUSTOM"),
}
_ROOT = "/v3/profitsharing"
_PARTY: dict[str, Rule] = {
    "sub_mchid": Text(32),
    "appid": Text(32, required=True),
    "type": Text(32, required=True),
    "account": Text(64, required=True),
}
ADD: dict[str, Rule] = {
    **_PARTY,
    "name": Text(1024),
    "relation_type": Text(32, required=True),
    "custom_relation": Text(10),
}
SHARE: dict[str, Rule] = {
    "sub_mchid": Text(32),
    "appid": Text(32, required=True),
    "transaction_id": Text(32, required=True),
    "out_order_no": Text(64, required=True),
    "unfreeze_unsplit": Flag(required=True),
    "receivers": Many(
        Group(
            {
                "type": Text(32, required=True),
                "account": Text(64, required=True),
                "name": Text(1024),
                "amount": Whole(1, required=True),
                "description": Text(80, required=True),
            }
        ),
        required=True,
    ),
}
RELEASE: dict[str, Rule] = {
    "sub_mchid": Text(32),
    "transaction_id": Text(32, required=True),
    "out_order_no": Text(64, required=True),
    "description": Text(80, required=True),
}
RETURN: dict[str, Rule] = {
    "sub_mchid": Text(32),
    "order_id": Text(64),
    "out_order_no": Text(64),
    "out_return_no": Text(64, required=True),
    "return_mchid": Text(32, required=True),
    "amount": Whole(1, required=True),
    "description": Text(80, required=True),
}


@pay_api("add_receiver", f"{_ROOT}/receivers/add", method="POST", title="添加分账接收方")
def add_receiver(call: Call) -> Body:
    schema.check(call.body, ADD)
    body = call.body
    if body["relation_type"] not in RELATIONS:
        raise bad_parameter("/relation_type", "不是支持的关系", body["relation_type"])
    name = unsealing.unseal(call.world.settings.platform, body["name"]) if "name" in body else ""
    if body["type"] == "MERCHANT_ID" and not name:
        raise bad_parameter("/name", "商户类型的接收方要填商户全称")
    call.world.sharings.receivers[_party(call)] = name
    call.detail = f"{body['account']} {name}"
    return {key: value for key, value in body.items() if key != "name"}


@pay_api("delete_receiver", f"{_ROOT}/receivers/delete", method="POST", title="删除分账接收方")
def delete_receiver(call: Call) -> Body:
    schema.check(call.body, _PARTY)
    if call.world.sharings.receivers.pop(_party(call), None) is None:
        raise PayError(400, "RESOURCE_NOT_EXISTS", "分账接收方不存在")
    return {key: call.body[key] for key in ("type", "account")}


@pay_api("share", f"{_ROOT}/orders", method="POST", title="请求分账")
def share(call: Call) -> Body:
    schema.check(call.body, SHARE)
    body, book = call.body, call.world.sharings
    if known := _known(call):
        return _describe(known)
    order = _order(call)
    if len(body["receivers"]) > MOST_RECEIVERS:
        raise bad_parameter("/receivers", f"最多 {MOST_RECEIVERS} 个接收方")
    asked = sum(each["amount"] for each in body["receivers"])
    if asked > _frozen(call.world, order):
        raise PayError(403, "NOT_ENOUGH", "分账金额不足，订单剩余待分金额不够")
    shared = sum(
        portion.amount
        for one in book.of_transaction(order.transaction_id)
        if not one.releases
        for portion in one.portions
        if portion.result != "CLOSED"
    )
    if shared + asked > order.total_fen * book.most_bp // 10_000:
        raise PayError(403, "RULE_LIMIT", "分账金额超出最大分账比例")
    made = _new(call, order, releases=False)
    made.portions = [
        Portion(each["type"], each["account"], each["amount"], each["description"])
        for each in body["receivers"]
    ]
    call.title = f"请求分账 ¥{asked / 100:.2f}"
    call.detail = f"分账单号 {made.out_order_no}"
    _decide_later(call.world, made)
    return _describe(made)


@pay_api("release", f"{_ROOT}/orders/unfreeze", method="POST", title="解冻剩余资金")
def release(call: Call) -> Body:
    schema.check(call.body, RELEASE)
    if known := _known(call):
        return _describe(known)
    order = _order(call)
    rest = _frozen(call.world, order)
    made = _new(call, order, releases=True)
    seller = str(call.body.get("sub_mchid") or call.merchant.mchid)
    made.portions = [Portion("MERCHANT_ID", seller, rest, "解冻给分账方")]
    call.title = f"解冻 ¥{rest / 100:.2f} 给卖家"
    _decide_later(call.world, made)
    return _describe(made)


@pay_api("query_sharing", f"{_ROOT}/orders/<no>", method="GET", title="查询分账")
def query(call: Call) -> Body:
    found = call.world.sharings.shares.get(f"{call.merchant.mchid}|{call.path['no']}")
    if found is None or found.transaction_id != call.query.get("transaction_id"):
        raise PayError(404, "RESOURCE_NOT_EXISTS", "分账单不存在")
    return _describe(found)


@pay_api("return_sharing", f"{_ROOT}/return-orders", method="POST", title="请求分账回退")
def give_back(call: Call) -> Body:
    schema.check(call.body, RETURN)
    body, book = call.body, call.world.sharings
    key = f"{call.merchant.mchid}|{body['out_return_no']}"
    if known := book.returns.get(key):
        same = (body.get("out_order_no"), body["return_mchid"], body["amount"])
        if (known.out_order_no, known.return_mchid, known.amount) != same:
            raise PayError(400, "INVALID_REQUEST", "回退单号已存在，参数与首次请求不一致")
        return _describe_return(known)
    found = book.shares.get(f"{call.merchant.mchid}|{body.get('out_order_no')}")
    if found is not None and found.request.get("sub_mchid") != body.get("sub_mchid"):
        raise PayError(403, "NO_AUTH", "不是这个特约商户的分账单")
    if found is None or found.state != "FINISHED":
        raise PayError(404, "RESOURCE_NOT_EXISTS", "分账单不存在或未完成")
    portion = _portion(found, body["return_mchid"])
    if portion is None or portion.returned + body["amount"] > portion.amount:
        raise PayError(403, "NOT_ENOUGH", "回退金额大于可回退金额")
    portion.returned += body["amount"]
    made = Return(
        call.merchant.mchid,
        body["out_return_no"],
        "3008" + _digits(),
        found.out_order_no,
        body["return_mchid"],
        body["amount"],
        call.world.clock.stamp(),
    )
    book.returns[key] = made
    call.title = f"请求退回分账 ¥{made.amount / 100:.2f}"
    world = call.world
    world.timer.after(world.settings.refund_seconds, lambda: finish_return(world, made))
    return _describe_return(made)


@pay_api("query_return", f"{_ROOT}/return-orders/<no>", method="GET", title="查询分账回退")
def query_return(call: Call) -> Body:
    found = call.world.sharings.returns.get(f"{call.merchant.mchid}|{call.path['no']}")
    if found is None or found.out_order_no != call.query.get("out_order_no"):
        raise PayError(404, "RESOURCE_NOT_EXISTS", "回退单不存在")
    return _describe_return(found)


@pay_api("unshared", f"{_ROOT}/transactions/<no>/amounts", method="GET", title="查询待分金额")
def unshared(call: Call) -> Body:
    order = call.world.ledger.find_transaction(call.merchant.mchid, call.path["no"])
    if order is None:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "订单不存在")
    return {
        "transaction_id": order.transaction_id,
        "unsplit_amount": _frozen(call.world, order),
    }


@pay_api("most", f"{_ROOT}/merchant-configs/<no>", method="GET", title="查询最大分账比例")
def most(call: Call) -> Body:
    return {"sub_mchid": call.path["no"], "max_ratio": call.world.sharings.most_bp}


def finish(world: World, made: Share) -> None:
    """WeChat's decision about each receiver; a release always succeeds."""
    with world.lock:
        if made.state == "FINISHED":
            return
        made.state = "FINISHED"
        seller = str(made.request.get("sub_mchid") or made.mchid)
        for portion in made.portions:
            why = world.sharings.refused.get(portion.account, "")
            if not made.releases and f"{seller}|{portion.account}" not in world.sharings.receivers:
                why = "NO_RELATION"
            portion.result, portion.fail_reason = ("CLOSED", why) if why else ("SUCCESS", "")


def finish_return(world: World, made: Return) -> None:
    with world.lock:
        if made.result != "PROCESSING":
            return
        why = world.sharings.refused.get(made.return_mchid, "")
        made.result, made.fail_reason = ("FAILED", why) if why else ("SUCCESS", "")
        share = world.sharings.shares[f"{made.mchid}|{made.out_order_no}"]
        portion = _portion(share, made.return_mchid)
        if why and portion is not None:
            portion.returned -= made.amount


def resume(world: World) -> None:
    """After a restart: what was not decided yet."""
    for share in world.sharings.shares.values():
        if share.state == "PROCESSING":
            _decide_later(world, share)
    for made in world.sharings.returns.values():
        if made.result == "PROCESSING":
            finish_return(world, made)


def _decide_later(world: World, made: Share) -> None:
    world.timer.after(world.settings.refund_seconds, lambda: finish(world, made))


def _order(call: Call) -> Order:
    """The payment that is shared, if it may be now."""
    world, transaction_id = call.world, call.body["transaction_id"]
    order = world.ledger.find_transaction(call.merchant.mchid, transaction_id)
    if order is None or not order.success_at:
        raise PayError(404, "RESOURCE_NOT_EXISTS", "订单不存在", number=268512771)
    if order.request.get("sub_mchid", call.body.get("sub_mchid")) != call.body.get("sub_mchid"):
        raise PayError(403, "NO_AUTH", "不是这个特约商户的订单")
    if not order.request.get("settle_info", {}).get("profit_sharing"):
        raise PayError(400, "INVALID_REQUEST", "非分账订单不支持分账")
    age = world.clock.stamp() - order.success_at
    if age < AFTER:
        raise PayError(400, "INVALID_REQUEST", "订单处理中，暂时无法分账，请稍后再试")
    if age > WITHIN:
        raise PayError(403, "RULE_LIMIT", "订单已超过分账期限")
    if len(world.sharings.of_transaction(transaction_id)) >= MOST_TIMES:
        raise PayError(403, "RULE_LIMIT", "该订单的分账次数已达上限")
    return order


def _frozen(world: World, order: Order) -> int:
    """What is still held back: nothing once it was released or its month is over."""
    shares = world.sharings.of_transaction(order.transaction_id)
    released = any(one.releases for one in shares)
    if released or world.clock.stamp() - order.success_at > WITHIN:
        return 0
    taken = sum(p.amount for one in shares for p in one.portions if p.result != "CLOSED")
    return max(order.total_fen - order.refunded_fen - taken, 0)


def _known(call: Call) -> Share | None:
    known = call.world.sharings.shares.get(f"{call.merchant.mchid}|{call.body['out_order_no']}")
    if known is not None and known.request != call.body:
        raise PayError(400, "INVALID_REQUEST", "分账单号已存在，参数与首次请求不一致")
    return known


def _new(call: Call, order: Order, *, releases: bool) -> Share:
    made = Share(
        call.merchant.mchid,
        call.body["out_order_no"],
        "3008" + _digits(),
        order.transaction_id,
        call.body,
        call.world.clock.stamp(),
        releases,
    )
    call.world.sharings.shares[f"{made.mchid}|{made.out_order_no}"] = made
    return made


def _describe(made: Share) -> Body:
    body: Body = {
        "transaction_id": made.transaction_id,
        "out_order_no": made.out_order_no,
        "order_id": made.order_id,
        "state": made.state,
        "receivers": [_describe_portion(made, portion) for portion in made.portions],
    }
    if "sub_mchid" in made.request:
        body["sub_mchid"] = made.request["sub_mchid"]
    return body


def _describe_portion(made: Share, portion: Portion) -> Body:
    body: dict[str, Any] = {
        "type": portion.type,
        "account": portion.account,
        "amount": portion.amount,
        "description": portion.description,
        "result": portion.result,
        "create_time": rfc3339(made.create_at),
        "detail_id": f"3600{made.order_id[4:]}",
    }
    return {**body, "fail_reason": portion.fail_reason} if portion.fail_reason else body


def _describe_return(made: Return) -> Body:
    body: Body = {
        "out_order_no": made.out_order_no,
        "out_return_no": made.out_return_no,
        "return_id": made.return_id,
        "return_mchid": made.return_mchid,
        "amount": made.amount,
        "result": made.result,
        "create_time": rfc3339(made.create_at),
    }
    return {**body, "fail_reason": made.fail_reason} if made.fail_reason else body


def _portion(share: Share, account: str) -> Portion | None:
    good = (p for p in share.portions if p.result == "SUCCESS")
    return next((p for p in good if p.account == account), None)


def _party(call: Call) -> str:
    seller = call.body.get("sub_mchid") or call.merchant.mchid
    return f"{seller}|{call.body['account']}"


def _digits() -> str:
    return f"{secrets.randbelow(10**24):024d}"
