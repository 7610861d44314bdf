"""Service cards of a payment: put up within a day of it, changed for thirty, never backwards."""

import json
from typing import Any

from sandbox import pushes
from sandbox.pay.ledger import Order
from sandbox.people import Person
from sandbox.wechat.door import ApiError, Body, Call, wechat_api
from sandbox.wechat.notifystore import Notify

DAY = 86_400.0
LONGEST = 30 * DAY
BEGUN = 2  # a card is put up at one of its first two steps
REFUSED, AT_EASE = 10, 0
FAILED_BY_PERSON = -1004
# What a card of a kind is called, and its steps by number; the highest two end it.
KINDS: dict[int, tuple[str, dict[int, str]]] = {
    2002: (
        "自提订单",
        {1: "已付款", 2: "备货中", 3: "部分可提", 4: "可以来提", 5: "已完成", 6: "已取消"},
    ),
    2007: ("等候领取", {1: "已付款", 2: "制作中", 3: "请来取", 4: "已取走", 5: "已取消"}),
}


@wechat_api("set_user_notify", "/wxa/set_user_notify", title="更新服务卡片")
def set_notify(call: Call) -> Body:
    kind, code, person, order = _asked(call)
    content = _json(call.body.get("content_json"))
    steps = KINDS[kind][1]
    status = content.get("cur_status")
    if status not in steps or not content.get("wxa_path_query"):
        raise ApiError(85435)
    world, appid, openid = call.world, call.own.appid, str(call.body["openid"])
    known, now = world.notifies.find(appid, code), world.clock.now()
    if known is None:
        if status > BEGUN:
            raise ApiError(85436)
        paid_at = _check_payment(call, order)
        known = Notify(appid, openid, kind, code, {"cur_status": 0}, paid_at, now)
    elif known.kind != kind or now > known.made_at + LONGEST:
        raise ApiError(85438)
    elif status <= known.content["cur_status"] or _is_over(known):
        raise ApiError(85436)
    if status <= BEGUN and not (content.get("product_list") or {}).get("info_list"):
        raise ApiError(85435)
    world.notifies.put(known)
    call.person = person.id
    if openid in world.notifies.refusing:
        call.title = f"{person.name}关掉了服务卡片，这次没有显示"
        call.after.append(lambda: _lost(call, person, known, status))
        return {}
    known.content = content
    call.title = f"{person.name}的服务卡片：{steps[status]}"
    world.chats.replace(person, appid, code, sender="account", kind="card", **_shown(call, known))
    return {}


@wechat_api("get_user_notify", "/wxa/get_user_notify", title="查服务卡片")
def get_notify(call: Call) -> Body:
    kind, code, _person, _order = _asked(call)
    known = call.world.notifies.find(call.own.appid, code)
    said = known.content if known and known.content["cur_status"] else None
    refused = call.body["openid"] in call.world.notifies.refusing
    return {
        "notify_info": {
            "notify_type": kind,
            "content_json": json.dumps(said, ensure_ascii=False) if said else "",
            "code_state": REFUSED if refused else AT_EASE,
            "code_expire_time": int((known.made_at if known else call.world.clock.now()) + LONGEST),
        }
    }


def _asked(call: Call) -> tuple[int, str, Person, Order]:
    """Kind, code, person and payment; a code that belongs to nobody here is unknown."""
    if call.own.kind != "mini":
        raise ApiError(48001)
    openid = call.text("openid", 40003)
    person = call.world.people.owner_of(openid, call.own.appid)
    if person is None:
        raise ApiError(40003)
    kind = call.body.get("notify_type")
    if kind not in KINDS:
        raise ApiError(85434)
    code = call.text("notify_code", 85437)
    order = call.world.ledger.find_paid(code)
    if order is None or order.appid != call.own.appid:
        raise ApiError(85437)
    if order.openid != openid:
        raise ApiError(40003)
    return kind, code, person, order


def _check_payment(call: Call, order: Order) -> float:
    """`check_json` proves that the shop knows the payment; a day later it is too late."""
    check = _json(call.body.get("check_json"))
    if check.get("pay_amount") != order.total_fen:
        raise ApiError(85439)
    if abs(int(check.get("pay_time") or 0) - order.success_at) > 5:
        raise ApiError(85439)
    if call.world.clock.stamp() > order.success_at + DAY:
        raise ApiError(85438)
    return order.success_at


def _json(given: Any) -> dict[str, Any]:
    try:
        value = json.loads(given) if isinstance(given, str) else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ApiError(85435)
    return value


def _is_over(known: Notify) -> bool:
    return bool(known.content["cur_status"] >= max(KINDS[known.kind][1]) - 1)


def _shown(call: Call, known: Notify) -> dict[str, Any]:
    name, steps = KINDS[known.kind]
    goods = (known.content.get("product_list") or {}).get("info_list") or []
    count = known.content.get("product_count", len(goods))
    rows = [["取餐号", known.content["queue_number"]]] if known.content.get("queue_number") else []
    if goods:
        first = goods[0]["product_name"]
        rows.append(["商品", first if count == 1 else f"{first} 等 {count} 件"])
    return {
        "title": steps[known.content["cur_status"]],
        "name": name,
        "rows": rows,
        "step": known.content["cur_status"],
        "over": _is_over(known),
        "appid": known.appid,
        "path": "/" + str(known.content["wxa_path_query"]).lstrip("/"),
    }


def _lost(call: Call, person: Person, known: Notify, status: int) -> None:
    push = pushes.build(
        call.world,
        call.own,
        person,
        known.openid,
        MsgType="event",
        Event="notify_service_msg_send_result",
        openid=known.openid,
        notify_code=f"p1.{known.code}",
        notify_type=known.kind,
        card_status=status,
        fail_ret=FAILED_BY_PERSON,
        fail_msg="user reject message",
        title=f"服务卡片没有送到{person.name}：本人关掉了",
        shown=False,
    )
    pushes.send(call.world, push)
