"""How many orders a member may leave unpaid: each of them keeps stock from everybody else."""

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from core import idempotency
from crm.models import Member
from orders.errors import TooManyUnpaid
from orders.models import Order, OrderState, PaymentState
from orders.placing import scope_of

MOST = 3

# One statement, built once. The count hangs on the locked row, so it is read after the wait for it.
_LOCK_AND_COUNT = (
    select(
        select(func.count())
        .where(
            Order.member_id == Member.id,
            Order.payment_state == PaymentState.unpaid,
            Order.state == OrderState.placed,
        )
        .correlate(Member)
        .scalar_subquery()
    )
    .where(Member.id == bindparam("member_id"))
    .with_for_update()
)


def check(session: Session, member: Member, *, key: str) -> None:
    """Raise TooManyUnpaid when the member holds MOST unpaid orders and `key` asks for another.

    First in the transaction that places. It holds the member's row until the end, so however
    many requests come at once, at most MOST orders of one member of one merchant are unpaid: each
    request waits for the one before and, under READ COMMITTED, counts what that one committed.
    Placing shares a lock of the same row before any coupon or stock anyway (the order's foreign
    key), so the lock order stays. What was asked for before under `key` is let through, to be
    answered again.
    """
    held = session.scalar(_LOCK_AND_COUNT, {"member_id": member.id}) or 0
    if held < MOST or idempotency.is_known(session, scope=scope_of(member), key=key):
        return
    raise TooManyUnpaid(f"你有 {held} 单还没付款，先付款或取消一单，再下新单", unpaid=held)
