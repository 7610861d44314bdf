"""What happened to an order, line by line, with whoever did it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from console import words
from merchants.models import Staff
from orders.models import HistoryKind, Order, OrderHistory
from payments.models import Refund, RefundState

MOVES = {
    "placed": "下单",
    "accepted": "接单",
    "preparing": "开始制作",
    "ready": "出餐，已通知取餐",
    "completed": "交餐，完成",
    "cancelled": "取消",
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
    actors = [move.actor for move in moves] + [refund.actor for refund in refunds]
    ids = {int(actor[6:]) for actor in actors if actor.startswith("staff:")}
    names = dict(session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(ids))).all())
    lines = [(move.at, _move_told(move, names)) for move in moves]
    for refund in refunds:
        asked = f"{_actor(refund.actor, names)} 提交退款 ¥{words.yuan(refund.amount_fen)}"
        lines.append((refund.requested_at, (asked, refund.reason, "bad")))
        if refund.state is RefundState.failed and refund.settled_at:
            failed = f"¥{words.yuan(refund.amount_fen)} 没退成"
            lines.append((refund.settled_at, (failed, "", "bad")))
    lines.sort(key=lambda each: each[0])
    return [
        {"time": words.when(at, now), "text": text, "detail": detail, "kind": kind}
        for at, (text, detail, kind) in reversed(lines)
    ]


def _move_told(move: OrderHistory, names: dict[int, str]) -> tuple[str, str, str]:
    text = MOVES.get(move.after, move.after)
    kind = "bad" if move.after == "cancelled" or move.after.endswith("refunded") else "on"
    if move.kind is HistoryKind.payment:
        return text, move.reason, kind
    return f"{_actor(move.actor, names)} {text}", move.reason, kind


def _actor(actor: str, names: dict[int, str]) -> str:
    kind, _, key = actor.partition(":")
    return names.get(int(key), "员工") if kind == "staff" else {"member": "顾客"}.get(kind, "系统")
