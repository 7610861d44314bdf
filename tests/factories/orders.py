"""Orders for tests; `make_order` writes the row alone, `place_order` goes through the verb."""

import itertools
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from core.clock import business_day
from core.numbers import order_no
from crm.models import Member
from merchants.models import Store
from orders.models import Order
from tests.conftest import NOW

_numbers = itertools.count(1)


def make_order(
    session: Session, member: Member, store: Store, *, payable_fen: int = 2200, **values: Any
) -> Order:
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "no": order_no(NOW),
        "business_day": business_day(NOW),
        "pickup_number": f"T{number}",
        "pickup_code": f"{number:06}",
        "goods_fen": payable_fen,
        "payable_fen": payable_fen,
        "placed_at": NOW,
        "expires_at": NOW + timedelta(minutes=15),
    }
    order = Order(
        merchant_id=store.merchant_id,
        store_id=store.id,
        member_id=member.id,
        **(defaults | values),
    )
    session.add(order)
    session.flush()
    return order
