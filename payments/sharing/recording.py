"""What the channel said of a sharing, a release and a return: booked once."""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from core.logs import log
from core.outbox import enqueue
from gateways.pay.sharing import ReturnResult, SharingResult
from payments import accounts, ledger
from payments.models import (
    PartState,
    PaymentAttempt,
    ReceiverPurpose,
    ReturnState,
    Sharing,
    SharingPart,
    SharingReceiver,
    SharingReturn,
    SharingState,
)
from payments.sharing.asking import asked_parts, move, must_move

_PARTS = {"SUCCESS": PartState.succeeded, "CLOSED": PartState.failed}
_RETURNS = {"SUCCESS": ReturnState.succeeded, "FAILED": ReturnState.failed}


def sharing(session: Session, sharing_id: int, result: SharingResult, *, now: datetime) -> str:
    """Each receiver's end for itself. `asked` while one of them is not decided upon."""
    found = _lock(session, sharing_id)
    if found.state is not SharingState.asked or found.no != result.out_order_no:
        return "repeated"
    told = {part.account: part for part in result.parts}
    errors: list[str] = []
    for part, receiver in asked_parts(session, found):
        said = told.get(receiver.account)
        if said is None or said.amount_fen != part.amount_fen:
            log.error("sharing_mismatch", sharing_id=sharing_id, receiver=receiver.account)
            return "mismatch"
        if (to := _PARTS.get(said.result)) is None:
            continue
        error = said.fail_reason if to is PartState.failed else ""
        if _end_part(session, part, to, error):
            receiver.error = error  # of the last payment: why it gets nothing
            if to is PartState.succeeded:
                _post(session, found, part, receiver, now)
        errors += [error] if error else []
    if not result.is_finished:
        return "asked"
    must_move(session, found, SharingState.shared, error=errors[0] if errors else "")
    if errors:
        _tell(session, found)
        log.error("sharing_refused", sharing_id=sharing_id, error=errors[0])
    return "shared"


def release(session: Session, sharing_id: int, *, now: datetime) -> str:
    """releasing → released: nothing is held back any more."""
    found = _lock(session, sharing_id)
    moved = move(session, found, SharingState.released, done_at=now)
    return "released" if moved else "repeated"


def ask_anew(session: Session, sharing_id: int, no: str, error: str) -> str:
    """asked → due: the channel never took this number, so another one may ask for other parts."""
    found = _lock(session, sharing_id)
    parts = asked_parts(session, found)
    if not _is_about(found, no) or not move(session, found, SharingState.due, error=error):
        return "repeated"
    for part, _ in parts:
        _end_part(session, part, PartState.failed, error)
    return "again"


def fail(session: Session, sharing_id: int, no: str, error: str) -> str:
    """The channel said no to this number for good: somebody has to look, and may ask again."""
    found = _lock(session, sharing_id)
    parts = asked_parts(session, found) if found.state is SharingState.asked else ()
    if not _is_about(found, no) or not move(session, found, SharingState.failed, error=error):
        return "repeated"
    for part, _ in parts:
        _end_part(session, part, PartState.failed, error)
    _tell(session, found)
    log.error("sharing_failed", sharing_id=sharing_id, error=error)
    return "failed"


def give_back(
    session: Session,
    return_id: int,
    no: str,
    result: ReturnResult | None,
    *,
    now: datetime,
    error: str = "",
) -> ReturnState:
    """What became of a return under this number; without a result the channel will not do it."""
    asked = session.get_one(SharingReturn, return_id, populate_existing=True)
    to = ReturnState.failed if result is None else _RETURNS.get(result.result)
    if to is None:
        return ReturnState.asked
    why = error or (result.fail_reason if result else "")
    ended = {"state": to, "error": why if to is ReturnState.failed else "", "settled_at": now}
    before = {"id": asked.id, "no": no, "state": ReturnState.asked}
    if rows.compare_and_set(session, SharingReturn, before, ended) == 0:
        return asked.state
    part = session.get_one(SharingPart, asked.part_id)
    if to is ReturnState.failed:
        mine = update(SharingPart).where(SharingPart.id == part.id)
        less = claim(session, mine.values(returned_fen=SharingPart.returned_fen - asked.amount_fen))
        rows.all_moved(SharingPart, less)
        key = f"payments.tell_return:{no}"
        enqueue(session, "payments.tell_return", key=key, return_id=return_id)
        log.error("sharing_return_failed", return_id=return_id, error=why)
        return to
    found = session.get_one(Sharing, part.sharing_id)
    receiver = session.get_one(SharingReceiver, part.receiver_id)
    amounts = _amounts(session, found, receiver, -asked.amount_fen)
    cause = f"sharing_back:{return_id}"
    ledger.post(session, cause, amounts, found.merchant_id, order_id=found.order_id, now=now)
    return to


def _tell(session: Session, found: Sharing) -> None:
    """Somebody got nothing: who settles with others hears of it, once for each state of things."""
    key = f"payments.tell_sharing:{found.id}:{found.round}:{found.state}:{found.error}"
    enqueue(session, "payments.tell_sharing", key=key, sharing_id=found.id)


def _lock(session: Session, sharing_id: int) -> Sharing:
    return session.get_one(Sharing, sharing_id, populate_existing=True, with_for_update=True)


def _is_about(found: Sharing, no: str) -> bool:
    """Whether an answer is to what is asked now: a late one to an earlier number ends nothing."""
    asked = {SharingState.asked: found.no, SharingState.releasing: found.release_no}
    return asked.get(found.state) == no


def _end_part(session: Session, part: SharingPart, to: PartState, error: str) -> bool:
    asked = {"id": part.id, "state": PartState.asked}
    return rows.compare_and_set(session, SharingPart, asked, {"state": to, "error": error}) == 1


def _post(
    session: Session, found: Sharing, part: SharingPart, receiver: SharingReceiver, now: datetime
) -> None:
    amounts = _amounts(session, found, receiver, part.amount_fen)
    cause = f"sharing:{part.id}"
    ledger.post(session, cause, amounts, found.merchant_id, order_id=found.order_id, now=now)


def _amounts(
    session: Session, found: Sharing, receiver: SharingReceiver, amount_fen: int
) -> dict[str, int]:
    attempt = session.get_one(PaymentAttempt, found.attempt_id)
    platform = receiver.purpose is ReceiverPurpose.commission
    whose = accounts.commission if platform else accounts.sharing
    return {
        whose(found.merchant_id): amount_fen,
        accounts.channel(attempt.channel, attempt.account): -amount_fen,
    }
