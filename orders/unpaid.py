"""How much a member may leave unpaid: each such order keeps stock from everybody else."""

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.orm import Session

from core import idempotency
from crm.models import Member
from orders.errors import TooManyPieces, TooManyUnpaid
from orders.models import Order, OrderLine, OrderState, PaymentState
from orders.placing import scope_of
from orders.quoting import MOST_OF_ONE, Cart

MOST = 3

# A paid deposit is money put down, perhaps for weeks: that counts no more. A share is no such
# thing: a fen of it would keep the stock of as many orders as anybody likes.
_UNPAID = (Order.state == OrderState.placed) & or_(
    Order.payment_state == PaymentState.unpaid,
    (Order.payment_state == PaymentState.part_paid) & Order.in_shares.is_(True),
)

# One statement, built once. The count hangs on the locked row, so it is read after the wait for it.
_LOCK_AND_COUNT = (
    select(
        select(func.count())
        .where(Order.member_id == Member.id, _UNPAID)
        .correlate(Member)
        .scalar_subquery()
    )
    .where(Member.id == bindparam("member_id"))
    .with_for_update()
)


def check(session: Session, member: Member, cart: Cart, *, key: str) -> None:
    """Raise TooManyUnpaid when the member holds MOST unpaid orders (those of which only shares are
    paid among them) and `key` asks for another;
    TooManyPieces when those and this one together hold too much of one SKU.

    First in the transaction that places. It holds the member's row until the end, so however
    many requests come at once, at most MOST orders of one member of one merchant are unpaid: each
    request waits for the one before and, under READ COMMITTED, counts what that one committed.
    Placing shares a lock of the same row before any coupon or stock anyway (the order's foreign
    key), so the lock order stays. What was asked for before under `key` is let through, to be
    answered again.
    """
    held = session.scalar(_LOCK_AND_COUNT, {"member_id": member.id}) or 0
    if held == 0 or idempotency.is_known(session, scope=scope_of(member), key=key):
        return
    if held >= MOST:
        raise TooManyUnpaid(f"你有 {held} 单还没付完，先付款或取消一单，再下新单", unpaid=held)
    _check_pieces(session, member, cart)


def _check_pieces(session: Session, member: Member, cart: Cart) -> None:
    held = (
        select(OrderLine.sku_id, func.sum(OrderLine.quantity))
        .join(Order, Order.id == OrderLine.order_id)
        .where(Order.member_id == member.id, _UNPAID)
        .group_by(OrderLine.sku_id)
    )
    wanted = cart.pieces
    for sku_id, quantity in session.execute(held):
        if sku_id is not None and sku_id in wanted and wanted[sku_id] + int(quantity) > MOST_OF_ONE:
            raise TooManyPieces(f"没付完的单里已有 {quantity} 件，同一样最多 {MOST_OF_ONE} 件")
