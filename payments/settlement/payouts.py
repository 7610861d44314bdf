"""What an owner paid to their own stores outside of Linli, written down with its voucher.

Only between stores of one owner: where somebody else's account took the money, paying it on would
be collecting for others, which needs a licence (二清), and is refused.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import audit, rows
from core.database import claim
from merchants.queries import get_store_of
from payments import accounts, ledger
from payments.errors import (
    PayoutNotFound,
    PayoutTakenBack,
    PayoutTooMuch,
    PayoutUnlawful,
    VoucherUsed,
)
from payments.models import Payout, StorePurse
from payments.settlement import lawful


def record(
    session: Session,
    merchant_id: int,
    store_id: int,
    amount_fen: int,
    *,
    voucher: str,
    note: str,
    actor: str,
    now: datetime,
) -> Payout:
    """Raises StoreNotFound, PayoutUnlawful, VoucherUsed, PayoutTooMuch; then nothing changed."""
    store = get_store_of(session, merchant_id, store_id)
    if lawful.collects_for_others(session, merchant_id):
        raise PayoutUnlawful
    made = _write(session, merchant_id, store.id, amount_fen, voucher, note, actor, now)
    taken = claim(
        session,
        update(StorePurse)
        .where(
            StorePurse.store_id == store.id,
            StorePurse.earned_fen - StorePurse.paid_fen >= amount_fen,
        )
        .values(paid_fen=StorePurse.paid_fen + amount_fen),
    )
    if amount_fen <= 0 or taken == 0:
        raise PayoutTooMuch(left_fen=left_fen(session, store.id))
    _audit(session, made, "payout.record", actor, now)
    return made


def take_back(
    session: Session, merchant_id: int, payout_id: int, *, actor: str, now: datetime
) -> Payout:
    """It was written down wrongly: another row takes it back. Raises PayoutNotFound,
    PayoutTakenBack."""
    wrong = get(session, merchant_id, payout_id)
    voucher = f"-{wrong.voucher}"[:64]
    made = _write(
        session,
        merchant_id,
        wrong.store_id,
        -wrong.amount_fen,
        voucher,
        "",
        actor,
        now,
        takes_back_id=wrong.id,
    )
    back = claim(
        session,
        update(StorePurse)
        .where(StorePurse.store_id == wrong.store_id, StorePurse.paid_fen >= wrong.amount_fen)
        .values(paid_fen=StorePurse.paid_fen - wrong.amount_fen),
    )
    rows.all_moved(StorePurse, back)
    _audit(session, made, "payout.take_back", actor, now)
    return made


def get(session: Session, merchant_id: int, payout_id: int) -> Payout:
    """Raises PayoutNotFound; another merchant's is not found, nor what takes one back."""
    found = session.get(Payout, payout_id)
    if found is None or found.merchant_id != merchant_id or found.takes_back_id is not None:
        raise PayoutNotFound
    return found


def left_fen(session: Session, store_id: int) -> int:
    """What closed days left of a store's sales and nobody has paid out yet; may be negative."""
    found = select(StorePurse.earned_fen - StorePurse.paid_fen).where(
        StorePurse.store_id == store_id
    )
    return int(session.scalar(found) or 0)


def purses(session: Session, merchant_id: int) -> dict[int, StorePurse]:
    found = select(StorePurse).where(StorePurse.merchant_id == merchant_id)
    return {purse.store_id: purse for purse in session.scalars(found)}


def list_payouts(
    session: Session, merchant_id: int, *, before: int | None, limit: int
) -> Sequence[Payout]:
    """The newest first."""
    found = select(Payout).where(Payout.merchant_id == merchant_id)
    if before is not None:
        found = found.where(Payout.id < before)
    return session.scalars(found.order_by(Payout.id.desc()).limit(limit)).all()


def taken_back(session: Session, ids: Sequence[int]) -> set[int]:
    """Which of these were taken back."""
    found = select(Payout.takes_back_id).where(Payout.takes_back_id.in_(ids))
    return {id_ for id_ in session.scalars(found) if id_ is not None}


def _write(
    session: Session,
    merchant_id: int,
    store_id: int,
    amount_fen: int,
    voucher: str,
    note: str,
    actor: str,
    now: datetime,
    takes_back_id: int | None = None,
) -> Payout:
    row = {
        "merchant_id": merchant_id,
        "store_id": store_id,
        "amount_fen": amount_fen,
        "voucher": voucher,
        "note": note,
        "by": actor,
        "at": now,
        "takes_back_id": takes_back_id,
    }
    id_ = rows.add_new(session, Payout, row)
    if id_ is None:
        raise VoucherUsed if takes_back_id is None else PayoutTakenBack
    ledger.post(
        session,
        f"payout:{id_}",
        {accounts.payout(merchant_id): -amount_fen, accounts.store(store_id): amount_fen},
        merchant_id,
        now=now,
    )
    return rows.adopt(session, Payout, id_, row)


def _audit(session: Session, made: Payout, action: str, actor: str, now: datetime) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"store:{made.store_id}",
        after={"amount_fen": made.amount_fen, "voucher": made.voucher},
        merchant_id=made.merchant_id,
        reason=made.note,
        now=now,
    )
