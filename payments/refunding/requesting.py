"""Asking for money back: the balance has its part at once, the channel is told by a job."""

from collections import Counter
from datetime import datetime

from sqlalchemy.orm import Session

from catalogue import stock
from orders.models import LineKind, Order, OrderState, PaymentState
from payments import plan_refunds
from payments.errors import NothingToRefund, RefundAmountInvalid, RefundTooMuch
from payments.models import PaymentAttempt, Refund
from payments.queries import lock_bills_of
from payments.refunding import again, amounts, outcomes, taking, writing
from payments.refunding.amounts import Source
from payments.refunding.proposing import Proposal, propose, sources_of
from payments.refunding.taking import Piece
from payments.refunding.wanted import Wanted, free

PLANS = (LineKind.top_up, LineKind.membership, LineKind.card)


def request(
    session: Session,
    order: Order,
    wanted: Wanted | int,
    reason: str,
    actor: str,
    now: datetime,
) -> Refund:
    """Ask for part or all of an order's money back; an int is an amount for no goods in particular.

    The first of the refunds that it takes, and all are its `batch`: each payment gives back to its
    channel and to the balance apart. Raises RefundAmountInvalid, NothingToRefund, RefundTooMuch.
    """
    wanted = free(wanted) if isinstance(wanted, int) else wanted
    if order.kind in PLANS and (wanted.pieces or wanted.delivery_fen):
        raise RefundAmountInvalid
    lock_bills_of(session, order.id)
    session.refresh(order)
    if order.payment_state is PaymentState.part_paid and order.state is not OrderState.cancelled:
        raise NothingToRefund("还没有付完，要退就取消订单")
    proposal = propose(session, order, wanted)
    earlier = plan_refunds.failed_fen(session, order)
    refunds = _write(session, order, proposal, reason=reason, actor=actor, now=now)
    whole = proposal.amount_fen
    plan_refunds.take(session, order, refunds[0], whole, earlier, now=now)
    for refund in refunds:
        outcomes.settle_balance(session, refund, order, now)
    pieces: Counter[int] = Counter()
    for part in proposal.lines:
        if part.restock and part.line.sku_id is not None:
            pieces[part.line.sku_id] += part.pieces
    if pieces:
        stock.put_back(session, order.id, pieces, now)
    return refunds[0]


def request_of(
    session: Session,
    attempt: PaymentAttempt,
    order: Order,
    amount_fen: int,
    *,
    reason: str,
    actor: str,
    now: datetime,
    batch: str = "",
) -> Refund:
    """An amount of one payment, which need not be one that paid the order; `batch`: of the refunds
    that it is asked for with."""
    if amount_fen <= 0:
        raise RefundAmountInvalid
    [source] = sources_of(session, [attempt])
    left = source.channel_fen + source.balance_fen
    if amount_fen > left:
        raise RefundTooMuch(refundable_fen=left)
    sources = tuple(amounts.from_sources(amount_fen, [source]))
    proposal = Proposal((), 0, amount_fen, sources, left)
    refunds = _write(session, order, proposal, reason=reason, actor=actor, now=now, batch=batch)
    for refund in refunds:
        outcomes.settle_balance(session, refund, order, now)
    return refunds[0]


def _write(
    session: Session,
    order: Order,
    proposal: Proposal,
    *,
    reason: str,
    actor: str,
    now: datetime,
    batch: str = "",
) -> list[Refund]:
    """A refund for each channel and each balance; channels first, which carry the pieces. What
    failed before and is asked for again is answered by it."""
    ways = [(s.attempt_id, Source(s.attempt_id, s.channel_fen, 0)) for s in proposal.sources]
    ways += [(s.attempt_id, Source(s.attempt_id, 0, s.balance_fen)) for s in proposal.sources]
    ways = [(id_, way) for id_, way in ways if way.channel_fen + way.balance_fen]
    parts = [part.amount_fen for part in proposal.lines] + [proposal.delivery_fen]
    rooms = [way.channel_fen + way.balance_fen for _, way in ways]
    filled = amounts.fill(rooms, [*parts, proposal.free_fen])
    refunds: list[Refund] = []
    carried: set[int] = set()
    for (attempt_id, way), here in zip(ways, filled, strict=True):
        both = (way.channel_fen, way.balance_fen)
        pieces = []
        for number, part in enumerate(proposal.lines):
            first = number not in carried and (here[number] or not part.amount_fen)
            if first or here[number]:
                pieces.append(Piece(part.line, part.pieces if first else 0, here[number]))
                carried.add(number)
        delivery_fen = here[-2]
        failed = again.find_failed(session, [attempt_id], both, pieces, delivery_fen)
        if failed is not None:  # it stands for whatever that one was for
            pieces, delivery_fen = taking.pieces_of(session, failed.id), failed.delivery_fen
        refunds.append(
            writing.write(
                session,
                session.get_one(PaymentAttempt, attempt_id),
                order,
                way,
                pieces,
                delivery_fen=delivery_fen,
                batch=refunds[0].batch if refunds else batch,
                reason=reason,
                actor=actor,
                now=now,
                replaces=failed,
            )
        )
    return refunds
