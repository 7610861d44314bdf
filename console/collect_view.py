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
from payments import counter, returned, settling, takings
from payments.asks import ask_of
from payments.models import UNSETTLED, Bill, Channel, PaymentAttempt
from payments.returned import NOTHING, Returned

NAMES = {Channel.wechat: "微信", Channel.alipay: "支付宝", Channel.unionpay: "银联"}


def stands(
    order: Order,
    bill: Bill | None,
    live: PaymentAttempt | None,
    back: Returned,
    now: datetime,
) -> dict[str, Any]:
    """How far it is: `ask`, `asking` (a code is in the air), `qr`, `paid`, `over`."""
    paid_at = bill.paid_at if bill else order.paid_at
    if paid_at is not None:
        channel = NAMES.get(live.channel, "") if live else ""
        receipt = (live.transaction_id or "") if live else ""
        at = words.when(paid_at, now)
        return {"step": "paid", "channel": channel, "at": at, "receipt": receipt, **_back(back)}
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
    latest = takings.latest(session, who.store_ids, since, until)
    back = returned.of(session, [attempt for _, attempt in latest])
    rows = [
        {
            "no": order.no,
            "time": words.clock(attempt.settled_at or now),
            "amount": words.yuan(attempt.amount_fen),
            "way": settling.words_of(attempt),
            "store": who.name_of(order.store_id),
            **_back(back.get(attempt.id, NOTHING)),
            "all_back": back.get(attempt.id, NOTHING).done_fen == attempt.amount_fen,
        }
        for order, attempt in latest
    ]
    return {
        "rows": rows,
        "count": taken.count,
        "amount": words.yuan(taken.fen),
        **_back(taken.back),
        "ways": ways_in_words(taken.ways),
        "older": taken.count > len(rows),
    }


def ways_in_words(ways: Mapping[Channel, int]) -> list[tuple[str, str]]:
    """The largest first."""
    largest = sorted(ways.items(), key=lambda way: -way[1])
    return [(settling.WORDS[channel], words.yuan(fen)) for channel, fen in largest]


def _back(back: Returned) -> dict[str, str]:
    """What of it has come back to the payer, and what is on its way there."""
    return {
        "back": words.yuan(back.done_fen) if back.done_fen else "",
        "going": words.yuan(back.going_fen) if back.going_fen else "",
    }
