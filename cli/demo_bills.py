"""Orders of the demo that are paid in several bills: a deposit whose rest is still open, a table
that shared, and one of which only a friend has paid a share so far."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.pricing import Item
from cli import demo_orders
from core.outbox import enqueue
from crm.models import Member
from merchants.models import Merchant, Store
from orders.models import Fulfilment, Order
from orders.placing import place
from orders.quoting import Cart
from payments import billing, splitting
from payments.models import Bill, BillState

CUPS, DEPOSIT_PERCENT, REST_DAYS = 20, 30, 5


def run(session: Session, merchant: Merchant, store: Store, now: datetime) -> list[Order]:
    """Those that are still open."""
    mine = select(Member).where(Member.merchant_id == merchant.id, Member.orders_count > 0)
    guests = session.scalars(mine.order_by(Member.orders_count.desc(), Member.id).limit(3)).all()
    if len(guests) < 3:
        return []
    host, guest, friend = guests
    deposit = _deposit(session, store, host, now - timedelta(hours=20))
    _shared(session, store, guest, friend, now - timedelta(hours=18))
    begun = _begun(session, store, guest, friend, now - timedelta(minutes=4))
    return [deposit, begun]


def let_end(session: Session, orders: Sequence[Order]) -> None:
    """What stays open ends by itself, like any other."""
    for order in orders:
        key = f"orders.expire:{order.id}"
        run_at = order.expires_at
        enqueue(session, "orders.expire", run_at=run_at, key=key, order_id=order.id)


def _deposit(session: Session, store: Store, host: Member, at: datetime) -> Order:
    order = _place(session, store, host, CUPS, "周六下午开会用，请分成两袋", at)
    deposit_fen = order.payable_fen * DEPOSIT_PERCENT // 100
    agreed = at + timedelta(minutes=6)
    rest_by = agreed + timedelta(days=REST_DAYS)
    billing.open_deposit(session, order, deposit_fen, rest_by=rest_by, now=agreed)
    demo_orders.pay(session, order, at + timedelta(minutes=9), seq=_open(session, order)[0])
    return order


def _shared(session: Session, store: Store, guest: Member, friend: Member, at: datetime) -> None:
    order = _place(session, store, guest, 2, "", at)
    splitting.split_equally(session, order, 2, now=at + timedelta(seconds=30))
    mine, theirs = _open(session, order)
    demo_orders.pay(session, order, at + timedelta(minutes=1), seq=mine)
    paid = at + timedelta(minutes=3)
    demo_orders.pay(session, order, paid, seq=theirs, payer=friend)
    demo_orders.hand_over(session, order, paid, random.Random(19))


def _begun(session: Session, store: Store, guest: Member, friend: Member, at: datetime) -> Order:
    order = _place(session, store, guest, 3, "", at)
    splitting.split_equally(session, order, 3, now=at + timedelta(seconds=30))
    seq = _open(session, order)[1]
    demo_orders.pay(session, order, at + timedelta(minutes=2), seq=seq, payer=friend)
    return order


def _place(
    session: Session, store: Store, member: Member, cups: int, note: str, at: datetime
) -> Order:
    item, *_ = demo_orders.items(demo_orders.on_shelf(session, store), random.Random(cups))
    cart = Cart(store.id, Fulfilment.pickup, (Item(item.sku_id, cups, item.option_ids),))
    order, _ = place(session, cart, member, key=f"demo:bills:{cups}", note=note, now=at)
    billing.open_bill(session, order)
    return order


def _open(session: Session, order: Order) -> list[int]:
    """The numbers of the bills that nobody has paid."""
    found = select(Bill.seq).where(Bill.order_id == order.id, Bill.state == BillState.open)
    return list(session.scalars(found.order_by(Bill.seq)))
