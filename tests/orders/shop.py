"""A small shop for tests of orders: a store with tea on the shelf and a member with coupons."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from catalogue.models import Sku
from catalogue.pricing import Item
from crm.models import Member
from merchants.models import Merchant, Store
from orders.models import Fulfilment, Order
from orders.placing import place
from orders.quoting import Cart
from tests.factories.catalogue import make_sku
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store


@dataclass
class Shop:
    session: Session
    merchant: Merchant
    store: Store
    member: Member
    tea: Sku

    def cart(self, quantity: int = 1, **values: Any) -> Cart:
        items = values.pop("items", (Item(self.tea.id, quantity),))
        fulfilment = values.pop("fulfilment", Fulfilment.pickup)
        return Cart(self.store.id, fulfilment, items, **values)

    def place(self, now: datetime, quantity: int = 1, key: str = "key-1", **values: Any) -> Order:
        cart = values.pop("cart", None) or self.cart(quantity, **values)
        return place(self.session, cart, self.member, key=key, now=now)[0]


def open_shop(session: Session, *, price_fen: int = 2200, available: int | None = 10) -> Shop:
    merchant = make_merchant(session)
    store = make_store(session, merchant)
    member = make_member(session, merchant=merchant)
    tea = make_sku(session, store, price_fen=price_fen, available=available)
    return Shop(session, merchant, store, member, tea)
