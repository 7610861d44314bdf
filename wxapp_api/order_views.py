"""Orders as the member reads them."""

from collections.abc import Sequence, Set
from datetime import datetime, timedelta
from typing import Literal

from core import clock
from orders import words
from orders.cancelling import member_may_cancel
from orders.models import OWING, Order, OrderHistory, OrderLine, OrderState, PaymentState
from orders.queries import Details, Listed
from orders.telling import title
from payments.attempts import HELD_FOR, takes_balance
from payments.models import UNSETTLED, Bill, BillKind, BillState, Channel, PaymentAttempt, Refund
from payments.queries import is_paid
from payments.splitting import may_split
from wxapp_api.schemas.orders import (
    BillOut,
    HistoryOut,
    OrderOut,
    OrderRow,
    OrderStore,
    OrderTable,
    PaymentPartOut,
    RefundOut,
)
from wxapp_api.schemas.quotes import ChosenOption, DiscountOut, LineOut

UNFINISHED = (OrderState.placed, OrderState.accepted, OrderState.preparing)
OPEN = (*UNFINISHED, OrderState.ready)
PAID = (PaymentState.paid, PaymentState.part_refunded)

Bills = Sequence[tuple[Bill, PaymentAttempt | None]]


def order_out(
    found: Details,
    bills: Bills,
    refunds: Sequence[Refund] = (),
    split_token: str | None = None,
    friends: Set[int] = frozenset(),
) -> OrderOut:
    """`bills`: each with the attempt that counts; `friends`: the attempts that others paid."""
    order, store = found.order, found.store
    return OrderOut(
        no=order.no,
        state=order.state.value,
        payment_state=order.payment_state.value,
        state_text=words.state(order),
        fulfilment=order.fulfilment.value,
        kind=order.kind.value,
        store=OrderStore.model_validate(store),
        table=OrderTable.model_validate(found.table) if found.table else None,
        pickup_number=order.pickup_number or "",
        pickup_code=pickup_code(order),
        lines=[line_out(line) for line in found.lines],
        discounts=[
            DiscountOut(
                kind=each.kind.value,
                id=str(each.ref_id),
                name=each.name,
                reason=each.reason,
                amount_fen=each.amount_fen,
                lines=each.per_line,
            )
            for each in found.discounts
        ],
        goods_fen=order.goods_fen,
        discount_fen=order.discount_fen,
        payable_fen=order.payable_fen,
        paid_fen=order.paid_fen,
        refunded_fen=order.refunded_fen,
        coupon_id=str(order.coupon_id) if order.coupon_id else None,
        note=order.note,
        placed_at=order.placed_at,
        expires_at=pay_before(order),
        paid_at=order.paid_at,
        accepted_at=order.accepted_at,
        ready_at=order.ready_at,
        completed_at=order.completed_at,
        cancelled_at=order.cancelled_at,
        cancel_reason=order.cancel_reason,
        ready_by=ready_by(order, store.prep_minutes),
        can_cancel=member_may_cancel(order),
        history=[history_out(entry) for entry in found.history],
        balance_usable=takes_balance(order)
        and order.payment_state in OWING
        and order.state is OrderState.placed,
        bills=[bill_out(bill, attempt) for bill, attempt in bills],
        can_split=may_split(order, [bill for bill, _ in bills]),
        split_token=split_token,
        payments=[part for _, attempt in bills if attempt for part in parts_out(attempt)],
        refunds=[refund_out(refund, refund.attempt_id in friends) for refund in refunds],
    )


def order_row(found: Listed) -> OrderRow:
    order, lines = found.order, found.lines
    return OrderRow(
        no=order.no,
        state=order.state.value,
        payment_state=order.payment_state.value,
        state_text=words.state(order),
        fulfilment=order.fulfilment.value,
        kind=order.kind.value,
        store_id=str(order.store_id),
        store_name=found.store.name,
        pickup_number=order.pickup_number or "",
        title=title(lines),
        images=[line.image for line in lines[:4]],
        quantity=sum(line.quantity for line in lines),
        payable_fen=order.payable_fen,
        placed_at=order.placed_at,
        expires_at=pay_before(order),
    )


def line_out(line: OrderLine) -> LineOut:
    return LineOut(
        sku_id=str(line.sku_id) if line.sku_id else None,
        product_id=str(line.product_id) if line.product_id else None,
        name=line.name,
        sku_name=line.sku_name,
        image=line.image,
        options=[ChosenOption.model_validate(option) for option in line.options],
        options_text=line.options_text,
        quantity=line.quantity,
        unit_fen=line.unit_fen,
        amount_fen=line.amount_fen,
        discount_fen=line.discount_fen,
        payable_fen=line.payable_fen,
    )


def history_out(entry: OrderHistory) -> HistoryOut:
    return HistoryOut(
        at=entry.at,
        who=words.who(entry.actor),
        kind=entry.kind.value,
        before=entry.before,
        after=entry.after,
        text=words.history(entry),
        reason=entry.reason,
    )


def bill_out(bill: Bill, attempt: PaymentAttempt | None) -> BillOut:
    return BillOut(
        bill=bill.seq,
        kind=bill.kind.value,
        amount_fen=bill.amount_fen,
        state=bill_state(bill, attempt, None),
        due_at=bill.due_at if bill.state is BillState.open else None,
    )


def bill_state(
    bill: Bill, attempt: PaymentAttempt | None, payer_id: int | None
) -> Literal["open", "taken", "paid"]:
    """As it is for `payer_id` (None: the order's own member)."""
    if bill.state is BillState.paid:
        return "paid"
    if bill.kind is not BillKind.share or attempt is None or attempt.state not in UNSETTLED:
        return "open"
    taken = attempt.member_id != payer_id and clock.now() - attempt.created_at < HELD_FOR
    return "taken" if taken else "open"


def parts_out(attempt: PaymentAttempt) -> list[PaymentPartOut]:
    """A live attempt, its balance before its channel; what others only began says nothing yet."""
    if attempt.member_id is not None and not is_paid(attempt):
        return []
    parts = {Channel.balance: attempt.balance_fen}
    parts[attempt.channel] = parts.get(attempt.channel, 0) + attempt.channel_fen
    state: Literal["waiting", "paid"] = "paid" if is_paid(attempt) else "waiting"
    return [
        PaymentPartOut(channel=channel.value, amount_fen=fen, state=state)
        for channel, fen in parts.items()
        if fen
    ]


def refund_out(refund: Refund, to_friend: bool) -> RefundOut:
    return RefundOut(
        no=refund.out_refund_no,
        batch=refund.batch,
        amount_fen=refund.amount_fen,
        channel_fen=refund.channel_fen,
        balance_fen=refund.balance_fen,
        to_friend=to_friend,
        state=refund.state.value,
        reason=refund.reason,
        at=refund.requested_at,
    )


def pickup_code(order: Order) -> str | None:
    """Shown from payment until the goods are handed over."""
    return order.pickup_code if order.state in OPEN and order.payment_state in PAID else None


def pay_before(order: Order) -> datetime | None:
    waiting = order.state is OrderState.placed and order.payment_state in OWING
    return order.expires_at if waiting else None


def ready_by(order: Order, minutes: int) -> datetime | None:
    """When it is likely to be ready: the store's usual minutes after payment."""
    if order.paid_at is None or order.state not in UNFINISHED:
        return None
    return order.paid_at + timedelta(minutes=minutes)
