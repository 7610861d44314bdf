"""A refund with two people: one who asks at the counter, one who may give money back and agrees.

The console proves the second one anew by their password. In the chat WeChat says who it is, the
amount is named and agreed to once more, it is never one's own request, and a day's sum per person
bounds what a lost phone could do.

Lock order: staff, the request, then what a refund locks.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import audit, rows
from core.clock import business_day, day_bounds
from core.database import claim, insert_ignore
from core.money import format_yuan
from core.numbers import random_code
from core.outbox import enqueue
from merchants.models import Staff
from merchants.roles import may
from merchants.staff import stores_of
from orders.models import Order
from payments import refunding
from payments.asked_models import NEXT_ASKED, AskedRefund, AskedState, RefundRules
from payments.errors import (
    AskedBefore,
    AskedByOneself,
    AskedNotFound,
    AskedOver,
    ChatLimit,
    NothingToRefund,
    RefundAmountInvalid,
    RefundTooMuch,
)
from payments.models import Refund
from payments.queries import refundable_fen

CHAT, CONSOLE = "chat", "console"
CODE_LENGTH = 6
CHAT_DAY_FEN = 200_00
"""Until the merchant says otherwise."""


def ask(
    session: Session, order: Order, amount_fen: int, *, reason: str, actor: str, now: datetime
) -> AskedRefund:
    """Put the question; nothing moves. Raises NothingToRefund, RefundTooMuch, AskedBefore."""
    left = refundable_fen(session, order.id)
    if not left:
        raise NothingToRefund
    if amount_fen <= 0:
        raise RefundAmountInvalid
    if amount_fen > left:
        raise RefundTooMuch
    row = {
        "code": random_code(CODE_LENGTH),
        "merchant_id": order.merchant_id,
        "store_id": order.store_id,
        "order_id": order.id,
        "amount_fen": amount_fen,
        "reason": reason,
        "state": AskedState.pending,
        "open": True,
        "asked_by": actor,
        "asked_at": now,
        "via": "",
    }
    if rows.add_new(session, AskedRefund, row) is None:
        raise AskedBefore
    asked = find_open(session, order.id)
    assert asked is not None
    _audit(session, asked, order, "refund.ask", actor, now)
    enqueue(session, "payments.tell_asked", asked_id=asked.id)
    return asked


def agree(session: Session, asked: AskedRefund, *, staff: Staff, via: str, now: datetime) -> Refund:
    """pending → agreed, and the money is asked back by the verb that the console uses.

    Raises AskedNotFound, AskedByOneself, AskedOver, ChatLimit, and what `refunding.request` does.
    """
    _check(session, asked, staff)
    if via == CHAT and asked.amount_fen > left_in_chat(session, staff, now=now, lock=True):
        raise ChatLimit
    _move(session, asked, AskedState.agreed, staff, via, now)
    order = session.get_one(Order, asked.order_id)
    actor = f"staff:{staff.id}"
    refund = refunding.request(
        session, order, asked.amount_fen, reason=asked.reason, actor=actor, now=now
    )
    mine = update(AskedRefund).where(AskedRefund.id == asked.id)
    claim(session, mine.values(refund_id=refund.id))
    _audit(session, asked, order, "refund.agree", actor, now, via=via)
    return refund


def refuse(session: Session, asked: AskedRefund, *, staff: Staff, via: str, now: datetime) -> None:
    """pending → refused. Raises AskedNotFound, AskedOver."""
    _check(session, asked, staff, own=True)
    _move(session, asked, AskedState.refused, staff, via, now)
    order = session.get_one(Order, asked.order_id)
    _audit(session, asked, order, "refund.refuse", f"staff:{staff.id}", now, via=via)


def left_in_chat(session: Session, staff: Staff, *, now: datetime, lock: bool = False) -> int:
    """What this one may still agree to in the chat today; `lock` lets nobody else ask meanwhile."""
    if lock:
        session.get_one(Staff, staff.id, with_for_update=True, populate_existing=True)
    begin, end = day_bounds(business_day(now))
    agreed = select(func.coalesce(func.sum(AskedRefund.amount_fen), 0)).where(
        AskedRefund.decided_by == f"staff:{staff.id}",
        AskedRefund.decided_at >= begin,
        AskedRefund.decided_at < end,
        AskedRefund.state == AskedState.agreed,
        AskedRefund.via == CHAT,
    )
    limit = chat_day_fen(session, staff.merchant_id)
    return max(limit - int(session.scalar(agreed) or 0), 0)


def chat_day_fen(session: Session, merchant_id: int) -> int:
    found = session.get(RefundRules, merchant_id, populate_existing=True)
    return CHAT_DAY_FEN if found is None else found.chat_day_fen


def set_chat_day(
    session: Session, merchant_id: int, amount_fen: int, *, actor: str, now: datetime
) -> None:
    before = chat_day_fen(session, merchant_id)
    row = {"merchant_id": merchant_id, "chat_day_fen": amount_fen}
    if not insert_ignore(session, RefundRules, [row]):
        mine = update(RefundRules).where(RefundRules.merchant_id == merchant_id)
        claim(session, mine.values(chat_day_fen=amount_fen))
    audit.record(
        session,
        actor=actor,
        action="refund.rules",
        subject=f"merchant:{merchant_id}",
        before={"amount_fen": before},
        after={"amount_fen": amount_fen},
        merchant_id=merchant_id,
        now=now,
    )


def find_open(session: Session, order_id: int) -> AskedRefund | None:
    found = select(AskedRefund).where(AskedRefund.order_id == order_id, AskedRefund.open.is_(True))
    return session.scalar(found)


def find_by_code(session: Session, merchant_id: int, code: str) -> AskedRefund:
    """Raises AskedNotFound; another merchant's is not found."""
    found = select(AskedRefund).where(
        AskedRefund.merchant_id == merchant_id, AskedRefund.code == code.strip().upper()[:16]
    )
    asked = session.scalars(found.execution_options(populate_existing=True)).one_or_none()
    if asked is None:
        raise AskedNotFound
    return asked


def list_open(
    session: Session, store_ids: Collection[int], *, limit: int = 20
) -> Sequence[AskedRefund]:
    """Those that wait in these stores, the oldest first."""
    found = select(AskedRefund).where(
        AskedRefund.store_id.in_(store_ids), AskedRefund.state == AskedState.pending
    )
    return session.scalars(found.order_by(AskedRefund.id).limit(limit)).all()


def question(session: Session, asked: AskedRefund) -> str:
    """`A023 退 ¥52.00，做错了（小周申请）`."""
    order = session.get_one(Order, asked.order_id)
    _, _, number = asked.asked_by.partition(":")
    asker = session.get(Staff, int(number)) if number.isdigit() else None
    name = f"（{asker.name}申请）" if asker else ""
    what = order.pickup_number or order.no[-6:]
    return f"{what} 退 ¥{format_yuan(asked.amount_fen)}，{asked.reason}{name}"


def _check(session: Session, asked: AskedRefund, staff: Staff, *, own: bool = False) -> None:
    mine = staff.merchant_id == asked.merchant_id and asked.store_id in stores_of(session, staff)
    if not mine or not may(staff.role, "orders.refund"):
        raise AskedNotFound
    if not own and asked.asked_by == f"staff:{staff.id}":
        raise AskedByOneself


def _move(
    session: Session, asked: AskedRefund, to: AskedState, staff: Staff, via: str, now: datetime
) -> None:
    sources = [state for state, targets in NEXT_ASKED.items() if to in targets]
    moving = update(AskedRefund).where(AskedRefund.id == asked.id, AskedRefund.state.in_(sources))
    values = {"decided_by": f"staff:{staff.id}", "decided_at": now, "via": via, "open": None}
    moved = claim(session, moving.values(state=to, **values))
    session.refresh(asked)
    if not moved:
        raise AskedOver


def _audit(
    session: Session,
    asked: AskedRefund,
    order: Order,
    action: str,
    actor: str,
    now: datetime,
    *,
    via: str = "",
) -> None:
    after = {"amount_fen": asked.amount_fen} | ({"by": via} if via == CHAT else {})
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"order:{order.no}",
        after=after,
        merchant_id=asked.merchant_id,
        reason=asked.reason,
        now=now,
    )
