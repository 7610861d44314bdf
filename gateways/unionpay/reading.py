"""What UnionPay says of a payment and of a refund, in our names. Raises ValueError for neither."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from gateways.pay.errors import MalformedMessage
from gateways.pay.records import RefundResult, Transaction
from gateways.unionpay.errors import DONE, WAITING

BEIJING = timezone(timedelta(hours=8))
PAYMENT, REFUND = "01", "04"


def to_time(at: datetime) -> str:
    """txnTime and payTimeout."""
    return at.astimezone(BEIJING).strftime("%Y%m%d%H%M%S")


def read_payment(fields: Mapping[str, str], account: str, code: str) -> Transaction:
    """From a query or a notice; `code`: what the payment itself was answered with."""
    paid = code in DONE
    amount = fields.get("txnAmt", "")
    return Transaction(
        out_trade_no=_text(fields, "orderId"),
        transaction_id=_text(fields, "queryId") if paid else fields.get("queryId") or None,
        state="SUCCESS" if paid else "USERPAYING" if code in WAITING else "PAYERROR",
        amount_fen=_fen(amount) if amount else None,
        currency="CNY" if fields.get("currencyCode", "156") == "156" else fields["currencyCode"],
        account=account,
        appid="",
        payer="",
        success_at=_traced_at(fields) if paid else None,
    )


def read_refund(fields: Mapping[str, str], code: str, total_fen: int | None) -> RefundResult:
    """A refund that failed is over: the next one needs a new number."""
    state = "SUCCESS" if code in DONE else "PROCESSING" if code in WAITING else "CLOSED"
    return RefundResult(
        out_refund_no=_text(fields, "orderId"),
        refund_id=fields.get("queryId", "")[:64],
        state=state,
        refund_fen=_fen(fields.get("txnAmt", "")),
        total_fen=total_fen,
        success_at=_traced_at(fields) if state == "SUCCESS" else None,
    )


def read_notice(kind: str, fields: Mapping[str, str]) -> Transaction | RefundResult | None:
    """What a verified and kept notice says; None: nothing of money. A refund's does not say what
    the whole payment was. Raises MalformedMessage."""
    try:
        code = fields.get("respCode", "")
        if kind == PAYMENT:
            return read_payment(fields, fields.get("merId", ""), code)
        return read_refund(fields, code, None) if kind == REFUND else None
    except ValueError as error:
        raise MalformedMessage(f"通知里的 {error} 不对") from None


def _traced_at(fields: Mapping[str, str]) -> datetime | None:
    """traceTime is a month, a day and a time; the year is that of txnTime, or the one after."""
    sent, traced = fields.get("txnTime", ""), fields.get("traceTime", "")
    if len(sent) != 14 or len(traced) != 10:
        return None
    began = _time(sent)
    at = _time(sent[:4] + traced)
    return at if at >= began - timedelta(days=1) else at.replace(year=at.year + 1)


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)


def _fen(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise ValueError("txnAmt")
    return int(text)


def _text(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name, "")
    if not 0 < len(value) <= 64:
        raise ValueError(name)
    return value
