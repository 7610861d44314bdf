"""The several bills of an order, as staff see them: what is paid, by whom, and how."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from console import people, words
from console.money_words import BILL_STATES, BILLS, CHANNELS
from crm.models import Member
from orders.models import Order
from payments.models import UNSETTLED, Bill, BillKind, BillState, Channel, PaymentAttempt

TAKES = {
    BillKind.whole: "在柜台收",
    BillKind.deposit: "收定金",
    BillKind.rest: "收尾款",
    BillKind.share: "收一份",
}
"""As an act; the sum stands behind it."""
Billed = tuple[Bill, PaymentAttempt | None]


def shown(
    session: Session, order: Order, found: Sequence[Billed], now: datetime
) -> list[dict[str, Any]]:
    """`found`: the bills that count, each with its live attempt. `open`: it may be paid now, which
    a rest may not before its deposit."""
    payers = {
        attempt.member_id or order.member_id
        for bill, attempt in found
        if attempt is not None and bill.state is BillState.paid
    }
    members = select(Member).where(Member.id.in_(payers))
    names = {member.id: people.name_of(member) for member in session.scalars(members)}
    rows = [_row(bill, attempt, order, names, now) for bill, attempt in found]
    kinds = [bill.kind for bill, _ in found if bill.state is BillState.open]
    for row, (bill, _) in zip(rows, found, strict=True):
        first = bill.kind is not BillKind.rest or BillKind.deposit not in kinds
        row["open"] = bill.state is BillState.open and first
    return rows


def several(found: Sequence[Billed]) -> bool:
    return [bill.kind for bill, _ in found] not in ([], [BillKind.whole])


def _row(
    bill: Bill,
    attempt: PaymentAttempt | None,
    order: Order,
    names: dict[int, str],
    now: datetime,
) -> dict[str, Any]:
    row = {
        "seq": bill.seq,
        "kind": BILLS[bill.kind],
        "take": TAKES[bill.kind],
        "amount": words.yuan(bill.amount_fen),
    }
    if bill.state is BillState.paid:
        payer_id = attempt.member_id or order.member_id if attempt else None
        who = [names.get(payer_id or 0, "顾客")]
        how = [_how(attempt)] if attempt else []
        said = " · ".join([*who, *how, f"{words.when(bill.paid_at, now)} 付"])
        return {**row, "state": BILL_STATES[bill.state], "when": said}
    until = max(bill.due_at or order.expires_at, order.expires_at)
    trying = attempt is not None and attempt.state in UNSETTLED
    state = ("正在付", "note") if trying else BILL_STATES[BillState.open]
    return {**row, "state": state, "when": f"{words.when(until, now)} 前付"}


def _how(attempt: PaymentAttempt) -> str:
    """`储值余额 + 微信支付` of one that the balance paid in part."""
    parts = [CHANNELS[attempt.channel]]
    if attempt.balance_fen and attempt.channel is not Channel.balance:
        parts = [CHANNELS[Channel.balance], *parts]
    return " + ".join(parts)
