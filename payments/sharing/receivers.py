"""Who gets a part of a merchant's payments: wanted here, then made known to the channel."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import audit, rows
from core.clock import business_day
from core.outbox import enqueue
from gateways.pay.sharing import Party, PartyKind
from payments.errors import ReceiverInvalid, ReceiverKnown, ReceiverNotFound
from payments.models import (
    NEXT_RECEIVER,
    ReceiverPurpose,
    ReceiverState,
    SharingReceiver,
)
from payments.settlement import terms

RELATIONS = ("SERVICE_PROVIDER", "HEADQUARTER", "STORE", "BRAND", "PARTNER", "SUPPLIER", "STAFF")
MOST_BP = 3_000


def add(
    session: Session,
    merchant_id: int,
    party: Party,
    *,
    purpose: ReceiverPurpose,
    share_bp: int,
    actor: str,
    now: datetime,
) -> SharingReceiver:
    """Wanted: a job tells the channel. One that ended, or that the channel refused, may come back.

    Raises ReceiverInvalid, ReceiverKnown, and SharedTooMuch when all of them and the platform would
    get more than the channel shares.
    """
    named = party.name or party.kind is PartyKind.person
    if not party.account or not named or party.relation not in RELATIONS:
        raise ReceiverInvalid
    if not 0 <= share_bp <= MOST_BP or (purpose is ReceiverPurpose.share) != (share_bp > 0):
        raise ReceiverInvalid
    row = {
        "purpose": purpose,
        "kind": party.kind,
        "appid": party.appid,
        "name": party.name,
        "relation": party.relation,
        "share_bp": share_bp,
        "state": ReceiverState.wanted,
        "error": "",
        "created_at": now,
    }
    terms.hold_shares(session, merchant_id)
    known = {"merchant_id": merchant_id, "account": party.account}
    if rows.add_new(session, SharingReceiver, known | row) is None:
        again = known | {"state": (ReceiverState.ended, ReceiverState.refused)}
        if rows.compare_and_set(session, SharingReceiver, again, row) == 0:
            raise ReceiverKnown
    if share_bp:
        terms.check_together(session, merchant_id, business_day(now))
    found = select(SharingReceiver).where(
        SharingReceiver.merchant_id == merchant_id, SharingReceiver.account == party.account
    )
    receiver = session.scalars(found.execution_options(populate_existing=True)).one()
    _changed(session, receiver, "sharing.add_receiver", actor, now)
    return receiver


def end(session: Session, merchant_id: int, receiver_id: int, *, actor: str, now: datetime) -> None:
    """Gets nothing from now on; what was shared stays. One that the channel would not let go is
    asked for once more. Raises ReceiverNotFound."""
    receiver = get(session, merchant_id, receiver_id)
    if not move(session, receiver, ReceiverState.ending, error=""):
        kept = {"id": receiver_id, "state": ReceiverState.ending, "error": receiver.error}
        forget = rows.compare_and_set(session, SharingReceiver, kept, {"error": ""})
        if not receiver.error or forget == 0:
            raise ReceiverNotFound
    _changed(session, receiver, "sharing.end_receiver", actor, now)


def get(session: Session, merchant_id: int, receiver_id: int) -> SharingReceiver:
    """One that the merchant added. Raises ReceiverNotFound: another merchant's is not found, and
    the platform's is not the merchant's to end."""
    found = session.get(SharingReceiver, receiver_id, populate_existing=True)
    mine = found is not None and found.merchant_id == merchant_id
    if found is None or not mine or found.purpose is not ReceiverPurpose.share:
        raise ReceiverNotFound
    return found


def list_all(session: Session, merchant_id: int) -> Sequence[SharingReceiver]:
    found = select(SharingReceiver).where(SharingReceiver.merchant_id == merchant_id)
    return session.scalars(found.order_by(SharingReceiver.id)).all()


def count_refused(session: Session, merchant_id: int) -> int:
    found = select(func.count()).where(
        SharingReceiver.merchant_id == merchant_id, SharingReceiver.state == ReceiverState.refused
    )
    return session.scalar(found) or 0


def count_kept(session: Session, merchant_id: int) -> int:
    """Those that get nothing any more, and that the channel would not let go."""
    found = select(func.count()).where(
        SharingReceiver.merchant_id == merchant_id,
        SharingReceiver.state == ReceiverState.ending,
        SharingReceiver.error != "",
    )
    return session.scalar(found) or 0


def keep(session: Session, receiver: SharingReceiver, error: str, now: datetime) -> bool:
    """The channel will not let it go: who settles hears why, and may ask once more."""
    before = {"id": receiver.id, "state": ReceiverState.ending}
    if rows.compare_and_set(session, SharingReceiver, before, {"error": error}) == 0:
        return False
    key = f"payments.tell_refused:{receiver.id}:ending:{now.timestamp():.0f}"
    enqueue(session, "payments.tell_refused", key=key, receiver_id=receiver.id)
    return True


def refuse(session: Session, receiver: SharingReceiver, error: str) -> bool:
    """wanted → refused: the channel will not have it, and who settles hears why."""
    if not move(session, receiver, ReceiverState.refused, error=error):
        return False
    key = f"payments.tell_refused:{receiver.id}:{receiver.created_at.timestamp():.0f}"
    enqueue(session, "payments.tell_refused", key=key, receiver_id=receiver.id)
    return True


def move(session: Session, receiver: SharingReceiver, to: ReceiverState, **values: object) -> bool:
    sources = tuple(state for state, targets in NEXT_RECEIVER.items() if to in targets)
    before = {"id": receiver.id, "state": sources}
    moved = rows.compare_and_set(session, SharingReceiver, before, {"state": to, **values})
    session.refresh(receiver)
    return moved == 1


def _changed(
    session: Session, receiver: SharingReceiver, action: str, actor: str, now: datetime
) -> None:
    enqueue(session, "payments.tell_receiver", receiver_id=receiver.id)
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"sharing_receiver:{receiver.id}",
        after={"account": receiver.account, "share_bp": receiver.share_bp},
        merchant_id=receiver.merchant_id,
        now=now,
    )
