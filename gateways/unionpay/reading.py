"""What UnionPay says of a payment and of a refund, in our names. Raises ValueError for neither."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from gateways.pay.errors import MalformedMessage
from gateways.pay.records import RefundResult, Transaction
from gateways.unionpay.errors import DONE, WAITING

BEIJING = timezone(timedelta(hours=8))
PAYMENT, REFUND, VOID = "01", "04", "31"
_VOIDS = "V"


def void_no(refund_no: str) -> str:
    """The number under which a refund is asked for as a void: its own, marked."""
    return refund_no + _VOIDS


def refund_no(void_no: str) -> str:
    return void_no.removesuffix(_VOIDS)


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


def read_refund(
    fields: Mapping[str, str], account: str, code: str, total_fen: int | None
) -> RefundResult:
    """A refund that failed is over: the next one needs a new number."""
    state = "SUCCESS" if code in DONE else "PROCESSING" if code in WAITING else "CLOSED"
    return RefundResult(
        out_refund_no=_text(fields, "orderId"),
        refund_id=fields.get("queryId", "")[:64],
        state=state,
        refund_fen=_fen(fields.get("txnAmt", "")),
        total_fen=total_fen,
        success_at=_traced_at(fields) if state == "SUCCESS" else None,
        account=account,
    )


def read_notice(kind: str, fields: Mapping[str, str]) -> Transaction | RefundResult | None:
    """What a verified and kept notice says; None: nothing of money. A refund's does not say what
    the whole payment was. Raises MalformedMessage."""
    try:
        code, told = fields.get("respCode", ""), fields.get("merId", "")
        if kind == PAYMENT:
            return read_payment(fields, told, code)
        if kind == VOID:
            back = read_refund(fields, told, code, None)
            return replace(back, out_refund_no=refund_no(back.out_refund_no))
        return read_refund(fields, told, code, None) if kind == REFUND else None
    except ValueError as error:
        raise MalformedMessage(f"通知里的 {error} 不对") from None


def _traced_at(fields: Mapping[str, str]) -> datetime | None:
    """traceTime is a month, a day and a time."""
    sent, traced = fields.get("txnTime", ""), fields.get("traceTime", "")
    if len(sent) != 14 or len(traced) != 10:
        return None
    return in_its_year(traced, sent[:8])


def in_its_year(traced: str, day: str) -> datetime:
    """A month, a day and a time in the year in which they are nearest to `day` (20261231): what
    began on one side of new year may be traced on the other. Raises ValueError."""
    near = datetime.strptime(day, "%Y%m%d").replace(tzinfo=BEIJING)
    found = [at for more in (-1, 0, 1) if (at := _time(f"{near.year + more}{traced}"))]
    if not found:
        raise ValueError("traceTime")
    return min(found, key=lambda at: abs(at - near))


def _time(text: str) -> datetime | None:
    """None: no such time, as the 29th of February in most years."""
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING)
    except ValueError:
        return None


def _fen(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise ValueError("txnAmt")
    return int(text)


def _text(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name, "")
    if not 0 < len(value) <= 64:
        raise ValueError(name)
    return value
