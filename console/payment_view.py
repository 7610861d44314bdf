"""A payment as an owner reads it: how it stands, everything that happened to it, in words."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flask import url_for

from console import order_view, words
from console.access import Me
from console.money_words import BILL_STATES, BILLS, CHANNELS, REFUNDS
from core.inbox import EventState, InboundEvent
from core.outbox import JobState, OutboxJob
from gateways.pay.records import Way
from payments.listing import History, Row
from payments.models import (
    UNSETTLED,
    AttemptState,
    Channel,
    LedgerEntry,
    PaymentAttempt,
    Refund,
)
from payments.returned import Returned

STATES = {
    AttemptState.created: ("还没付", ""),
    AttemptState.pending: ("等付款", "note"),
    AttemptState.succeeded: ("已付", "ok"),
    AttemptState.closed: ("已关闭", ""),
    AttemptState.failed: ("没付成", ""),
    AttemptState.succeeded_late: ("付晚了，自动退", "warn"),
}
WAYS = {
    Way.mini: "小程序",
    Way.jsapi: "公众号网页",
    Way.native: "扫码",
    Way.h5: "手机浏览器",
    Way.code: "付款码",
    Way.page: "电脑网页",
    Way.wap: "手机网页",
}
JOBS = {
    "payments.query_pending": "去问渠道付了没有",
    "payments.close_attempt": "到渠道关掉",
    "payments.follow_code": "跟着付款码",
    "payments.refund": "去退款",
    "payments.query_refund": "去问退款到了没有",
    "orders.expire": "超时取消订单",
    "orders.after_paid": "付款后通知门店",
    "orders.after_completed": "交餐后录发货信息",
}
JOB_STATES = {
    JobState.waiting: ("等着", ""),
    JobState.pushed: ("在做", "note"),
    JobState.done: ("做完", "ok"),
    JobState.dead: ("停了", "bad"),
}
NOTICES = {
    "TRANSACTION.SUCCESS": "付款成功",
    "REFUND.SUCCESS": "退款成功",
    "REFUND.ABNORMAL": "退款异常",
    "REFUND.CLOSED": "退款关闭",
}
OUTCOMES = {
    "paid": "入账",
    "late": "太晚，自动退",
    "repeated": "早就入过账",
    "closed": "关闭",
    "waiting": "还没付",
    "mismatch": "和订单对不上",
    "unknown": "没有这笔",
    "malformed": "看不懂",
    "ignored": "不用处理",
}
ACCOUNTS = {
    "channel": "渠道应收",
    "balance": "欠会员的储值",
    "sales": "收入",
    "fee": "手续费",
    "commission": "平台佣金",
    "coupon_cost": "券的成本",
    "unclaimed": "没认领的钱",
    "sharing": "分账",
    "payout": "划给门店",
    "receivable": "应收",
}
_PRIVATE = ("openid", "payer", "buyer", "accno", "phone", "logon", "user_id", "seller_email")
_SHOWN = 4


def row(found: Row, who: Me, now: datetime) -> dict[str, Any]:
    """Of a mixed payment `amount` is what the channel took, so that a list lies beside its bill."""
    attempt = found.attempt
    mixed = attempt.balance_fen if attempt.channel_fen else 0
    state, tone = STATES[attempt.state]
    return {
        "href": url_for("console.payments.show", attempt_id=attempt.id),
        "number": found.number,
        "no": attempt.out_trade_no,
        "how": how(attempt),
        "store": who.name_of(attempt.store_id),
        "at": words.when(attempt.created_at, now),
        "amount": words.yuan(attempt.channel_fen if mixed else attempt.amount_fen),
        "whole": words.yuan(attempt.amount_fen) if mixed else "",
        "balance": words.yuan(mixed),
        "refunded": words.yuan(found.back.done_fen) if found.back.done_fen else "",
        "going": words.yuan(found.back.going_fen) if found.back.going_fen else "",
        "state": state,
        "tone": tone,
    }


def how(attempt: PaymentAttempt) -> str:
    """微信支付 · 小程序."""
    way = WAYS.get(attempt.way, "") if attempt.way else ""
    return f"{CHANNELS[attempt.channel]} · {way}" if way else CHANNELS[attempt.channel]


def facts(attempt: PaymentAttempt, back: Returned, now: datetime) -> list[tuple[str, str]]:
    given = [
        ("商户单号", attempt.out_trade_no),
        ("渠道单号", attempt.transaction_id or "还没有"),
        ("收款账号", attempt.account),
        ("付款人", masked(attempt.payer)),
        ("从余额出", f"¥{words.yuan(attempt.balance_fen)}" if attempt.balance_fen else ""),
        ("从渠道出", f"¥{words.yuan(attempt.channel_fen)}" if attempt.balance_fen else ""),
        ("已退", f"¥{words.yuan(back.done_fen)}" if back.done_fen else ""),
        ("在退", f"¥{words.yuan(back.going_fen)}" if back.going_fen else ""),
        ("发起", words.when(attempt.created_at, now)),
        ("最晚付到", words.when(attempt.expires_at, now) if attempt.state in UNSETTLED else ""),
        ("结束", words.when(attempt.settled_at, now)),
    ]
    return [(name, value) for name, value in given if value]


def shown(
    attempt: PaymentAttempt, found: History, now: datetime, *, order_href: str
) -> dict[str, Any]:
    """Everything of one payment, each part as rows of words."""
    state, tone = STATES[attempt.state]
    return {
        "id": attempt.id,
        "no": attempt.out_trade_no,
        "amount": words.yuan(attempt.amount_fen),
        "how": how(attempt),
        "state": (state, f"{tone} dot"),
        "facts": facts(attempt, found.back, now),
        "may_ask": attempt.state in UNSETTLED and attempt.channel not in _SILENT,
        "order_no": found.order.no,
        "order": order_view.number_of(found.order),
        "order_href": order_href,
        "bills": [
            {
                "what": f"{BILLS[bill.kind]} ¥{words.yuan(bill.amount_fen)}",
                "state": BILL_STATES[bill.state],
                "tries": [
                    _try(each, attempt, now) for each in found.attempts if each.bill_id == bill.id
                ],
            }
            for bill in found.bills
        ],
        "notices": [_notice(each, attempt, now) for each in found.notices],
        "jobs": [_job(each, now) for each in found.jobs],
        "refunds": [_refund(each, now) for each in found.refunds],
        "postings": list(_postings(found.entries, now)),
        "shipping": url_for("console.shippings.edit", shipping_id=found.shipping.id)
        if found.shipping
        else "",
    }


def fields(body: Mapping[str, Any], *, whole: bool, under: str = "") -> list[tuple[str, str]]:
    """What a notice says, line by line; whose it is only with its first letters."""
    lines: list[tuple[str, str]] = []
    for name, value in body.items():
        path = f"{under}{name}"
        if isinstance(value, dict):
            lines += fields(value, whole=whole, under=f"{path}.")
        elif isinstance(value, list):
            lines.append((path, f"{len(value)} 项"))
        else:
            private = any(word in path.lower() for word in _PRIVATE)
            lines.append((path, masked(str(value)) if private and not whole else str(value)))
    return lines


def masked(text: str) -> str:
    return f"{text[:_SHOWN]}****" if len(text) > _SHOWN else text


_SILENT = (Channel.none, Channel.balance)


def _try(each: PaymentAttempt, this: PaymentAttempt, now: datetime) -> dict[str, Any]:
    state, tone = STATES[each.state]
    return {
        "href": "" if each.id == this.id else url_for("console.payments.show", attempt_id=each.id),
        "how": how(each),
        "no": each.out_trade_no,
        "at": words.when(each.created_at, now),
        "state": state,
        "tone": tone,
    }


def _notice(event: InboundEvent, this: PaymentAttempt, now: datetime) -> dict[str, Any]:
    left = event.state is EventState.received
    mine = event.about == this.out_trade_no
    return {
        "what": NOTICES.get(event.kind, "渠道的通知"),
        "at": words.when(event.received_at, now),
        "state": "还没处理" if left else OUTCOMES.get(event.outcome, "处理了"),
        "tone": "warn" if left or event.outcome == "mismatch" else "ok",
        "fields": fields(event.body, whole=False),
        "raw": url_for("console.payments.raw", attempt_id=this.id, event_id=event.id)
        if mine
        else "",
    }


def _job(each: OutboxJob, now: datetime) -> dict[str, Any]:
    state, tone = JOB_STATES[each.state]
    failed = f"，失败 {each.failures} 次" if each.failures else ""
    when = each.done_at or each.run_at
    return {
        "what": JOBS.get(each.name, "后台任务"),
        "detail": f"试了 {each.attempt} 次{failed}" if each.attempt else "还没轮到",
        "at": words.when(when, now),
        "state": state,
        "tone": tone,
    }


def _refund(each: Refund, now: datetime) -> dict[str, Any]:
    state, tone = REFUNDS[each.state]
    return {
        "amount": words.yuan(each.amount_fen),
        "why": each.reason,
        "no": each.out_refund_no,
        "at": words.when(each.requested_at, now),
        "state": state,
        "tone": tone,
    }


def _postings(entries: Iterable[LedgerEntry], now: datetime) -> Iterable[dict[str, Any]]:
    for each in entries:
        kind, _, rest = each.account.partition(":")
        channel = rest.partition(":")[0]
        name = ACCOUNTS.get(kind, "其他")
        known = CHANNELS.get(Channel(channel)) if channel in list(Channel) else ""
        yield {
            "at": words.when(each.at, now),
            "account": f"{name}（{known}）" if known else name,
            "amount": words.yuan(each.amount_fen),
        }
