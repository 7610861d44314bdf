"""A bill for the whole table (AA): equal shares, and the link by which others pay theirs.

Who ordered is the customer: points, visits and the purchase are theirs. Whoever pays a share pays
with their own wallet or stored value, and gets that back if the order ends.
"""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.money import split_fen
from core.numbers import CROCKFORD, random_code
from orders.models import LineKind, Order, OrderState, PaymentState
from payments import billing
from payments.billing import SHARES
from payments.errors import ShareNotFound, SplitInvalid
from payments.models import Bill, BillKind, BillState, SplitLink
from payments.queries import lock_bills_of

FEWEST, MOST = 2, 20


def split_equally(session: Session, order: Order, shares: int, *, now: datetime) -> None:
    """The order is paid in so many shares; the same again: nothing.

    Raises SplitInvalid, PaymentInProgress, OrderExpired or NotPayable.
    """
    found = [bill for bill in lock_bills_of(session, order.id) if bill.state is not BillState.void]
    if len(found) == shares and all(bill.kind is BillKind.share for bill in found):
        return
    billing.split(session, order, equal_parts(order.payable_fen, shares), now=now)
    session.add(
        SplitLink(order_id=order.id, token=f"S{random_code(26, CROCKFORD)}", created_at=now)
    )
    session.flush()


def rejoin(session: Session, order: Order, *, now: datetime) -> None:
    """One pays it all again, and the link leads nowhere.

    Raises PaymentInProgress, OrderExpired or NotPayable.
    """
    billing.join(session, order, SHARES, now=now)
    session.execute(delete(SplitLink).where(SplitLink.order_id == order.id))


def equal_parts(fen: int, shares: int) -> list[int]:
    """To the fen, and together exactly all: the first ones bear a fen more. Raises SplitInvalid."""
    if not FEWEST <= shares <= MOST or fen < shares:
        raise SplitInvalid
    return split_fen(fen, [1] * shares)


def may_split(order: Order, bills: list[Bill]) -> bool:
    """As it is read: whoever splits is asked again under the bills' locks."""
    return (
        order.kind is LineKind.goods
        and order.member_id is not None
        and order.state is OrderState.placed
        and order.payment_state is PaymentState.unpaid
        and order.payable_fen >= FEWEST
        and [bill.kind for bill in bills] == [BillKind.whole]
    )


def find_token(session: Session, order_id: int) -> str | None:
    return session.scalar(select(SplitLink.token).where(SplitLink.order_id == order_id))


def get_shared(session: Session, token: str, merchant_id: int) -> Order:
    """The gate for whoever has the link: a member of the same merchant. Raises ShareNotFound."""
    found = select(Order).join(SplitLink, SplitLink.order_id == Order.id)
    order = session.scalar(found.where(SplitLink.token == token, Order.merchant_id == merchant_id))
    if order is None:
        raise ShareNotFound
    return order
