"""What a refund takes and gives back, by guarded updates: the money of a payment, its lines."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim, insert_ignore
from orders.models import OrderLine
from payments.errors import RefundTooMuch
from payments.models import PAID, PaymentAttempt, Refund, RefundedLine, RefundLine


class Piece(NamedTuple):
    """What one refund takes of one line."""

    line: OrderLine
    pieces: int
    amount_fen: int


def take(session: Session, attempt: PaymentAttempt, amount_fen: int) -> None:
    """Raises RefundTooMuch."""
    taken = claim(
        session,
        update(PaymentAttempt)
        .where(
            PaymentAttempt.id == attempt.id,
            PaymentAttempt.state.in_(PAID),
            PaymentAttempt.refunded_fen + amount_fen <= PaymentAttempt.amount_fen,
        )
        .values(refunded_fen=PaymentAttempt.refunded_fen + amount_fen),
    )
    session.refresh(attempt)
    if taken == 0:
        raise RefundTooMuch(refundable_fen=attempt.amount_fen - attempt.refunded_fen)


def give_back(session: Session, attempt: PaymentAttempt, refund: Refund) -> None:
    """The money that a refund could not carry is free to be asked for again, and its lines are."""
    fen = refund.amount_fen
    given = claim(
        session,
        update(PaymentAttempt)
        .where(PaymentAttempt.id == attempt.id, PaymentAttempt.refunded_fen >= fen)
        .values(refunded_fen=PaymentAttempt.refunded_fen - fen),
    )
    rows.all_moved(PaymentAttempt, given)
    session.refresh(attempt)
    for line in lines_of(session, refund.id):
        freed = claim(
            session,
            update(RefundedLine)
            .where(
                RefundedLine.order_line_id == line.order_line_id,
                RefundedLine.pieces >= line.pieces,
                RefundedLine.amount_fen >= line.amount_fen,
            )
            .values(
                pieces=RefundedLine.pieces - line.pieces,
                amount_fen=RefundedLine.amount_fen - line.amount_fen,
            ),
        )
        rows.all_moved(RefundedLine, freed)


def take_again(session: Session, attempt: PaymentAttempt, refund: Refund) -> bool:
    """Of a refund that had failed and was done all the same: its money is taken once more, and of
    its lines those that no other refund took since. False: the money is gone otherwise."""
    try:
        take(session, attempt, refund.amount_fen)
    except RefundTooMuch:
        return False
    for line in lines_of(session, refund.id):
        if not _take_line(session, line.order_line_id, line.pieces, line.amount_fen):
            session.delete(line)
    return True


def take_lines(session: Session, refund: Refund, pieces: Sequence[Piece]) -> None:
    """Raises RefundTooMuch when a line has less left, in pieces or in money."""
    if not pieces:
        return
    insert_ignore(
        session,
        RefundedLine,
        [
            {
                "order_line_id": line.id,
                "order_id": refund.order_id,
                "quantity": line.quantity,
                "payable_fen": line.payable_fen,
                "pieces": 0,
                "amount_fen": 0,
            }
            for line, _, _ in pieces
        ],
    )
    for line, number, fen in pieces:
        if not _take_line(session, line.id, number, fen):
            raise RefundTooMuch(f"{line.name}已经退过了")
    asked = [
        {"refund_id": refund.id, "order_line_id": line.id, "pieces": number, "amount_fen": fen}
        for line, number, fen in pieces
    ]
    rows.add_all(session, RefundLine, asked)


def _take_line(session: Session, line_id: int, pieces: int, fen: int) -> bool:
    taken = claim(
        session,
        update(RefundedLine)
        .where(
            RefundedLine.order_line_id == line_id,
            RefundedLine.pieces + pieces <= RefundedLine.quantity,
            RefundedLine.amount_fen + fen <= RefundedLine.payable_fen,
        )
        .values(pieces=RefundedLine.pieces + pieces, amount_fen=RefundedLine.amount_fen + fen),
    )
    return taken == 1


def lines_of(session: Session, refund_id: int) -> Sequence[RefundLine]:
    mine = select(RefundLine).where(RefundLine.refund_id == refund_id)
    return session.scalars(mine.order_by(RefundLine.order_line_id)).all()


def pieces_of(session: Session, refund_id: int) -> list[Piece]:
    """The same lines once more, for a refund that takes another's place."""
    found = session.execute(
        select(OrderLine, RefundLine.pieces, RefundLine.amount_fen)
        .join(RefundLine, RefundLine.order_line_id == OrderLine.id)
        .where(RefundLine.refund_id == refund_id)
        .order_by(OrderLine.id)
    )
    return [Piece(*row) for row in found]
