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
from core.database import claim
from core.errors import LinliError
from core.money import format_yuan
from core.numbers import random_code
from core.outbox import enqueue
from merchants.models import Staff
from merchants.roles import may
from merchants.staff import stores_of
from orders.models import Order
from payments import cancelling, refunding
from payments.asked_models import NEXT_ASKED, AskedRefund, AskedState
from payments.errors import (
    AskedBefore,
    AskedByOneself,
    AskedChanged,
    AskedNotFound,
    AskedOver,
    AskedTooMuch,
    ChatLimit,
    RefundNotStuck,
)
from payments.models import Refund
from payments.queries import lock_bills_of, refundable_fen
from payments.refunding import Proposal, again, rules, stuck
from payments.refunding.wanted import Act, Wanted, free

CHAT, CONSOLE = "chat", "console"
CODE_LENGTH = 6
_WORDS = {
    (None, False): "退",
    (None, True): "取消，退",
    (Act.restart, False): "没退成的再退一次",
    (Act.finish, False): "没退成的记作线下已退",
}


def ask(
    session: Session,
    order: Order,
    wanted: Wanted | int,
    *,
    reason: str,
    actor: str,
    now: datetime,
) -> AskedRefund:
    """Put the question; nothing moves. Raises AskedBefore, RefundNotStuck, and what
    `refunding.propose` does."""
    wanted = free(wanted) if isinstance(wanted, int) else wanted
    amount_fen = _worth(session, order, wanted, now)
    row = {
        "code": random_code(CODE_LENGTH),
        "merchant_id": order.merchant_id,
        "store_id": order.store_id,
        "order_id": order.id,
        "amount_fen": amount_fen,
        "wanted": wanted.as_json(),
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

    Raises AskedNotFound, AskedByOneself, AskedOver, AskedTooMuch, AskedChanged, ChatLimit, and what
    `refunding.request`, `cancelling.cancel` or `stuck.restart` does.
    """
    check(session, asked, staff)
    if via == CHAT and asked.amount_fen > left_in_chat(session, staff, now=now, lock=True):
        raise ChatLimit
    _move(session, asked, AskedState.agreed, staff, via, now)
    order = session.get_one(Order, asked.order_id)
    actor = f"staff:{staff.id}"
    wanted = Wanted.of_json(asked.wanted)
    lock_bills_of(session, order.id)
    if _worth(session, order, wanted, now) != asked.amount_fen:
        raise AskedChanged
    if wanted.act is None and again.went_on(session, order.id, asked.asked_at):
        raise AskedChanged("申请以后，没退成的那笔已经再退过了：先不同意，还要退就再申请一次")
    if wanted.act is not None:
        refund = _act_again(session, wanted, asked, actor, now)
    elif wanted.cancels:
        refund = _cancel(session, order, asked, actor, now)
    else:
        said = {"reason": asked.reason, "actor": actor}
        refund = refunding.request(session, order, wanted, **said, now=now)
    mine = update(AskedRefund).where(AskedRefund.id == asked.id)
    rows.all_moved(AskedRefund, claim(session, mine.values(refund_id=refund.id)))
    _audit(session, asked, order, "refund.agree", actor, now, via=via)
    return refund


def check(session: Session, asked: AskedRefund, staff: Staff) -> None:
    """Whether this one may be the second person, and is asked. Raises AskedNotFound,
    AskedByOneself, AskedTooMuch, AskedOver."""
    _check(session, asked, staff)
    if not may_agree(session, asked, staff):
        raise AskedTooMuch
    if asked.state is not AskedState.pending:
        raise AskedOver


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
    limit = rules.of(session, staff.merchant_id).chat_day_fen
    return max(limit - int(session.scalar(agreed) or 0), 0)


def may_agree(session: Session, asked: AskedRefund, staff: Staff) -> bool:
    """Whether this one is the second person for so much, by the merchant's rules."""
    order = session.get_one(Order, asked.order_id)
    whole = _whole_fen(session, order, asked)
    asker = _asker(session, asked)
    found = rules.of(session, asked.merchant_id)
    return rules.may_agree(found, staff.role, asker.role if asker else None, whole)


def find_open(session: Session, order_id: int) -> AskedRefund | None:
    found = select(AskedRefund).where(AskedRefund.order_id == order_id, AskedRefund.open.is_(True))
    return session.scalar(found)


def who_asked(session: Session, order_id: int) -> dict[tuple[str, str], str]:
    """Of an order's refunds to which a second person agreed, by (batch, who agreed): who asked."""
    found = session.execute(
        select(Refund.batch, Refund.actor, AskedRefund.asked_by)
        .join(AskedRefund, AskedRefund.refund_id == Refund.id)
        .where(AskedRefund.order_id == order_id)
    )
    return {(batch, actor): asked_by for batch, actor, asked_by in found}


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
    asker = _asker(session, asked)
    name = f"（{asker.name}申请）" if asker else ""
    what = order.pickup_number or order.no[-6:]
    act = _WORDS[(wanted := Wanted.of_json(asked.wanted)).act, wanted.cancels]
    return f"{what} {act} ¥{format_yuan(asked.amount_fen)}，{asked.reason}{name}"


def proposal(session: Session, asked: AskedRefund) -> Proposal | None:
    """What agreeing would give back now, and where to; None where it is no new refund, or is no
    longer to be had: agreeing says why."""
    order, wanted = session.get_one(Order, asked.order_id), Wanted.of_json(asked.wanted)
    if wanted.act is not None:
        return None
    try:
        return refunding.propose(session, order, _meant(session, order, wanted))
    except LinliError:
        return None


def is_by_hand(asked: AskedRefund) -> bool:
    """Whether nothing is asked of the channel."""
    return Wanted.of_json(asked.wanted).act is Act.finish


def _worth(session: Session, order: Order, wanted: Wanted, now: datetime) -> int:
    """What it comes to now. Raises RefundNotStuck and what `refunding.propose` does."""
    if wanted.act is not None:
        refund = session.get_one(Refund, wanted.of_refund, populate_existing=True)
        if refund.order_id != order.id:
            raise RefundNotStuck
        stuck.check_act(session, refund, wanted.act, now)
        return refund.amount_fen
    return refunding.propose(session, order, _meant(session, order, wanted)).amount_fen


def _meant(session: Session, order: Order, wanted: Wanted) -> Wanted:
    return free(refundable_fen(session, order.id)) if wanted.cancels else wanted


def _whole_fen(session: Session, order: Order, asked: AskedRefund) -> int:
    """All that goes back of the order with what is asked for here."""
    if (number := Wanted.of_json(asked.wanted).of_refund) == 0:
        return rules.asked_fen(session, order) + asked.amount_fen
    return rules.whole_again_fen(session, session.get_one(Refund, number), order)


def _act_again(
    session: Session, wanted: Wanted, asked: AskedRefund, actor: str, now: datetime
) -> Refund:
    """The refund that was stuck goes on, or is done by hand; which one that is."""
    refund = session.get_one(Refund, wanted.of_refund)
    if wanted.act is Act.restart:
        return stuck.restart(session, refund, actor=actor, now=now)
    return stuck.finish_by_hand(session, refund, asked.reason, actor=actor, now=now)


def _cancel(
    session: Session, order: Order, asked: AskedRefund, actor: str, now: datetime
) -> Refund:
    """The order ends, and all that is left goes back: the first of the refunds that it takes."""
    before = order.state
    cancelling.cancel(session, order, actor=actor, reason=asked.reason, now=now)
    audit.record(
        session,
        actor=actor,
        action="order.cancelled",
        subject=f"order:{order.no}",
        before={"state": before},
        after={"state": order.state, "refund_fen": asked.amount_fen},
        merchant_id=order.merchant_id,
        reason=asked.reason,
        now=now,
    )
    newest = select(Refund).where(Refund.order_id == order.id).order_by(Refund.id.desc())
    batch = session.scalars(newest.limit(1)).one().batch
    return session.scalars(select(Refund).where(Refund.out_refund_no == batch)).one()


def _asker(session: Session, asked: AskedRefund) -> Staff | None:
    _, _, number = asked.asked_by.partition(":")
    return session.get(Staff, int(number)) if number.isdigit() else None


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
