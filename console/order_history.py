"""What happened to an order, line by line, with whoever did it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from console import words
from console.money_words import CHANNELS
from merchants.models import Staff
from orders.models import HistoryKind, Order, OrderHistory
from payments import asking
from payments.models import Refund, RefundState
from payments.refunding.listing import booked_refunds

MOVES = {
    "placed": "下单",
    "accepted": "接单",
    "preparing": "开始制作",
    "ready": "出餐，已通知取餐",
    "completed": "交餐，完成",
    "cancelled": "取消",
    "part_paid": "付了一部分",
    "paid": "付款成功",
    "part_refunded": "部分退款到账",
    "refunded": "退款到账",
}


def told(
    session: Session, order: Order, refunds: Sequence[Refund], now: datetime
) -> list[dict[str, str]]:
    """Newest first, with the name of whoever did it. The channel books a refund, but a person
    asked for it: that has a line of its own, from the moment it was asked for.
    """
    moves = session.scalars(
        select(OrderHistory).where(OrderHistory.order_id == order.id).order_by(OrderHistory.id)
    ).all()
    asked_by = asking.who_asked(session, order.id) if refunds else {}
    actors = [move.actor for move in moves] + [refund.actor for refund in refunds]
    actors += asked_by.values()
    ids = {int(actor[6:]) for actor in actors if actor.startswith("staff:")}
    names = dict(session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(ids))).all())
    gone = booked_refunds(session, order.id) if refunds else {}
    lines = [(move.at, _move_told(move, names, gone)) for move in moves]
    asked_for = []
    for first, *others in _at_once(refunds):
        fen = sum(refund.amount_fen for refund in (first, *others))
        who = _actor(first.actor, names)
        if asker := asked_by.get((first.batch, first.actor)):
            who = f"{_actor(asker, names)} 申请，{who} 同意后"
        asked = f"{who} 提交退款 ¥{words.yuan(fen)}"
        detail = "，".join(part for part in (first.reason, _parts(first, others)) if part)
        asked_for.append((asked, detail, "bad"))
        lines.append((first.requested_at, asked_for[-1]))
    for refund in refunds:
        if refund.state is RefundState.failed and refund.settled_at:
            failed = f"¥{words.yuan(refund.amount_fen)} 没退成"
            lines.append((refund.settled_at, (failed, "", "bad")))
    # What was asked for stands before what became of it, also within one moment.
    lines.sort(key=lambda each: (each[0], each[1] not in asked_for))
    return [
        {"time": words.when(at, now), "text": text, "detail": detail, "kind": kind}
        for at, (text, detail, kind) in reversed(lines)
    ]


def _at_once(refunds: Sequence[Refund]) -> Iterable[list[Refund]]:
    """One that was asked for again since has a moment of its own."""
    found: dict[tuple[str, str, datetime], list[Refund]] = {}
    for refund in refunds:
        key = (refund.batch, refund.actor, refund.requested_at)
        found.setdefault(key, []).append(refund)
    return found.values()


def _parts(first: Refund, others: Sequence[Refund]) -> str:
    several = [(CHANNELS[each.channel], each.amount_fen) for each in (first, *others)]
    return " + ".join(f"{to} ¥{words.yuan(fen)}" for to, fen in several) if others else ""


def _move_told(
    move: OrderHistory, names: dict[int, str], gone: Mapping[datetime, list[int]]
) -> tuple[str, str, str]:
    text = MOVES.get(move.after, move.after)
    kind = "bad" if move.after == "cancelled" or move.after.endswith("refunded") else "on"
    if move.after.endswith("refunded") and gone.get(move.at):
        text = f"{text} ¥{words.yuan(gone[move.at].pop(0))}"
    if move.kind is HistoryKind.payment:
        return text, move.reason, kind
    return f"{_actor(move.actor, names)} {text}", move.reason, kind


def _actor(actor: str, names: dict[int, str]) -> str:
    kind, _, key = actor.partition(":")
    return names.get(int(key), "员工") if kind == "staff" else {"member": "顾客"}.get(kind, "系统")
