"""Shipping information as an owner reads it: how it stands, what was told, what time is left."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import url_for

from console import words
from console.access import Me
from gateways.pay.shipping import Logistics
from payments.shipping.models import (
    UNTOLD,
    PaymentShipping,
    ShippingControl,
    ShippingState,
    TellAt,
)
from payments.shipping.queries import Row
from payments.shipping.watching import LATE_AFTER, WARN_AFTER

OPEN = (ShippingState.waiting, ShippingState.due, ShippingState.uploading, ShippingState.part)
STATES = {
    ShippingState.waiting: ("等交给顾客", ""),
    ShippingState.due: ("等着录", "note"),
    ShippingState.uploading: ("正在录", "note"),
    ShippingState.part: ("还有包裹没发", "warn"),
    ShippingState.uploaded: ("已录", "ok"),
    ShippingState.corrected: ("已改过一次", "ok"),
    ShippingState.settled: ("已到账", "ok"),
    ShippingState.failed: ("没录上", "bad"),
    ShippingState.void: ("不用录", ""),
}
WAYS = {
    Logistics.pickup: "到店自提",
    Logistics.city: "同城配送",
    Logistics.parcel: "快递",
    Logistics.virtual: "虚拟商品",
}
TELL_AT = {TellAt.handover: "交到顾客手上时", TellAt.payment: "付款时"}
CARRIERS = {
    "SF": "顺丰",
    "ZTO": "中通",
    "YTO": "圆通",
    "STO": "申通",
    "YD": "韵达",
    "JTSD": "极兔",
    "JD": "京东",
    "EMS": "邮政 EMS",
    "DBL": "德邦",
}


def row(found: Row, who: Me, now: datetime) -> dict[str, Any]:
    shipping = found.shipping
    state, tone = STATES[shipping.state]
    said, urgency = _time(shipping, now)
    return {
        "id": shipping.id,
        "href": url_for("console.shippings.edit", shipping_id=shipping.id),
        "order_href": url_for("console.orders.show", no=found.order_no),
        "no": found.order_no,
        "number": found.number,
        "what": shipping.wanted["parcels"][0]["item"],
        "way": WAYS[shipping.logistics],
        "told": wish_words(shipping.told) if shipping.told else "",
        "store": who.name_of(shipping.store_id),
        "amount": words.yuan(shipping.amount_fen),
        "paid": words.when(shipping.paid_at, now),
        "state": state,
        "tone": tone,
        "late": urgency == "bad",
        "time": said,
        "urgency": urgency,
        "why": shipping.reason,
        "may_correct": shipping.state is ShippingState.uploaded and not shipping.corrections,
        "may_retry": shipping.state is ShippingState.failed,
        "track": _track(shipping, now),
    }


def wish_words(wish: dict[str, Any]) -> str:
    """快递：中通 73501，茶叶礼盒."""
    parcels = [
        f"{CARRIERS.get(each['company'], each['company'])} {each['tracking_no']}"
        for each in wish["parcels"]
        if each["tracking_no"]
    ]
    parts = [*parcels, wish["parcels"][0]["item"]]
    return f"{WAYS[Logistics(wish['logistics'])]}：{'，'.join(parts)}"


def control(found: Sequence[ShippingControl], now: datetime) -> dict[str, str] | None:
    """Whether WeChat holds payments back, in a sentence; None: it was never asked."""
    if not found:
        return None
    held = next((each for each in found if each.managed), None)
    if held is None:
        text = "小程序不在微信的发货管理下，付款直接到账，这里不用录。"
        return {"tone": "calm", "text": text}
    said = f"微信 {words.when(held.message_at, now)} 说：{held.message}" if held.message else ""
    if not held.confirmed:
        text = "小程序在发货管理下，历史资金的结算规则还没在小程序后台确认。"
        return {"tone": "warn", "text": f"{text}{said}"}
    text = "小程序在微信的发货管理下：录了发货信息、顾客确认收货，钱才到账。交餐以后系统自己录。"
    return {"tone": "calm", "text": f"{text}{said}"}


def _time(shipping: PaymentShipping, now: datetime) -> tuple[str, str]:
    """How long there is left, or when the money comes; and how urgent that is."""
    if shipping.state in UNTOLD:
        left = shipping.paid_at + LATE_AFTER - now
        if left.total_seconds() <= 0:
            return f"晚了 {words.ago(shipping.paid_at + LATE_AFTER, now)}", "bad"
        hours = int(left.total_seconds() // 3600)
        urgency = "warn" if now - shipping.paid_at > WARN_AFTER else ""
        return (f"还有 {hours} 小时" if hours else "不到 1 小时"), urgency
    if shipping.state is ShippingState.settled:
        return f"{words.when(shipping.settled_at, now)} 到账", ""
    if shipping.settle_by is not None and shipping.state is not ShippingState.void:
        return f"最晚 {words.on(shipping.settle_by, now)} 到账", ""
    return "", ""


def _track(shipping: PaymentShipping, now: datetime) -> list[dict[str, str]]:
    """What has happened, the latest first; of a no that has no words, WeChat's number."""
    steps = [
        ("顾客付款", shipping.paid_at, "on"),
        ("满 36 小时，提醒了员工", shipping.warned_at, ""),
        ("满 48 小时，微信算延迟", shipping.late_at, "bad"),
        ("告诉了微信", shipping.told_at, "on"),
        ("微信记下发货", shipping.shipped_at, "on"),
        ("确认收货", shipping.confirmed_at, "on"),
        ("钱到商户账户", shipping.settled_at, "on"),
    ]
    told = [(at, text, "", kind) for text, at, kind in steps if at is not None]
    if shipping.state is ShippingState.failed:
        number = f"微信的代码 {shipping.errcode}" if shipping.errcode else ""
        told.append((shipping.changed_at, shipping.reason or "微信没有收", number, "bad"))
    told.sort(key=lambda each: each[0])  # of one moment, as they follow one another
    return [
        {"time": words.when(at, now), "text": text, "detail": detail, "kind": kind}
        for at, text, detail, kind in reversed(told)
    ]
