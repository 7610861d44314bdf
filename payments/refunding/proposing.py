"""What a refund would be, to the fen, before anything moves: shown beside the button, and asked
for by it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.money import format_yuan
from orders.models import Order, OrderLine
from payments.errors import NothingToRefund, RefundAmountInvalid, RefundTooMuch
from payments.models import (
    AttemptState,
    Bill,
    BillKind,
    PaymentAttempt,
    Refund,
    RefundedLine,
)
from payments.refunding import again, amounts, taking
from payments.refunding.again import HOLDS_MONEY, delivery_left_fen
from payments.refunding.amounts import Source, Taken
from payments.refunding.taking import Piece
from payments.refunding.wanted import Wanted


@dataclass(frozen=True)
class LinePart:
    line: OrderLine
    pieces: int
    amount_fen: int
    restock: bool


@dataclass(frozen=True)
class Proposal:
    """`lines`, `delivery_fen` and `free_fen` add up to what `sources` give back. `left_fen`: what
    the order had to give. `cut_fen`: what its parts were worth more than that, because an amount
    for no goods in particular went back before."""

    lines: tuple[LinePart, ...]
    delivery_fen: int
    free_fen: int
    sources: tuple[Source, ...]
    left_fen: int
    cut_fen: int = 0

    @property
    def amount_fen(self) -> int:
        return sum(part.amount_fen for part in self.lines) + self.delivery_fen + self.free_fen

    @property
    def balance_fen(self) -> int:
        return sum(source.balance_fen for source in self.sources)


def propose(session: Session, order: Order, wanted: Wanted) -> Proposal:
    """Raises NothingToRefund, RefundAmountInvalid, RefundTooMuch; nothing is locked or changed."""
    sources = list_sources(session, order.id)
    if not sources:
        raise NothingToRefund
    left = sum(source.channel_fen + source.balance_fen for source in sources)
    lines = _lines(session, order, wanted)
    worth = [amounts.of_pieces(taken, wanted.pieces[line.position]) for line, taken in lines]
    if min(wanted.delivery_fen, wanted.free_fen) < 0:
        raise RefundAmountInvalid
    if wanted.delivery_fen and wanted.delivery_fen > delivery_left_fen(session, order):
        raise RefundTooMuch("配送费没有收这么多")
    asked = sum(worth) + wanted.delivery_fen + wanted.free_fen
    if asked == 0:
        raise RefundAmountInvalid
    if left == 0 or wanted.free_fen > left:
        raise RefundTooMuch(refundable_fen=left)
    parts = amounts.cut([*worth, wanted.delivery_fen], left - wanted.free_fen)
    whole = sum(parts) + wanted.free_fen
    of_lines = tuple(
        LinePart(line, wanted.pieces[line.position], fen, line.position in wanted.restock)
        for (line, _), fen in zip(lines, parts, strict=False)
    )
    return Proposal(
        lines=of_lines,
        delivery_fen=parts[-1],
        free_fen=wanted.free_fen,
        sources=_sources_for(session, sources, whole, of_lines, parts[-1]),
        left_fen=left,
        cut_fen=asked - whole,
    )


def _sources_for(
    session: Session,
    sources: Sequence[Source],
    amount_fen: int,
    lines: Sequence[LinePart],
    delivery_fen: int,
) -> tuple[Source, ...]:
    """Where it goes back to: what failed at one channel and is asked for again goes the way that it
    was on; else as it falls on what is left of all."""
    able = [source.attempt_id for source in sources if source.channel_fen >= amount_fen]
    if able and (len(sources) > 1 or sources[0].balance_fen):
        pieces = [Piece(part.line, part.pieces, part.amount_fen) for part in lines]
        failed = again.find_failed(session, able, (amount_fen, 0), pieces, delivery_fen)
        if failed is not None:
            return (Source(failed.attempt_id, amount_fen, 0),)
    if len(sources) > 1:
        pieces = [Piece(part.line, part.pieces, part.amount_fen) for part in lines]
        channels = {source.attempt_id: source.channel_fen for source in sources}
        together = again.find_together(session, channels, amount_fen, pieces, delivery_fen)
        parts = {each.attempt_id: each.channel_fen for each in together}
        if parts:
            ids = [source.attempt_id for source in sources if source.attempt_id in parts]
            return tuple(Source(id_, parts[id_], 0) for id_ in ids)
    return tuple(amounts.from_sources(amount_fen, sources))


def list_sources(session: Session, order_id: int) -> list[Source]:
    """What is left of every payment that paid the order, the newest bill first."""
    found = select(PaymentAttempt, Bill.kind).join(Bill, Bill.id == PaymentAttempt.bill_id)
    mine = found.where(
        Bill.order_id == order_id,
        PaymentAttempt.state == AttemptState.succeeded,
        PaymentAttempt.amount_fen > 0,
    )
    newest = mine.order_by(Bill.seq.desc(), PaymentAttempt.id.desc())
    paid = session.execute(newest.execution_options(populate_existing=True)).all()
    sources = sources_of(session, [attempt for attempt, _ in paid])
    kinds = [kind for _, kind in paid]
    return [
        source._replace(share=kind is BillKind.share)
        for source, kind in zip(sources, kinds, strict=True)
    ]


def sources_of(session: Session, attempts: Sequence[PaymentAttempt]) -> list[Source]:
    """What is left of these payments. One that came too late gives back what its channel took:
    its part of the balance was never spent."""
    sums = (
        select(Refund.attempt_id, func.sum(Refund.channel_fen), func.sum(Refund.balance_fen))
        .where(Refund.attempt_id.in_([attempt.id for attempt in attempts]), HOLDS_MONEY)
        .group_by(Refund.attempt_id)
    )
    gone = {row[0]: (int(row[1]), int(row[2])) for row in session.execute(sums)}
    left = []
    for attempt in attempts:
        channel, balance = gone.get(attempt.id, (0, 0))
        spent = attempt.balance_fen if attempt.state is AttemptState.succeeded else 0
        paid = (attempt.channel_fen, spent)
        left.append(amounts.left_of(attempt.id, paid, (channel, balance)))
    return left


def taken_of(session: Session, order_id: int) -> list[tuple[OrderLine, Taken]]:
    """Every line of an order with what was asked back of it."""
    found = session.execute(
        select(OrderLine, RefundedLine.pieces, RefundedLine.amount_fen)
        .outerjoin(RefundedLine, RefundedLine.order_line_id == OrderLine.id)
        .where(OrderLine.order_id == order_id)
        .order_by(OrderLine.position)
    )
    return [
        (line, Taken(line.quantity, line.payable_fen, pieces or 0, fen or 0))
        for line, pieces, fen in found
    ]


def failed_of(session: Session, order_id: int) -> dict[int, int]:
    """Of each line what was asked back and did not arrive, and waits for somebody."""
    found: Counter[int] = Counter()
    for refund in again.list_failed(session, order_id):
        for part in taking.lines_of(session, refund.id):
            found[part.order_line_id] += part.amount_fen
    return dict(found)


def _lines(session: Session, order: Order, wanted: Wanted) -> list[tuple[OrderLine, Taken]]:
    """The lines of which something is wanted. Raises RefundAmountInvalid, RefundTooMuch."""
    if not wanted.pieces:
        return []
    known = {line.position: (line, taken) for line, taken in taken_of(session, order.id)}
    for position, pieces in wanted.pieces.items():
        if position not in known or pieces < 1:
            raise RefundAmountInvalid
        line, taken = known[position]
        if pieces > (left := taken.quantity - taken.pieces):
            raise RefundTooMuch(
                f"{line.name}只剩 {left} 份可退" if left else _all_back(session, line)
            )
    return [known[position] for position in sorted(wanted.pieces)]


def _all_back(session: Session, line: OrderLine) -> str:
    """Why no piece of it can be asked for: all came back, or of some the money did not arrive."""
    fen = failed_of(session, line.order_id).get(line.id)
    if not fen:
        return f"{line.name}已经退过了"
    return f"{line.name}有 ¥{format_yuan(fen)} 没退成，到「退款」里处理"
