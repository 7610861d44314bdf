"""What WeChat Pay says about a payment, a refund and a notice, in our names."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

from gateways.pay.records import RefundResult, Transaction
from gateways.wechat.errors import MalformedMessage


@dataclass(frozen=True)
class Notice:
    """A verified notice. `event_type` decides what `resource` is."""

    id: str
    event_type: str
    resource: dict[str, Any]
    created_at: datetime | None


def read_notice(kind: str, resource: dict[str, Any]) -> Transaction | RefundResult | None:
    """What a verified notice says of money; None: nothing. MalformedMessage."""
    if kind == "TRANSACTION.SUCCESS":
        return read_transaction(resource)
    return read_refund(resource) if kind.startswith("REFUND.") else None


def read_transaction(given: dict[str, Any]) -> Transaction:
    """From an answer or a notice, of a merchant or of a service provider. MalformedMessage."""
    amount = _dict(given, "amount")
    payer = _dict(given, "payer")
    return Transaction(
        out_trade_no=_text(given, "out_trade_no"),
        transaction_id=_text(given, "transaction_id") if given.get("transaction_id") else None,
        state=_text(given, "trade_state"),
        amount_fen=_fen(amount, "total") if "total" in amount else None,
        currency=str(amount.get("currency", "CNY")),
        account=_account(given),
        appid=str(given.get("appid") or given.get("sp_appid") or ""),
        payer=str(payer.get("openid") or payer.get("sp_openid") or ""),
        success_at=read_time(given.get("success_time")),
        attach=str(given.get("attach") or ""),
    )


def _account(given: dict[str, Any]) -> str:
    if given.get("sp_mchid"):
        return f"{given['sp_mchid']}-{given.get('sub_mchid') or ''}"
    return str(given.get("mchid") or "")


def read_refund(given: dict[str, Any]) -> RefundResult:
    """Answers call the state `status`, notices `refund_status`. MalformedMessage."""
    amount = _dict(given, "amount")
    return RefundResult(
        out_refund_no=_text(given, "out_refund_no"),
        refund_id=_text(given, "refund_id"),
        state=str(given.get("refund_status") or _text(given, "status")),
        refund_fen=_fen(amount, "refund"),
        total_fen=_fen(amount, "total"),
        success_at=read_time(given.get("success_time")),
        account=_account(given),
    )


def read_time(value: Any) -> datetime | None:
    """RFC 3339 with its offset; None for anything else."""
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (TypeError, ValueError, OverflowError):
        return None


def _dict(given: dict[str, Any], key: str) -> dict[str, Any]:
    value = given.get(key, {})
    if not isinstance(value, dict):
        raise MalformedMessage(f"{key} 不正确")
    return value


def is_name(value: Any) -> TypeGuard[str]:
    """Whether it can be an id or a state of WeChat Pay's: our columns hold 64 plain characters."""
    return (
        isinstance(value, str) and 0 < len(value) <= 64 and value.isascii() and value.isprintable()
    )


def _text(given: dict[str, Any], key: str) -> str:
    value = given.get(key)
    if not is_name(value):
        raise MalformedMessage(f"缺少 {key} 或其格式不正确")
    return value


def _fen(amount: dict[str, Any], key: str) -> int:
    value = amount.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise MalformedMessage(f"金额 {key} 不正确")
    return value
