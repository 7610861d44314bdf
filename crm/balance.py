"""Stored value: kept, spent, given back; principal and bonus apart, in lots, with a ledger.

The rules, as the shop tells them: the oldest top-up is spent first, of each the principal before
the bonus. A top-up can be refunded up to the principal that is left of it, and the bonus that is
left shrinks in the same part. Snapshots on the member's row move with the ledger.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from core import later, rows
from core.database import claim, insert_ignore
from core.errors import Conflict
from core.money import split_fen
from crm import events, tiers
from crm.models import (
    BalanceEntry,
    BalanceHold,
    BalanceKind,
    BalanceLot,
    HoldState,
    Member,
)
from crm.points import hold_living

Parts = list[list[int]]
"""[[lot, principal, bonus], …]"""


class NotEnoughBalance(Conflict):
    """`balance_fen`: what there is."""

    code = "not_enough_balance"
    title = "余额不够"


class NothingKept(Conflict):
    """`away_fen`: what of the spent balance is not back yet."""

    code = "balance_not_spent"
    title = "储值没有用掉这么多"


class PrincipalSpent(Conflict):
    """`left_fen`: what of this top-up may still be given back."""

    code = "principal_spent"
    title = "储值已经用了一部分"


def credit(
    session: Session,
    member_id: int,
    order_id: int,
    *,
    paid_fen: int,
    bonus_fen: int,
    now: datetime,
) -> bool:
    """A paid top-up becomes stored value; False when it was credited before."""
    held = hold_living(session, member_id)
    cause = f"top_up:{order_id}"
    if not _enter(session, held.id, BalanceKind.topped_up, paid_fen, bonus_fen, cause, now):
        return False
    rows.add(session, BalanceLot, _lot(held.id, order_id, paid_fen, bonus_fen, now))
    data = {"order_id": order_id, "paid_fen": paid_fen, "bonus_fen": bonus_fen}
    events.record(session, held.id, "topped_up", now=now, data=data)
    return True


def bring(
    session: Session,
    member_id: int,
    cause: str,
    *,
    principal_fen: int,
    bonus_fen: int,
    now: datetime,
) -> bool:
    """Stored value that was paid for in another system comes over; False when it did before.

    No order of ours paid it, so none can be refunded; and nobody hears of it as of a top-up.
    """
    held = hold_living(session, member_id)
    if not _enter(session, held.id, BalanceKind.imported, principal_fen, bonus_fen, cause, now):
        return False
    rows.add(session, BalanceLot, _lot(held.id, None, principal_fen, bonus_fen, now))
    return True


def freeze(session: Session, member_id: int, cause: str, amount_fen: int, *, now: datetime) -> bool:
    """Keep `amount_fen` for `cause` (`order:7`), so that nobody else spends it; False when that was
    done before. Raises NotEnoughBalance, and nothing changes."""
    held = hold_living(session, member_id)
    known = select(BalanceHold.id).where(BalanceHold.cause == cause)
    if session.scalar(known) is not None:
        return False
    have = session.scalar(select(Member.balance_fen).where(Member.id == held.id)) or 0
    if amount_fen <= 0 or have < amount_fen:
        raise NotEnoughBalance(balance_fen=have)
    parts = _empty(session, held.id, amount_fen)
    principal, bonus = _sums(parts)
    _enter(session, held.id, BalanceKind.spent, -principal, -bonus, f"keep:{cause}", now)
    row = {"member_id": held.id, "cause": cause, "amount_fen": amount_fen, "parts": parts}
    rows.add(session, BalanceHold, row | {"state": HoldState.held, "at": now})
    return True


def capture(session: Session, cause: str, *, now: datetime) -> None:
    """What was kept is spent for good. Raises NotMoved, before the commit, when it is not kept.

    Who falls below the shop's line by it is told, so that journeys may remind them: not when it
    was only kept, for that may be given up again.
    """
    hold = _find_hold(session, cause)
    held = {"cause": cause, "state": HoldState.held}
    later.must_move(session, BalanceHold, held, {"state": HoldState.spent})
    if hold is None:
        return
    mine = select(Member.merchant_id, Member.balance_fen).where(Member.id == hold.member_id)
    merchant_id, left = session.execute(mine).one()
    low = tiers.load(session, merchant_id).balance_low_fen
    if left + hold.amount_fen >= low > left:
        events.record(session, hold.member_id, "balance_low", now=now, data={"balance_fen": left})


def release(session: Session, cause: str, *, now: datetime) -> bool:
    """What was kept, or spent and is refunded whole, goes back into its lots, as far as it is not
    there already; once."""
    hold = _find_hold(session, cause)
    if hold is None or hold.state is HoldState.returned:
        return False
    member_id = hold_living(session, hold.member_id).id
    session.refresh(hold)
    left = hold.amount_fen - hold.returned_fen
    return _put_back(session, hold, member_id, left, f"back:{cause}", now) is not None


def give_back(
    session: Session, cause: str, amount_fen: int, *, refund: str, now: datetime
) -> tuple[int, int] | None:
    """Part of what was spent for `cause` goes back into the lots that it came from, principal and
    bonus in the proportion in which they are still away; how much of each went back.

    None: this `refund` was booked before. Raises NothingKept when less than `amount_fen` is away.
    """
    hold = _find_hold(session, cause)
    if hold is None:
        raise NothingKept(away_fen=0)
    member_id = hold_living(session, hold.member_id).id
    session.refresh(hold)
    key = f"back:{cause}:{refund}"
    if session.scalar(select(BalanceEntry.id).where(BalanceEntry.cause == key)) is not None:
        return None
    away = hold.amount_fen - hold.returned_fen if hold.state is HoldState.spent else 0
    if not 0 < amount_fen <= away:
        raise NothingKept(away_fen=away)
    return _put_back(session, hold, member_id, amount_fen, key, now)


def refundable_fen(session: Session, order_id: int) -> int:
    """How much of a top-up may be asked back: the principal that is left of it."""
    left = select(BalanceLot.principal_fen).where(BalanceLot.order_id == order_id)
    return int(session.scalar(left) or 0)


def take_back(
    session: Session, order_id: int, refund_fen: int, cause: str, *, now: datetime
) -> int:
    """Take principal out for a refund of its top-up, and the same part of the bonus that is left,
    rounded up; how much bonus went. Raises PrincipalSpent, and nothing changes."""
    mine = select(BalanceLot).where(BalanceLot.order_id == order_id)
    lot = session.scalars(mine).one_or_none()
    if lot is None:
        raise PrincipalSpent(left_fen=0)
    held = hold_living(session, lot.member_id)
    session.refresh(lot)
    if refund_fen > lot.principal_fen:
        raise PrincipalSpent("最多退还没用掉的本金", left_fen=lot.principal_fen)
    bonus = -(-lot.bonus_fen * refund_fen // lot.principal_fen)
    if not _enter(session, held.id, BalanceKind.refunded, -refund_fen, -bonus, cause, now):
        return bonus
    before = {"id": lot.id, "principal_fen": lot.principal_fen, "bonus_fen": lot.bonus_fen}
    left = {"principal_fen": lot.principal_fen - refund_fen, "bonus_fen": lot.bonus_fen - bonus}
    rows.must_move(session, BalanceLot, before, left)
    session.refresh(lot)
    return bonus


def undo_take_back(session: Session, order_id: int, cause: str, *, now: datetime) -> bool:
    """A refund that failed: its principal and bonus are in the lot again."""
    taken = session.scalars(select(BalanceEntry).where(BalanceEntry.cause == cause)).one_or_none()
    if taken is None:
        return False
    held = hold_living(session, taken.member_id)
    principal, bonus = -taken.principal_fen, -taken.bonus_fen
    if not _enter(session, held.id, BalanceKind.returned, principal, bonus, f"undo:{cause}", now):
        return False
    refilled = update(BalanceLot).where(BalanceLot.order_id == order_id)
    values = {
        "principal_fen": BalanceLot.principal_fen + principal,
        "bonus_fen": BalanceLot.bonus_fen + bonus,
    }
    rows.all_moved(BalanceLot, claim(session, refilled.values(values)))
    return True


def move(session: Session, *, winner: Member, loser: Member, now: datetime) -> None:
    """Carry lots and balance from a merged member to the one it went into."""
    bonus = loser.balance_bonus_fen
    principal = loser.balance_fen - bonus
    if loser.balance_fen:
        for member, sign, side in ((loser, -1, "out"), (winner, 1, "in")):
            cause = f"merge:{loser.id}:{side}"
            amounts = (sign * principal, sign * bonus)
            _enter(session, member.id, BalanceKind.merged, *amounts, cause, now)
    for table in (BalanceLot, BalanceHold):
        moved = update(table).where(table.member_id == loser.id)
        claim(session, moved.values(member_id=winner.id))


def list_unbalanced(session: Session, ids: range) -> list[int]:
    """The members among these whose balance is not the sum of its entries, or of its lots."""
    wrong: set[int] = set()
    for table in (BalanceEntry, BalanceLot):
        sums = (
            select(
                table.member_id,
                func.sum(table.principal_fen + table.bonus_fen).label("whole"),
                func.sum(table.bonus_fen).label("bonus"),
            )
            .where(table.member_id.between(ids.start, ids.stop - 1))
            .group_by(table.member_id)
            .subquery()
        )
        differ = or_(
            func.coalesce(sums.c.whole, 0) != Member.balance_fen,
            func.coalesce(sums.c.bonus, 0) != Member.balance_bonus_fen,
        )
        found = (
            select(Member.id)
            .outerjoin(sums, sums.c.member_id == Member.id)
            .where(Member.id.between(ids.start, ids.stop - 1), differ)
        )
        wrong.update(session.scalars(found))
    return sorted(wrong)


def _find_hold(session: Session, cause: str) -> BalanceHold | None:
    mine = select(BalanceHold).where(BalanceHold.cause == cause)
    return session.scalars(mine.execution_options(populate_existing=True)).one_or_none()


def _put_back(
    session: Session, hold: BalanceHold, member_id: int, amount_fen: int, cause: str, now: datetime
) -> tuple[int, int] | None:
    """`amount_fen` of a hold into its lots; None when the hold has moved on meanwhile.

    The caller holds the member and has read the hold since.
    """
    before = hold.back or [[lot_id, 0, 0] for lot_id, _, _ in hold.parts]
    away = [
        whole - back
        for part, gone in zip(hold.parts, before, strict=True)
        for whole, back in zip(part[1:], gone[1:], strict=True)
    ]
    shares = split_fen(amount_fen, away)
    back = [
        [gone[0], gone[1] + shares[2 * number], gone[2] + shares[2 * number + 1]]
        for number, gone in enumerate(before)
    ]
    returned = hold.returned_fen + amount_fen
    state = HoldState.returned if returned == hold.amount_fen else hold.state
    seen = {"id": hold.id, "state": hold.state, "returned_fen": hold.returned_fen}
    values = {"state": state, "returned_fen": returned, "back": back}
    if rows.compare_and_set(session, BalanceHold, seen, values) == 0:
        return None
    session.refresh(hold)
    for number, (lot_id, _, _) in enumerate(hold.parts):
        principal, bonus = shares[2 * number], shares[2 * number + 1]
        refilled = claim(
            session,
            update(BalanceLot)
            .where(BalanceLot.id == lot_id)
            .values(
                principal_fen=BalanceLot.principal_fen + principal,
                bonus_fen=BalanceLot.bonus_fen + bonus,
            ),
        )
        rows.all_moved(BalanceLot, refilled)
    principal, bonus = sum(shares[::2]), sum(shares[1::2])
    _enter(session, member_id, BalanceKind.returned, principal, bonus, cause, now)
    return principal, bonus


def _empty(session: Session, member_id: int, amount_fen: int) -> Parts:
    lots = session.execute(
        select(BalanceLot.id, BalanceLot.principal_fen, BalanceLot.bonus_fen)
        .where(BalanceLot.member_id == member_id)
        .where(BalanceLot.principal_fen + BalanceLot.bonus_fen > 0)
        .order_by(BalanceLot.id)
        .with_for_update()
    )
    parts: Parts = []
    for id_, principal, bonus in lots:
        if amount_fen == 0:
            break
        own = min(principal, amount_fen)
        given = min(bonus, amount_fen - own)
        amount_fen -= own + given
        parts.append([id_, own, given])
        before = {"id": id_, "principal_fen": principal, "bonus_fen": bonus}
        left = {"principal_fen": principal - own, "bonus_fen": bonus - given}
        rows.must_move(session, BalanceLot, before, left)
    if amount_fen:
        raise rows.NotMoved(f"lots of member {member_id} miss {amount_fen} fen of its balance")
    return parts


def _lot(
    member_id: int, order_id: int | None, paid_fen: int, bonus_fen: int, now: datetime
) -> dict[str, object]:
    return {
        "member_id": member_id,
        "order_id": order_id,
        "paid_fen": paid_fen,
        "given_fen": bonus_fen,
        "principal_fen": paid_fen,
        "bonus_fen": bonus_fen,
        "at": now,
    }


def _merchant_of(session: Session, member_id: int) -> int:
    return session.scalars(select(Member.merchant_id).where(Member.id == member_id)).one()


def _sums(parts: Sequence[Sequence[int]]) -> tuple[int, int]:
    return sum(part[1] for part in parts), sum(part[2] for part in parts)


def _enter(
    session: Session,
    member_id: int,
    kind: BalanceKind,
    principal: int,
    bonus: int,
    cause: str,
    now: datetime,
) -> bool:
    whose = {"merchant_id": _merchant_of(session, member_id), "member_id": member_id}
    amounts = {"principal_fen": principal, "bonus_fen": bonus}
    entry = {**whose, **amounts, "kind": kind, "cause": cause, "at": now}
    if insert_ignore(session, BalanceEntry, [entry]) == 0:
        return False
    claim(
        session,
        update(Member)
        .where(Member.id == member_id)
        .values(
            balance_fen=Member.balance_fen + principal + bonus,
            balance_bonus_fen=Member.balance_bonus_fen + bonus,
        ),
    )
    rows.reread(session, Member, member_id)
    return True
