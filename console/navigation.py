"""What the frame around every page asks: may I, and how much is waiting."""

from analytics import day
from console import state
from console.access import Me
from core.database import reading


def may(permission: str) -> bool:
    """Whether the staff member of this request may do something; "" is for everybody."""
    found: Me | None = state.find("me")
    return found is not None and found.may(permission)


def waiting_orders() -> int:
    """Paid orders that nobody has accepted, for the badge beside 订单."""
    found: Me | None = state.find("me")
    if found is None or not found.may("orders.view"):
        return 0
    with reading() as session:
        return day.waiting(session, found.store_ids)[0]
