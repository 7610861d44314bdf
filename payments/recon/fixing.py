"""What people do about a discrepancy: one act is recommended for each kind, others are possible.

No act changes a booking. To ask the channel heals what was lost on the way; to wait leaves it to
tomorrow's bill; to accept says with a note that it stays so, and books the loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core import audit, rows
from core.errors import Conflict, NotFound
from gateways.pay.records import RefundResult
from payments import refunding
from payments.models.statements import (
    UNSOLVED,
    About,
    Difference,
    Discrepancy,
    DiscrepancyState,
    StatementDay,
)
from payments.recon import booking, days, matching


class Cause(StrEnum):
    """What is most likely behind it."""

    lost_notice = "lost_notice"
    not_ours = "not_ours"
    midnight = "midnight"
    not_there = "not_there"
    given_back = "given_back"
    amount = "amount"
    other_number = "other_number"
    by_hand = "by_hand"
    refund_lost = "refund_lost"
    refund_not_there = "refund_not_there"
    fee = "fee"
    order = "order"
    coupon = "coupon"
    balance = "balance"
    fund = "fund"


class Act(StrEnum):
    ask = "ask"
    wait = "wait"
    again = "again"
    accept = "accept"


@dataclass(frozen=True)
class Advice:
    """The first act is the recommended one."""

    cause: Cause
    acts: Sequence[Act]


class DiscrepancyNotFound(NotFound):
    code = "discrepancy_not_found"
    title = "没有这条差异"


class AlreadySolved(Conflict):
    code = "discrepancy_solved"
    title = "这条差异已经处理过了"


class NotThisAct(Conflict):
    code = "act_not_possible"
    title = "这条差异不能这样处理"


def advise(found: Discrepancy, *, back_fen: int = 0) -> Advice:
    """Likely cause and what to do about it. `back_fen`: what of the payment the channel has given
    back, which it can only do with what it had: then the bill is what is wrong. It changes what is
    recommended, never what may be done."""
    ask, wait, again, accept = Act.ask, Act.wait, Act.again, Act.accept
    match found.about, found.kind:
        case About.payment, Difference.long if found.attempt_id is not None:
            return Advice(Cause.lost_notice, (ask, accept))
        case About.payment, Difference.long:
            return Advice(Cause.not_ours, (accept, again))
        case About.payment, Difference.short if found.state is DiscrepancyState.waiting:
            return Advice(Cause.midnight, (wait, ask, accept))
        case About.payment, Difference.short if back_fen:
            return Advice(Cause.given_back, (again, ask, accept))
        case About.payment, Difference.short:
            return Advice(Cause.not_there, (ask, again, accept))
        case About.payment, Difference.state:
            return Advice(Cause.other_number, (ask, accept))
        case About.refund, Difference.long:
            return Advice(Cause.by_hand, (accept, again))
        case About.refund, Difference.short if found.state is DiscrepancyState.waiting:
            return Advice(Cause.midnight, (wait, ask, accept))
        case About.refund, Difference.short:
            return Advice(Cause.refund_not_there, (ask, again, accept))
        case About.refund, Difference.state:
            return Advice(Cause.refund_lost, (ask, accept))
        case _, Difference.fee if found.about is About.payment:
            return Advice(Cause.fee, (again, accept))
        case About.payment | About.refund, _:
            return Advice(Cause.amount, (again, accept))
        case About.day, _:
            return Advice(Cause.fund, (again, accept))
        case About.order, _:
            return Advice(Cause.order, (accept,))
        case About.coupon, _:
            return Advice(Cause.coupon, (accept,))
    return Advice(Cause.balance, (accept,))


def find_mine(session: Session, merchant_id: int, discrepancy_id: int) -> Discrepancy:
    """The merchant's own, or of an account that is theirs. Raises DiscrepancyNotFound."""
    found = session.scalars(
        select(Discrepancy)
        .join(StatementDay, StatementDay.id == Discrepancy.day_id)
        .where(
            Discrepancy.id == discrepancy_id,
            or_(Discrepancy.merchant_id == merchant_id, StatementDay.merchant_id == merchant_id),
        )
    ).one_or_none()
    if found is None:
        raise DiscrepancyNotFound
    return found


def check(session: Session, merchant_id: int, discrepancy_id: int, act: Act) -> Discrepancy:
    """It is there, nobody has dealt with it, and this may be done. Raises what says otherwise."""
    found = find_mine(session, merchant_id, discrepancy_id)
    if found.state not in UNSOLVED:
        raise AlreadySolved
    if act not in advise(found).acts:
        raise NotThisAct
    return found


def accept(
    session: Session,
    merchant_id: int,
    discrepancy_id: int,
    *,
    note: str,
    actor: str,
    now: datetime,
) -> int:
    """It stays as it is, and somebody says why; what the channel has less is booked as lost.

    A refund that went through at the channel and not with us is booked as the bill has it: its
    money is gone and can't be given back again. Only what was given back otherwise since is lost.
    """
    found = check(session, merchant_id, discrepancy_id, Act.accept)
    days.lock(session, found.day_id)  # whoever matches the day holds it before its discrepancies
    session.refresh(found, with_for_update=True)
    accepted = DiscrepancyState.accepted
    if not matching.close(session, found, accepted, Act.accept, actor, now=now, note=note):
        raise AlreadySolved
    _book_refund(session, found, now)
    lost = booking.post_loss(session, found, now=now)
    rows.must_move(session, Discrepancy, {"id": found.id, "state": accepted}, {"lost_fen": lost})
    matching.settle_day(session, found.day_id)
    told = {"state": accepted, "lost_fen": lost}
    record(session, merchant_id, found, Act.accept, actor, now=now, after=told, note=note)
    return lost


def _book_refund(session: Session, found: Discrepancy, now: datetime) -> None:
    line = booking.went_unbooked(session, found)
    if line is None:
        return
    result = RefundResult(
        out_refund_no=line.our_no,
        refund_id=line.channel_no,
        state="SUCCESS",
        refund_fen=line.amount_fen,
        total_fen=None,
        success_at=line.at,
        account=session.get_one(StatementDay, found.day_id).account,
    )
    refunding.record_result(session, result, now)


def wait(
    session: Session, merchant_id: int, discrepancy_id: int, *, actor: str, now: datetime
) -> None:
    """Tomorrow's bill will tell: this only says that somebody has seen it."""
    found = check(session, merchant_id, discrepancy_id, Act.wait)
    record(session, merchant_id, found, Act.wait, actor, now=now)


def record(
    session: Session,
    merchant_id: int,
    found: Discrepancy,
    act: Act,
    actor: str,
    *,
    now: datetime,
    after: dict[str, object] | None = None,
    note: str = "",
) -> None:
    """Who did what about it."""
    audit.record(
        session,
        actor=actor,
        action=f"recon.{act}",
        subject=f"discrepancy:{found.id}",
        merchant_id=merchant_id,
        before={"kind": found.kind, "ref": found.ref},
        after=after,
        reason=note,
        now=now,
    )
