"""What Alipay says of a trade and of a refund, in our names. Raises ValueError for what is neither.

A trade is closed for two reasons: nobody paid in time, or everything went back. Only one that was
paid has a time of payment.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import unquote

from gateways.pay.errors import MalformedMessage
from gateways.pay.money import to_fen
from gateways.pay.records import RefundAsk, RefundResult, Transaction

BEIJING = timezone(timedelta(hours=8))
_PAID = ("TRADE_SUCCESS", "TRADE_FINISHED")
_PAID_AT = ("send_pay_date", "gmt_payment")


def read_trade(fields: Mapping[str, Any], account: str, *, waiting: str = "NOTPAY") -> Transaction:
    """From a query, a payment by code or a notice. `waiting`: what WAIT_BUYER_PAY is called."""
    status = fields.get("trade_status")
    paid_at = next((fields[name] for name in _PAID_AT if fields.get(name)), None)
    if status in _PAID:
        state = "REFUND" if _refunded(fields) else "SUCCESS"
    elif status == "TRADE_CLOSED":
        state = "REFUND" if paid_at or _refunded(fields) else "CLOSED"
    elif status == "WAIT_BUYER_PAY":
        state = waiting
    else:
        raise ValueError("trade_status")
    amount = fields.get("total_amount")
    return Transaction(
        out_trade_no=_text(fields, "out_trade_no"),
        transaction_id=_text(fields, "trade_no") if fields.get("trade_no") else None,
        state=state,
        amount_fen=to_fen(amount) if amount else None,
        currency=str(fields.get("trans_currency") or "CNY"),
        account=account,
        appid="",
        payer=str(fields.get("buyer_open_id") or fields.get("buyer_id") or ""),
        success_at=read_time(paid_at) if paid_at else None,
        attach=unquote(str(fields.get("passback_params") or "")),
    )


def read_notice(kind: str, fields: Mapping[str, Any]) -> Transaction:
    """What a verified and kept notice says; of a refund, that the trade had one: how that ended
    its own answer tells, or a query. Raises MalformedMessage."""
    try:
        return read_trade(fields, str(fields.get("app_id", "")))
    except ValueError as error:
        raise MalformedMessage(f"通知里的 {error} 不对") from None


def read_refund(fields: Mapping[str, Any], ask: RefundAsk, account: str) -> RefundResult | None:
    """From a query of a refund; None: it knows nothing of it.

    The documentation has said both that an answer without `refund_status` is a success and that it
    is none; so it is neither until Alipay names the state or the time.
    """
    done = fields.get("refund_status") == "REFUND_SUCCESS" or fields.get("gmt_refund_pay")
    if not done and not fields.get("refund_amount"):
        return None
    at = fields.get("gmt_refund_pay")
    state = "SUCCESS" if done else "PROCESSING"
    return refund_result(ask, account, state, read_time(at) if at else None)


def refund_result(
    ask: RefundAsk, account: str, state: str, at: datetime | None = None
) -> RefundResult:
    """Alipay gives a refund no number of its own: ours is what its bills call it by."""
    return RefundResult(
        out_refund_no=ask.out_refund_no,
        refund_id=ask.out_refund_no,
        state=state,
        refund_fen=ask.refund_fen,
        total_fen=ask.total_fen,
        success_at=at,
        account=account,
    )


def read_time(text: object) -> datetime:
    """ "2026-11-23 14:05:06", in Beijing; parts of a second are there at times."""
    if not isinstance(text, str):
        raise ValueError("not a time")
    return datetime.strptime(text[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=BEIJING)


def _refunded(fields: Mapping[str, Any]) -> bool:
    """A notice about a refund is a notice about the trade, with what has gone back so far."""
    back = fields.get("refund_fee")
    return bool(back) and to_fen(back) > 0


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 64:
        raise ValueError(name)
    return value
