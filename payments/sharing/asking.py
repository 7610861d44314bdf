"""What the channel is asked next about one payment: decided and committed before it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import rows
from core.clock import business_day
from core.numbers import CROCKFORD, random_code
from gateways.pay.sharing import Part, Party
from payments.models import (
    NEXT_SHARING,
    PartState,
    PaymentAttempt,
    ReceiverPurpose,
    Refund,
    RefundState,
    Sharing,
    SharingPart,
    SharingReceiver,
    SharingState,
)
from payments.queries import lock_bill
from payments.sharing.planning import Portion, portions

WORDS = {"commission": "平台服务费", "share": "分账"}


class Step(StrEnum):
    """`wait`: a refund is under way, and the parts depend on it."""

    share = "share"
    release = "release"
    wait = "wait"
    nothing = "nothing"


@dataclass(frozen=True)
class Asking:
    step: Step
    account: str = ""
    no: str = ""
    transaction_id: str = ""
    parts: tuple[Part, ...] = ()


def prepare(session: Session, sharing_id: int, *, now: datetime) -> Asking:
    """The next step; what was asked and not answered is asked again in the same words."""
    attempt_id = session.get_one(Sharing, sharing_id).attempt_id
    attempt = session.get_one(PaymentAttempt, attempt_id)
    lock_bill(session, attempt.bill_id)
    session.refresh(attempt)
    sharing = session.get_one(Sharing, sharing_id, populate_existing=True, with_for_update=True)
    if sharing.state in (SharingState.due, SharingState.shared):
        group = _next_group(session, sharing, attempt)
        if _refund_under_way(session, attempt.id) and (group or sharing.state is SharingState.due):
            return Asking(Step.wait)
        if group:
            _fix(session, sharing, group, now)
        elif sharing.state is SharingState.due and base_fen(session, attempt) == 0:
            must_move(session, sharing, SharingState.released, done_at=now)
        elif sharing.state is SharingState.due or not sharing.error:
            begin_release(session, sharing, now)
    if sharing.state is SharingState.asked:
        parts = tuple(_as_part(*found) for found in asked_parts(session, sharing))
        return _asking(Step.share, sharing, attempt, sharing.no, parts)
    if sharing.state is SharingState.releasing:
        return _asking(Step.release, sharing, attempt, sharing.release_no, ())
    return Asking(Step.nothing)


def asked_parts(
    session: Session, sharing: Sharing
) -> Sequence[tuple[SharingPart, SharingReceiver]]:
    """Those of the present number."""
    found = (
        select(SharingPart, SharingReceiver)
        .join(SharingReceiver, SharingReceiver.id == SharingPart.receiver_id)
        .where(SharingPart.sharing_id == sharing.id, SharingPart.no == sharing.no)
        .order_by(SharingPart.id)
        .execution_options(populate_existing=True)
    )
    return [(part, receiver) for part, receiver in session.execute(found)]


def move(session: Session, sharing: Sharing, to: SharingState, **values: object) -> bool:
    """Compare-and-set along NEXT_SHARING; the object follows."""
    sources = tuple(state for state, targets in NEXT_SHARING.items() if to in targets)
    expected = {"id": sharing.id, "state": sources}
    moved = rows.compare_and_set(session, Sharing, expected, {"state": to, **values})
    session.refresh(sharing)
    return moved == 1


def must_move(session: Session, sharing: Sharing, to: SharingState, **values: object) -> None:
    """The same for a row that is held. Raises NotMoved."""
    if not move(session, sharing, to, **values):
        raise rows.NotMoved(f"sharing {sharing.id} did not become {to}")


def base_fen(session: Session, attempt: PaymentAttempt) -> int:
    """What of a payment is still the merchant's to share."""
    if attempt.amount_fen == 0:
        return 0
    back = attempt.channel_fen * attempt.refunded_fen // attempt.amount_fen
    return attempt.channel_fen - back


def _next_group(session: Session, sharing: Sharing, attempt: PaymentAttempt) -> list[Portion]:
    """Whose parts are asked for next, under a number of their own: the platform's commission by
    itself, so that nobody else's failure takes it down, then all others.

    After a failure somebody looks first; only the platform's own holds up nobody else.
    """
    base = base_fen(session, attempt)
    given = select(SharingPart.receiver_id).where(
        SharingPart.sharing_id == sharing.id, SharingPart.state == PartState.succeeded
    )
    served = set(session.scalars(given))
    rates = portions(session, sharing.merchant_id, base, paid_at=sharing.paid_at)
    missing = [one for one in rates if one.receiver.id not in served]
    platforms = [one for one in missing if _is_platforms(one.receiver)]
    others = [one for one in missing if not _is_platforms(one.receiver)]
    if sharing.state is SharingState.shared and sharing.error:
        last = asked_parts(session, sharing)
        return others if all(_is_platforms(receiver) for _, receiver in last) else []
    return platforms or others


def _is_platforms(receiver: SharingReceiver) -> bool:
    return receiver.purpose is ReceiverPurpose.commission


def _fix(session: Session, sharing: Sharing, group: Sequence[Portion], now: datetime) -> None:
    """due or shared → asked: these amounts under a new number."""
    no = f"S{business_day(now):%Y%m%d}{random_code(16, CROCKFORD)}"
    round_ = sharing.round + 1
    must_move(session, sharing, SharingState.asked, no=no, round=round_, error="", asked_at=now)
    rows.add_all(
        session,
        SharingPart,
        [
            {
                "sharing_id": sharing.id,
                "receiver_id": one.receiver.id,
                "no": no,
                "amount_fen": one.amount_fen,
                "returned_fen": 0,
                "state": PartState.asked,
                "error": "",
            }
            for one in group
        ],
    )


def begin_release(session: Session, sharing: Sharing, now: datetime) -> bool:
    """What is left is the seller's; the number stays the same however often it is asked for."""
    no = sharing.release_no or f"U{business_day(now):%Y%m%d}{random_code(16, CROCKFORD)}"
    return move(session, sharing, SharingState.releasing, release_no=no, asked_at=now, error="")


def _refund_under_way(session: Session, attempt_id: int) -> bool:
    waiting = (RefundState.requested, RefundState.processing)
    found = select(func.count()).where(Refund.attempt_id == attempt_id, Refund.state.in_(waiting))
    return bool(session.scalar(found))


def _asking(
    step: Step,
    sharing: Sharing,
    attempt: PaymentAttempt,
    no: str | None,
    parts: tuple[Part, ...],
) -> Asking:
    return Asking(step, attempt.account, str(no), str(attempt.transaction_id), parts)


def _as_part(part: SharingPart, receiver: SharingReceiver) -> Part:
    party = Party(receiver.kind, receiver.account, receiver.appid)
    return Part(party, part.amount_fen, WORDS[receiver.purpose])
