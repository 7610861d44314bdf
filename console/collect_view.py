"""A sum or a bill that is taken at the counter, and what was taken there today, in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import request
from sqlalchemy.orm import Session

import gateways
from console import qr, words
from console.access import Me
from core.clock import business_day, day_bounds
from gateways.pay.records import Way
from orders.models import Order, OrderState
from payments import counter, settling, takings
from payments.asks import ask_of
from payments.models import UNSETTLED, Bill, Channel, PaymentAttempt

NAMES = {Channel.wechat: "微信", Channel.alipay: "支付宝", Channel.unionpay: "银联"}


def stands(
    order: Order, bill: Bill | None, live: PaymentAttempt | None, now: datetime
) -> dict[str, Any]:
    """How far it is: `ask`, `asking` (a code is in the air), `qr`, `paid`, `over`."""
    paid_at = bill.paid_at if bill else order.paid_at
    if paid_at is not None:
        channel = NAMES.get(live.channel, "") if live else ""
        back = words.yuan(order.refunded_fen) if order.refunded_fen else ""
        receipt = (live.transaction_id or "") if live else ""
        at = words.when(paid_at, now)
        return {"step": "paid", "channel": channel, "at": at, "receipt": receipt, "back": back}
    if order.state is OrderState.cancelled or order.expires_at <= now:
        return {"step": "over", "why": order.cancel_reason or "超时未付款"}
    if live is None or live.state not in UNSETTLED:
        return {"step": "ask"}
    if live.way is Way.code:
        left = counter.PATIENCE - (now - live.created_at)
        return {"step": "asking", "left": max(int(left.total_seconds()), 0)}
    if live.way is Way.native and live.opening and not request.args.get("code"):
        shown = gateways.cashier().of(live.channel, live.account)
        code = shown.show(ask_of(live, ""), live.opening, now).params.get("code_url", "")
        return {"step": "qr", "picture": qr.svg(code), "channel": NAMES[live.channel]}
    return {"step": "ask"}


def today(session: Session, who: Me, now: datetime) -> dict[str, Any]:
    since, until = day_bounds(business_day(now))
    taken = takings.sums(session, who.store_ids, since, until)
    rows = [
        {
            "no": order.no,
            "time": words.clock(attempt.settled_at or now),
            "amount": words.yuan(attempt.amount_fen),
            "way": settling.words_of(attempt),
            "store": who.name_of(order.store_id),
            "back": words.yuan(attempt.refunded_fen) if attempt.refunded_fen else "",
            "all_back": attempt.refunded_fen == attempt.amount_fen,
        }
        for order, attempt in takings.latest(session, who.store_ids, since, until)
    ]
    return {
        "rows": rows,
        "count": taken.count,
        "amount": words.yuan(taken.fen),
        "back": words.yuan(taken.back_fen) if taken.back_fen else "",
        "ways": ways_in_words(taken.ways),
        "older": taken.count > len(rows),
    }


def ways_in_words(ways: Mapping[Channel, int]) -> list[tuple[str, str]]:
    """The largest first."""
    largest = sorted(ways.items(), key=lambda way: -way[1])
    return [(settling.WORDS[channel], words.yuan(fen)) for channel, fen in largest]
