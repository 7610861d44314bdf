"""What failed and is asked for again: found, so that one refund answers it, and whether there is
room for it still.

Always true: a refund that failed has one successor at most; who asks for just its money, whatever
for, asks for it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from core.money import format_yuan
from orders.models import Order, OrderLine
from payments.models import (
    DONE_BEFORE,
    HOLDING,
    PaymentAttempt,
    Refund,
    RefundedLine,
    RefundLine,
    RefundState,
)
from payments.refunding import taking
from payments.refunding.taking import Piece

HOLDS_MONEY = or_(Refund.state != RefundState.failed, Refund.error.in_(HOLDING))
"""A refund that was asked for and did not fail for good: an abnormal one still holds its money,
and so does one that was sent to another account."""


def is_open() -> ColumnElement[bool]:
    """Failed for good, and nothing was asked for in its place."""
    later = aliased(Refund)
    return and_(
        Refund.state == RefundState.failed,
        Refund.error.not_in((*HOLDING, DONE_BEFORE)),
        ~exists().where(later.replaces_id == Refund.id),
    )


def is_all_back() -> ColumnElement[bool]:
    """Each line that it was for came back in full by other refunds, and it was for nothing else."""
    mine = select(func.coalesce(func.sum(RefundLine.amount_fen), 0)).where(
        RefundLine.refund_id == Refund.id
    )
    some_left = exists().where(
        RefundLine.refund_id == Refund.id,
        RefundedLine.order_line_id == RefundLine.order_line_id,
        RefundedLine.amount_fen < RefundedLine.payable_fen,
    )
    return and_(mine.scalar_subquery() == Refund.amount_fen, ~some_left)


def find_failed(
    session: Session,
    attempt_ids: Sequence[int],
    parts: tuple[int, int],
    pieces: Sequence[Piece],
    delivery_fen: int,
) -> Refund | None:
    """The one of these payments that failed and has no successor yet, of just this money by channel
    and by balance, for just these lines. Where no line is asked for, any of this money: the lines
    of one that carries no piece (another refund of its batch does) can't be asked for at all, and
    the payer is owed it once."""
    channel_fen, balance_fen = parts
    mine = select(Refund).where(
        Refund.attempt_id.in_(attempt_ids),
        Refund.channel_fen == channel_fen,
        Refund.balance_fen == balance_fen,
        is_open(),
    )
    found = session.scalars(mine.order_by(Refund.id)).all()
    wanted = {(piece.line.id, piece.pieces, piece.amount_fen) for piece in pieces}
    for failed in found:
        lines = taking.lines_of(session, failed.id)
        same = {(line.order_line_id, line.pieces, line.amount_fen) for line in lines} == wanted
        if same and failed.delivery_fen == delivery_fen:
            return failed
    if pieces:
        return None
    for failed in found:
        if delivery_fen in (0, failed.delivery_fen) and not gone_otherwise(session, failed):
            return failed
    return None


def find_together(
    session: Session,
    channel_left: Mapping[int, int],
    amount_fen: int,
    pieces: Sequence[Piece],
    delivery_fen: int,
) -> list[Refund]:
    """Of what failed of these payments all, or all of one batch, where that is just what is asked
    for; `channel_left`: what each payment's channel may still give."""
    mine = select(Refund).where(Refund.attempt_id.in_(channel_left), is_open())
    found = [
        each
        for each in session.scalars(mine.order_by(Refund.id))
        if each.channel_fen <= channel_left[each.attempt_id] and not gone_otherwise(session, each)
    ]
    wanted = {piece.line.id: (piece.pieces, piece.amount_fen) for piece in pieces}
    groups = [[each for each in found if each.batch == batch] for batch in {f.batch for f in found}]
    for group in [*groups, found]:
        alone = len({each.attempt_id for each in group}) == len(group) > 1
        if not alone or sum(each.channel_fen for each in group) != amount_fen:
            continue
        lines: dict[int, tuple[int, int]] = {}
        for line in (line for each in group for line in taking.lines_of(session, each.id)):
            number, fen = lines.get(line.order_line_id, (0, 0))
            lines[line.order_line_id] = number + line.pieces, fen + line.amount_fen
        same = (lines, sum(each.delivery_fen for each in group)) == (wanted, delivery_fen)
        if same or not (pieces or delivery_fen):
            return group
    return []


def went_on(session: Session, order_id: int, since: datetime) -> bool:
    """Whether one that had failed by then was asked for again afterwards."""
    later = aliased(Refund)
    mine = select(later.id).join(Refund, Refund.id == later.replaces_id)
    after = (Refund.settled_at <= since, later.requested_at >= since)
    return session.scalar(mine.where(later.order_id == order_id, *after).limit(1)) is not None


def gone_otherwise(session: Session, refund: Refund) -> str:
    """Of one that failed: what of it went back otherwise since, in words; "" while all of it may
    still be asked for."""
    attempt = session.get_one(PaymentAttempt, refund.attempt_id)
    if refund.amount_fen > (left := max(attempt.amount_fen - attempt.refunded_fen, 0)):
        return f"这笔付款只剩 ¥{format_yuan(left)} 可退，其余的后来已经另外退了"
    full = (
        select(OrderLine.name)
        .join(RefundLine, RefundLine.order_line_id == OrderLine.id)
        .join(RefundedLine, RefundedLine.order_line_id == OrderLine.id)
        .where(
            RefundLine.refund_id == refund.id,
            or_(
                RefundedLine.pieces + RefundLine.pieces > RefundedLine.quantity,
                RefundedLine.amount_fen + RefundLine.amount_fen > RefundedLine.payable_fen,
            ),
        )
    )
    if name := session.scalar(full.order_by(OrderLine.position).limit(1)):
        return f"{name}的钱后来已经另外退了"
    if refund.delivery_fen:
        order = session.get_one(Order, refund.order_id)
        if refund.delivery_fen > delivery_left_fen(session, order):
            return "配送费后来已经另外退了"
    return ""


def list_failed(session: Session, order_id: int) -> Sequence[Refund]:
    """Those of an order that did not arrive and whose money waits for somebody: nothing was asked
    for in their place, or it is still theirs."""
    mine = select(Refund).where(
        Refund.order_id == order_id,
        Refund.state == RefundState.failed,
        or_(Refund.error.in_(HOLDING), is_open()),
    )
    found = session.scalars(mine.order_by(Refund.id))
    return [one for one in found if one.error in HOLDING or not gone_otherwise(session, one)]


def delivery_left_fen(session: Session, order: Order) -> int:
    """What was charged for no line is the delivery fee; that, less what was asked back of it."""
    lines = select(func.coalesce(func.sum(OrderLine.payable_fen), 0))
    charged = order.payable_fen - int(
        session.scalar(lines.where(OrderLine.order_id == order.id)) or 0
    )
    asked = select(func.coalesce(func.sum(Refund.delivery_fen), 0))
    gone = session.scalar(asked.where(Refund.order_id == order.id, HOLDS_MONEY))
    return max(charged - int(gone or 0), 0)
