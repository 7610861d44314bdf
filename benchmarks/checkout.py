"""Checkout: price with a coupon, hold stock, order, bill; beside the same writes by hand.

Sixteen buyers at once, every order another member's with a coupon of theirs; what `POST /orders`
does in its one transaction. The hand-written side knows the price and only writes.
"""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count

from flask import Flask
from sqlalchemy import make_url, select

from benchmarks.harness import Result, alternate, mariadb_app, together
from catalogue.pricing import Item
from core import clock
from core.database import reading, transaction
from core.numbers import random_code
from coupons import issuing
from coupons.models import Coupon
from crm.models import Member
from orders.models import Fulfilment
from orders.placing import place
from orders.quoting import Cart
from payments import billing
from tests.factories import catalogue, coupons, crm, merchants
from tests.servers import MariaDB

BUYERS, EACH = 16, 20


@dataclass(frozen=True)
class Shop:
    store_id: int
    merchant_id: int
    product_id: int
    sku_id: int
    template_id: int
    members: list[Member]


def run() -> Iterator[Result]:
    with mariadb_app() as (app, server, url):
        shop, batch, total = _open_shop(), count(1), BUYERS * EACH
        _place(app, shop, _give(shop, next(batch)))  # the day's pickup counter begins
        name = str(make_url(url).database)
        ours, hand = alternate(
            3,
            lambda: total / _place(app, shop, _give(shop, next(batch))),
            lambda: total / _by_hand(app, server, name, shop, _give(shop, next(batch))),
        )
    what = f"{total} checkouts with a coupon, {BUYERS} buyers"
    yield Result("checkout", what, ours, hand, "orders/s", 0.50)


def _open_shop() -> Shop:
    with transaction() as session:
        merchant = merchants.make_merchant(session)
        store = merchants.make_store(session, merchant)
        product = catalogue.make_product(session, store)
        sku = catalogue.make_sku(session, store, product=product, available=10_000_000)
        template = coupons.make_template(session, merchant)
        members = [crm.make_member(session, merchant=merchant) for _ in range(BUYERS * EACH)]
        return Shop(store.id, merchant.id, product.id, sku.id, template.id, members)


def _give(shop: Shop, batch: int) -> list[int]:
    """A coupon for every member, who orders once in a round."""
    now = clock.now()
    with transaction() as session:
        for number, member in enumerate(shop.members):
            key = f"bench:{batch}:{number}"
            source = {"source": f"bench:{batch}", "key": key, "now": now}
            issuing.issue(session, shop.template_id, member.id, **source)
    with reading() as session:
        mine = select(Coupon.id).where(Coupon.source == f"bench:{batch}").order_by(Coupon.id)
        return list(session.scalars(mine))


def _place(app: Flask, shop: Shop, coupon_ids: list[int]) -> float:
    def work(buyer: int) -> None:
        mine = zip(shop.members[buyer::BUYERS], coupon_ids[buyer::BUYERS], strict=True)
        for member, coupon_id in mine:
            items = (Item(sku_id=shop.sku_id, quantity=1),)
            cart = Cart(shop.store_id, Fulfilment.pickup, items, coupon_id)
            with transaction() as session:
                order, _ = place(session, cart, member, key=f"k:{coupon_id}", now=clock.now())
                billing.open_bill(session, order)

    return together(app, BUYERS, work)


def _by_hand(app: Flask, server: MariaDB, name: str, shop: Shop, coupon_ids: list[int]) -> float:
    day = clock.business_day(clock.now())
    snapshot = json.dumps({"goods_fen": 2200, "payable_fen": 1400})

    def work(buyer: int) -> None:
        with closing(server.connect(name)) as connection, connection.cursor() as cursor:
            mine = zip(shop.members[buyer::BUYERS], coupon_ids[buyer::BUYERS], strict=True)
            for member, coupon_id in mine:
                _write(connection, cursor, shop, member.id, coupon_id, day, snapshot)

    return together(app, BUYERS, work)


def _write(connection, cursor, shop, member_id, coupon_id, day, snapshot) -> None:  # type: ignore[no-untyped-def]
    no, now = random_code(16), "UTC_TIMESTAMP(6)"
    sql = cursor.execute
    connection.begin()
    sql(
        "INSERT INTO idempotency_records (scope, `key`, body_hash, result, created_at)"
        f" VALUES ('orders.place', %s, '', '{{}}', {now})",
        (no,),
    )
    sql("SELECT price_fen FROM skus WHERE id = %s", (shop.sku_id,))
    sql("SELECT * FROM coupon_templates WHERE id = %s", (shop.template_id,))
    sql(
        "INSERT INTO orders (no, merchant_id, store_id, member_id, kind, fulfilment, state,"
        " payment_state, business_day, pickup_code, goods_fen, discount_fen, payable_fen,"
        " paid_fen, refunded_fen, points_used, coupon_id, note, quote, placed_at, expires_at,"
        " cancel_reason, in_shares)"
        " VALUES (%s, %s, %s, %s, 'goods', 'pickup', 'placed', 'unpaid', CURRENT_DATE, '123456',"
        f" 2200, 800, 1400, 0, 0, 0, %s, '', %s, {now}, {now}, '', 0)",
        (no, shop.merchant_id, shop.store_id, member_id, coupon_id, snapshot),
    )
    order_id = cursor.lastrowid
    sql(
        "INSERT INTO order_lines (order_id, kind, position, sku_id, product_id, name, sku_name,"
        " image, options, options_text, quantity, unit_fen, amount_fen, discount_fen, payable_fen)"
        " VALUES (%s, 'goods', 0, %s, %s, '杨枝甘露', '', '', '[]', '', 1, 2200, 2200, 800, 1400)",
        (order_id, shop.sku_id, shop.product_id),
    )
    sql(
        "INSERT INTO order_discounts (order_id, position, kind, ref_id, name, reason, amount_fen,"
        " per_line) VALUES (%s, 0, 'coupon', %s, '见面礼', '', 800, '[800]')",
        (order_id, coupon_id),
    )
    sql(
        "INSERT INTO order_history (order_id, kind, `before`, after, actor, reason, at)"
        f" VALUES (%s, 'state', '', 'placed', 'member', '', {now})",
        (order_id,),
    )
    sql(
        "UPDATE coupons SET state = 'locked', order_id = %s, discount_fen = 800"
        " WHERE id = %s AND state = 'issued'",
        (order_id, coupon_id),
    )
    sql(
        "INSERT INTO coupon_entries (coupon_id, kind, cause, actor, device, order_id, reason, at)"
        f" VALUES (%s, 'locked', %s, 'member', '', %s, '', {now})",
        (coupon_id, f"hand:{no}", order_id),
    )
    sql(
        "INSERT INTO outbox_jobs (name, args, `key`, state, attempt, failures, run_at, created_at,"
        f" request_id) VALUES ('orders.expire', '{{}}', %s, 'waiting', 0, 0, {now}, {now}, '')",
        (f"orders.expire:{no}",),
    )
    sql(
        "INSERT INTO stock_holds (order_id, store_id, sku_id, quantity, returned, counted, state)"
        " VALUES (%s, %s, %s, 1, 0, 1, 'held')",
        (order_id, shop.store_id, shop.sku_id),
    )
    sql(
        "INSERT INTO stock_entries"
        " (order_id, store_id, sku_id, kind, place, `change`, actor, reason, at)"
        f" VALUES (%s, %s, %s, 'held', 0, -1, 'system', '', {now})",
        (order_id, shop.store_id, shop.sku_id),
    )
    sql(
        "INSERT INTO bills (order_id, seq, kind, amount_fen, currency, state, created_at)"
        f" VALUES (%s, 1, 'whole', 1400, 'CNY', 'open', {now})",
        (order_id,),
    )
    sql(
        "UPDATE store_skus SET available = available - 1"
        " WHERE store_id = %s AND sku_id = %s AND available >= 1",
        (shop.store_id, shop.sku_id),
    )
    sql(
        "UPDATE pickup_counters SET last = last + 1 WHERE store_id = %s AND business_day = %s",
        (shop.store_id, day),
    )
    sql(
        "SELECT last FROM pickup_counters WHERE store_id = %s AND business_day = %s",
        (shop.store_id, day),
    )
    sql(
        "UPDATE orders SET pickup_number = %s WHERE id = %s",
        (f"A{cursor.fetchone()[0]:03}", order_id),
    )
    connection.commit()
