"""What receivers give back when the payer gets a refund: planned once for each refund."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session, aliased

from core import audit, rows
from core.clock import business_day
from core.database import claim
from core.numbers import CROCKFORD, random_code
from core.outbox import enqueue
from gateways.pay.sharing import PartyKind
from payments.errors import ReturnNotOwed, SharingNotFound
from payments.models import (
    PartState,
    PaymentAttempt,
    Refund,
    RefundState,
    ReturnState,
    Sharing,
    SharingPart,
    SharingReceiver,
    SharingReturn,
    SharingState,
)
from payments.queries import lock_bill

# A refund does not wait for ever for what comes back; somebody goes on asking.
LOOKED_AFTER = timedelta(minutes=10)
MOST_LISTED = 200


@dataclass(frozen=True)
class Asked:
    id: int
    no: str
    sharing_no: str
    party_account: str
    amount_fen: int
    asked_at: datetime


@dataclass(frozen=True)
class Plan:
    """`ready`: nothing is being shared just now; `asked`: what has to come back first."""

    ready: bool
    account: str = ""
    asked: tuple[Asked, ...] = ()


def was_shared(session: Session, refund_id: int) -> bool:
    """Whether the payment that a refund is of was opened to be shared."""
    found = (
        select(PaymentAttempt.shared)
        .join(Refund, Refund.attempt_id == PaymentAttempt.id)
        .where(Refund.id == refund_id)
    )
    return bool(session.scalar(found))


def prepare(session: Session, refund_id: int, *, now: datetime) -> Plan:
    """In proportion to what went back of the payment so far, this refund included; persons cannot
    give back. A refund that was sent or ended takes nothing any more. Safe to repeat."""
    return _prepare(session, refund_id, RefundState.requested, now)


def plan_after(session: Session, refund_id: int, *, now: datetime) -> bool:
    """The same for one that had failed, so that its money was shared, and was done all the same.
    False: something is being shared just now. Safe to repeat."""
    return _prepare(session, refund_id, RefundState.succeeded, now).ready


def _prepare(session: Session, refund_id: int, state: RefundState, now: datetime) -> Plan:
    refund = session.get_one(Refund, refund_id)
    attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    lock_bill(session, attempt.bill_id)
    session.refresh(attempt)
    session.refresh(refund)
    sharing = session.scalars(select(Sharing).where(Sharing.attempt_id == attempt.id)).one_or_none()
    if sharing is None or refund.state is not state:
        return Plan(ready=True)
    session.refresh(sharing)
    if sharing.state in (SharingState.asked, SharingState.releasing):
        return Plan(ready=False)
    planned = select(SharingReturn.part_id).where(SharingReturn.refund_id == refund_id)
    known = set(session.scalars(planned))
    for part in _returnable(session, sharing.id):
        due = _owed(part, attempt)
        if due > 0 and part.id not in known:
            _plan(session, part, refund_id, due, now)
    return Plan(ready=True, account=attempt.account, asked=_asked(session, refund_id))


def asked_of(session: Session, return_id: int) -> tuple[str, Asked]:
    """One return in the words in which it is asked for, and the account it is asked under."""
    refund_id = session.get_one(SharingReturn, return_id).refund_id
    attempt_id = session.get_one(Refund, refund_id).attempt_id
    account = session.get_one(PaymentAttempt, attempt_id).account
    return account, next(one for one in _asked(session, refund_id) if one.id == return_id)


def _returnable(session: Session, sharing_id: int) -> list[SharingPart]:
    found = (
        select(SharingPart)
        .join(SharingReceiver, SharingReceiver.id == SharingPart.receiver_id)
        .where(
            SharingPart.sharing_id == sharing_id,
            SharingPart.state == PartState.succeeded,
            SharingReceiver.kind == PartyKind.merchant,
        )
        .order_by(SharingPart.id)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(found))


def _number(now: datetime) -> str:
    return f"B{business_day(now):%Y%m%d}{random_code(16, CROCKFORD)}"


def _take(session: Session, part: SharingPart, amount_fen: int) -> None:
    more = claim(
        session,
        update(SharingPart)
        .where(
            SharingPart.id == part.id,
            SharingPart.returned_fen + amount_fen <= SharingPart.amount_fen,
        )
        .values(returned_fen=SharingPart.returned_fen + amount_fen),
    )
    rows.all_moved(SharingPart, more)


def _plan(
    session: Session, part: SharingPart, refund_id: int, amount_fen: int, now: datetime
) -> None:
    _take(session, part, amount_fen)
    row = {
        "no": _number(now),
        "part_id": part.id,
        "refund_id": refund_id,
        "amount_fen": amount_fen,
        "state": ReturnState.asked,
        "error": "",
        "asked_at": now,
    }
    return_id = rows.add(session, SharingReturn, row)
    enqueue(
        session,
        "payments.check_return",
        run_at=now + LOOKED_AFTER,
        key=f"payments.check_return:{return_id}",
        return_id=return_id,
    )


def list_failed(
    session: Session, merchant_id: int
) -> list[tuple[SharingReturn, SharingReceiver, int]]:
    """Who did not give back what the payer got, and is still owed for: with the order's id."""
    # `_owed` in the database's words, without a division: what is settled hides nothing newer.
    went_back = SharingPart.amount_fen * PaymentAttempt.refunded_fen
    came_back = SharingPart.returned_fen + SharingReturn.amount_fen
    owed = _failed(merchant_id).where(went_back >= came_back * PaymentAttempt.amount_fen)
    return [
        (back, receiver, sharing.order_id)
        for back, _, receiver, sharing, _ in session.execute(owed)
    ]


@dataclass(frozen=True)
class Short:
    """A receiver that gave back for a refund which then failed: `fen` are the merchant's till the
    refund is asked for again."""

    receiver: SharingReceiver
    refund: Refund
    fen: int


def list_short(session: Session, merchant_id: int) -> list[Short]:
    """Nothing can be shared once more of a payment that was released, so what came back waits for
    the refund to go on: that needs it, and takes nothing again. What was closed with a note never
    came back, and is owed to nobody."""
    replaced = aliased(Refund)
    closed = (
        select(func.coalesce(func.sum(SharingReturn.amount_fen), 0))
        .where(SharingReturn.part_id == SharingPart.id, SharingReturn.state == ReturnState.closed)
        .correlate(SharingPart)
        .scalar_subquery()
    )
    found = (
        select(Refund, SharingPart, SharingReceiver, PaymentAttempt, closed)
        .join(PaymentAttempt, PaymentAttempt.id == Refund.attempt_id)
        .join(Sharing, Sharing.attempt_id == PaymentAttempt.id)
        .join(SharingPart, SharingPart.sharing_id == Sharing.id)
        .join(SharingReceiver, SharingReceiver.id == SharingPart.receiver_id)
        .where(
            Refund.merchant_id == merchant_id,
            Refund.state == RefundState.failed,
            ~exists().where(replaced.replaces_id == Refund.id),
            # `_owed` below nothing, in the database's words.
            SharingPart.amount_fen * PaymentAttempt.refunded_fen
            < (SharingPart.returned_fen - closed) * PaymentAttempt.amount_fen,
        )
        .order_by(Refund.id.desc(), SharingPart.id)
        .limit(MOST_LISTED)
        .execution_options(populate_existing=True)
    )
    short: dict[int, Short] = {}
    for refund, part, receiver, attempt, never in session.execute(found):
        if (fen := -_owed(part, attempt) - int(never)) > 0:
            short.setdefault(part.id, Short(receiver, refund, fen))
    return list(short.values())


def again(session: Session, merchant_id: int, return_id: int, *, actor: str, now: datetime) -> None:
    """failed → asked, under a new number. Raises SharingNotFound, ReturnNotOwed."""
    no = _number(now)
    values = {"no": no, "state": ReturnState.asked, "error": "", "asked_at": now}
    values["settled_at"] = None
    sharing_id, told = _go_on(session, merchant_id, return_id, values)
    key = f"payments.check_return:{return_id}:{no}"
    enqueue(session, "payments.check_return", key=key, return_id=return_id)
    audit.record(
        session,
        actor=actor,
        action="sharing.return_again",
        subject=f"sharing:{sharing_id}",
        after=told,
        merchant_id=merchant_id,
        now=now,
    )


def close(
    session: Session, merchant_id: int, return_id: int, note: str, *, actor: str, now: datetime
) -> None:
    """failed → closed: WeChat will not do it, and what became of the part is said in the note. It
    is asked for no more, by a later refund neither; the ledger leaves it with the receiver, because
    nothing came back through the channel. Raises SharingNotFound, ReturnNotOwed."""
    values = {"state": ReturnState.closed, "settled_at": now}
    sharing_id, told = _go_on(session, merchant_id, return_id, values)
    audit.record(
        session,
        actor=actor,
        action="sharing.return_close",
        subject=f"sharing:{sharing_id}",
        after=told,
        merchant_id=merchant_id,
        reason=note,
        now=now,
    )


def _go_on(
    session: Session, merchant_id: int, return_id: int, values: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    """A failed one becomes what `values` say, and its part counts as given back: the sharing, and
    what is on record of it."""
    mine = _failed(merchant_id).where(SharingReturn.id == return_id)
    row = session.execute(mine).one_or_none()
    if row is None:
        raise SharingNotFound
    back, part, receiver, sharing, attempt = row
    lock_bill(session, attempt.bill_id)
    for each in (attempt, part, back):
        session.refresh(each)
    if _owed(part, attempt) < back.amount_fen:
        raise ReturnNotOwed
    before = {"id": back.id, "no": back.no, "state": ReturnState.failed}
    if rows.compare_and_set(session, SharingReturn, before, values) == 0:
        raise SharingNotFound
    _take(session, part, back.amount_fen)
    return sharing.id, {"account": receiver.account, "amount_fen": back.amount_fen}


def _failed(merchant_id: int) -> Any:
    return (
        select(SharingReturn, SharingPart, SharingReceiver, Sharing, PaymentAttempt)
        .join(SharingPart, SharingPart.id == SharingReturn.part_id)
        .join(SharingReceiver, SharingReceiver.id == SharingPart.receiver_id)
        .join(Sharing, Sharing.id == SharingPart.sharing_id)
        .join(PaymentAttempt, PaymentAttempt.id == Sharing.attempt_id)
        .where(SharingReturn.state == ReturnState.failed, Sharing.merchant_id == merchant_id)
        .order_by(SharingReturn.id)
        .limit(MOST_LISTED)
        .execution_options(populate_existing=True)
    )


def _owed(part: SharingPart, attempt: PaymentAttempt) -> int:
    """What a receiver has of money that went back, and did not give back itself."""
    return part.amount_fen * attempt.refunded_fen // attempt.amount_fen - part.returned_fen


def _asked(session: Session, refund_id: int) -> tuple[Asked, ...]:
    found = (
        select(SharingReturn, SharingPart.no, SharingReceiver.account)
        .join(SharingPart, SharingPart.id == SharingReturn.part_id)
        .join(SharingReceiver, SharingReceiver.id == SharingPart.receiver_id)
        .where(SharingReturn.refund_id == refund_id, SharingReturn.state == ReturnState.asked)
        .order_by(SharingReturn.id)
        .execution_options(populate_existing=True)
    )
    return tuple(
        Asked(one.id, one.no, sharing_no, account, one.amount_fen, one.asked_at)
        for one, sharing_no, account in session.execute(found)
    )
