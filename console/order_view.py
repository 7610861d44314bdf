"""An order as the counter sees it: a row of the list, or the whole of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import bill_view, order_history, people, words
from console.access import Me
from console.money_words import CHANNELS, REFUNDS
from crm.models import Member
from merchants.models import StoreTable
from orders.cancelling import UNMADE
from orders.models import (
    NEXT,
    DiscountKind,
    Fulfilment,
    LineKind,
    Order,
    OrderDiscount,
    OrderLine,
    OrderState,
    PaymentState,
)
from payments import asking
from payments.models import ABNORMAL, Channel, PaymentAttempt, Refund, RefundState
from payments.plan_refunds import refundable_fen
from payments.queries import is_paid, list_bills, list_refunds
from payments.refunding import rules
from payments.refunding.listing import in_batches

LATE_AFTER = timedelta(minutes=2)
CANCELLABLE = [state for state, targets in NEXT.items() if OrderState.cancelled in targets]

STATES = {
    OrderState.placed: ("待接单", "warn"),
    OrderState.accepted: ("制作中", "note"),
    OrderState.preparing: ("制作中", "note"),
    OrderState.ready: ("待取餐", "ok"),
    OrderState.completed: ("已完成", ""),
    OrderState.cancelled: ("已取消", ""),
}
STEPS = {
    OrderState.placed: ("accept", "接单", "接单"),
    OrderState.accepted: ("ready", "出餐", "出餐，通知取餐"),
    OrderState.preparing: ("ready", "出餐", "出餐，通知取餐"),
    OrderState.ready: ("hand_over", "交餐", "核对取餐码，交餐"),
}
_URGENT = (
    RefundState.failed,
    RefundState.requested,
    RefundState.processing,
    RefundState.succeeded,
)
_KINDS = {LineKind.amount: "收款"}
ON_THE_WAY = (RefundState.requested, RefundState.processing)


def number_of(order: Order) -> str:
    """What it is called at the counter."""
    return order.pickup_number or _KINDS.get(order.kind, "线上")


def href_of(order: Order, who: Me) -> str:
    """The page of an order for whoever looks at its money; "" where it has none: of what nobody
    ever paid only a sum is kept at the counter, and goods until they are given up."""
    if order.paid_at is None and order.kind is LineKind.amount:
        there = url_for("console.collect.show", no=order.no)
        return there if who.may("payments.collect") else ""
    waits = order.kind is LineKind.goods and order.state is not OrderState.cancelled
    shown = order.paid_at is not None or waits or (order.kind is LineKind.goods and order.paid_fen)
    return url_for("console.orders.show", no=order.no) if shown else ""


@dataclass(frozen=True)
class Around:
    """What a list of orders needs to be told apart: one query each, however many orders."""

    lines: dict[int, list[OrderLine]]
    members: dict[int, Member]
    tables: dict[int, str]


def look_around(session: Session, orders: Sequence[Order]) -> Around:
    ids = [order.id for order in orders]
    lines: dict[int, list[OrderLine]] = {order_id: [] for order_id in ids}
    found = select(OrderLine).where(OrderLine.order_id.in_(ids)).order_by(OrderLine.position)
    for line in session.scalars(found):
        lines[line.order_id].append(line)
    known = {order.member_id for order in orders if order.member_id is not None}
    members = select(Member).where(Member.id.in_(known))
    tables = select(StoreTable.id, StoreTable.name).where(
        StoreTable.id.in_({order.table_id for order in orders if order.table_id})
    )
    return Around(
        lines,
        {member.id: member for member in session.scalars(members)},
        dict(session.execute(tables).all()),
    )


def row(order: Order, around: Around, who: Me, now: datetime) -> dict[str, Any]:
    state, kind = STATES[order.state]
    step, step_words, step_long = STEPS.get(order.state, ("", "", ""))
    member = around.members.get(order.member_id or 0)
    waited = now - (order.paid_at or order.placed_at)
    whole_refund = order.payment_state is PaymentState.refunded
    return {
        "no": order.no,
        "number": number_of(order),
        "time": words.when(order.paid_at, now),
        "ago": words.ago(order.paid_at or order.placed_at, now),
        "late": order.state is OrderState.placed and waited >= LATE_AFTER,
        "how": _how(order, around),
        "store": who.name_of(order.store_id),
        "who": people.name_of(member),
        "first": member is not None and member.orders_count == 1,
        "lines": [
            {"name": line.name, "options": _options(line), "quantity": line.quantity}
            for line in around.lines[order.id]
        ],
        "note": order.note,
        "off": words.yuan(order.discount_fen) if order.discount_fen and not whole_refund else "",
        "pay": words.yuan(order.paid_fen),
        "ended": f"{words.when(order.cancelled_at, now)} 取消" if order.cancelled_at else "",
        "ended_why": order.cancel_reason,
        "back": _back(order) if order.cancelled_at else "",
        "state": state,
        "kind": kind,
        "step": step,
        "step_words": step_words,
        "step_long": step_long,
        "may_reject": order.state in CANCELLABLE and may_cancel(order, who),
    }


def _back(order: Order) -> str:
    """What became of the money of a cancelled order."""
    if order.refunded_fen:
        return f"已退 ¥{words.yuan(order.refunded_fen)}"
    return f"¥{words.yuan(order.paid_fen)} 在退" if order.paid_fen else "没有收款"


def may_cancel(order: Order, who: Me) -> bool:
    """Any clerk turns a new order down; afterwards it gives money back for what was begun."""
    turning_down = order.state is OrderState.placed
    return who.may("orders.manage") and (turning_down or who.may("orders.refund"))


def whole(session: Session, order: Order, who: Me, now: datetime) -> dict[str, Any]:
    """Everything about an order: who, each line and discount, what did not apply and why."""
    around = look_around(session, [order])
    member = around.members.get(order.member_id or 0)
    discounts = session.scalars(
        select(OrderDiscount)
        .where(OrderDiscount.order_id == order.id)
        .order_by(OrderDiscount.position)
    ).all()
    left, rule = refundable_fen(session, order, now)
    refunds = list_refunds(session, order.id)
    billed = list_bills(session, order.id)
    may_see = who.may("members.view") and member is not None
    asked = asking.find_open(session, order.id)
    limit = rules.limit_fen(rules.of(session, order.merchant_id), who.role, order.paid_at, now)
    gives_back = left > 0 and order.state is not OrderState.placed  # turning it down gives it all
    return {
        **row(order, around, who, now),
        "since": _since(order, now),
        "track": _track(order),
        "cancel_words": f"已取消：{order.cancel_reason}" if order.cancel_reason else "",
        "lines": [
            {
                "name": line.name,
                "options": _options(line),
                "quantity": line.quantity,
                "amount": words.yuan(line.amount_fen),
                "paid": words.yuan(line.payable_fen),
            }
            for line in around.lines[order.id]
        ],
        "goods": words.yuan(order.goods_fen),
        "discounts": [
            {
                "name": d.name,
                "detail": d.reason,
                "amount": words.yuan(d.amount_fen),
                "returned": d.kind is DiscountKind.coupon
                and order.payment_state is PaymentState.refunded,
            }
            for d in discounts
        ],
        "rejected": [
            {"name": rule["name"], "reason": rule["reason"]}
            for rule in order.quote.get("rejected", [])
        ],
        "paid_words": "实付" if order.payment_state is not PaymentState.unpaid else "应付",
        "pay": words.yuan(order.paid_fen or order.payable_fen),
        "paid_parts": _paid_parts([attempt for _, attempt in billed if attempt is not None]),
        "bills": bill_view.shown(session, order, billed, now) if bill_view.several(billed) else [],
        "refunded": words.yuan(order.refunded_fen) if order.refunded_fen else "",
        "refunds": refunds_of(refunds, who, now),
        "refunding": any(refund.state in ON_THE_WAY for refund in refunds),
        "may_refund": gives_back and who.may("orders.manage") and (limit != 0 or asked is None),
        "refund_words": "申请退款" if limit == 0 else "退款",
        "asked": asking.question(session, asked) if asked else "",
        "refundable": words.yuan(left) if left else "",
        "refund_rule": rule,
        "stock_words": _stock_words(order),
        "used_coupon": any(d.kind is DiscountKind.coupon for d in discounts),
        "who_sub": f"来过 {member.orders_count} 次 · {words.days_ago(member.last_visit_at, now)}"
        if member
        else "",
        "who_href": url_for("console.members.show", no=member.no) if may_see and member else "",
        "history": order_history.told(session, order, refunds, now),
    }


def _paid_parts(attempts: Sequence[PaymentAttempt]) -> list[tuple[str, str]]:
    """Which part each way to pay bore, stored value first; nothing that is not paid."""
    parts: dict[Channel, int] = {Channel.balance: 0}
    for attempt in filter(is_paid, attempts):
        parts[Channel.balance] += attempt.balance_fen
        parts[attempt.channel] = parts.get(attempt.channel, 0) + attempt.channel_fen
    return [(CHANNELS[channel], words.yuan(fen)) for channel, fen in parts.items() if fen]


def _stock_words(order: Order) -> str:
    """What cancelling does to the stock: what was made cannot be sold again."""
    if order.state in UNMADE:
        return "库存会还回去。"
    made = "已经做好" if order.state is OrderState.ready else "已经在做"
    return f"{made}，库存不退回。"


def _how(order: Order, around: Around) -> str:
    if order.fulfilment is Fulfilment.dine_in:
        return f"堂食 {around.tables.get(order.table_id or 0, '')} 桌"
    if order.kind is LineKind.amount:
        return "柜台收款"
    return "线上购买" if order.fulfilment is Fulfilment.none else "自取"


def _options(line: OrderLine) -> str:
    return " · ".join(part for part in (line.sku_name, line.options_text) if part)


def _since(order: Order, now: datetime) -> str:
    if order.completed_at:
        return f"{words.when(order.completed_at, now)} 完成"
    if order.cancelled_at:
        return f"{words.when(order.cancelled_at, now)} 取消"
    if order.ready_at:
        return _lasting("已等取餐", "刚刚出餐", order.ready_at, now)
    if order.accepted_at:
        return _lasting("已制作", "刚刚接单", order.accepted_at, now)
    return _lasting("已等", "刚刚付款", order.paid_at, now) if order.paid_at else "还没付款"


def _lasting(what: str, just_begun: str, since: datetime, now: datetime) -> str:
    passed = words.ago(since, now)
    return just_begun if passed == words.JUST_NOW else f"{what} {passed}"


def _track(order: Order) -> list[tuple[str, bool, bool]]:
    """已付 → 已接 → 制作 → 待取 → 完成, with where it is; nothing for a cancelled order."""
    if order.state is OrderState.cancelled or order.paid_at is None:
        return []
    if order.kind is LineKind.amount:  # nothing is made or handed over
        return []
    at = {
        OrderState.placed: 0,
        OrderState.accepted: 2,
        OrderState.preparing: 2,
        OrderState.ready: 3,
        OrderState.completed: 4,
    }[order.state]
    names = ("已付", "已接", "制作", "待取", "完成")
    return [(name, place <= at, place == at) for place, name in enumerate(names)]


def refunds_of(found: Sequence[Refund], who: Me, now: datetime) -> list[dict[str, Any]]:
    """Newest first; what was asked for at once is one, with its parts where it has several."""
    rows = []
    for batch in reversed(in_batches(found)):
        first, parts = batch[0], [_part(refund, who) for refund in batch]
        stands = min(batch, key=lambda refund: _URGENT.index(refund.state)).state
        rows.append(
            {
                "amount": words.yuan(sum(refund.amount_fen for refund in batch)),
                "reason": first.reason,
                "time": words.when(first.requested_at, now),
                "state": REFUNDS[stands][0],
                "kind": REFUNDS[stands][1],
                "parts": parts if len(parts) > 1 else [],
                "redirect": parts[0]["redirect"] if len(parts) == 1 else "",
            }
        )
    return rows


def _part(refund: Refund, who: Me) -> dict[str, Any]:
    abnormal = refund.error == ABNORMAL and refund.state is RefundState.failed
    may = abnormal and who.may("orders.refund")
    return {
        "to": CHANNELS[refund.channel],
        "amount": words.yuan(refund.amount_fen),
        "state": REFUNDS[refund.state][0],
        "kind": REFUNDS[refund.state][1],
        "redirect": url_for("console.redirects.ask", no=refund.out_refund_no) if may else "",
    }
