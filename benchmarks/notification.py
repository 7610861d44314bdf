"""A payment notice: verify RSA, open AES-GCM, inbox, order paid, points, ledger, outbox.

Beside a bare Flask view that verifies the same bytes and does the same writes by hand.
"""

import base64
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import Flask, Response, request
from sqlalchemy import make_url, select

import gateways
from benchmarks.harness import Result, alternate, mariadb_app, together
from catalogue import stock
from core import clock, config
from core.database import reading, transaction
from crm.models import Member
from gateways.cashier import Cashier
from gateways.http import Http
from gateways.pay.records import Opening, Show, Way
from gateways.wechat.registry import Wechat
from merchants.models import Store
from orders.models import Order, PaymentState
from payments import attempts, billing
from payments.attempts import Means
from payments.models import Channel
from tests.factories import catalogue, crm, merchants, orders
from tests.gateways.fake_wechat import PayPlatform
from tests.servers import MariaDB

HANDS, EACH = 16, 25
MCHID, APPID, V3_KEY = "1900006789", "wxa41f0c6d8e2b7593", "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb"
PUB_KEY_ID = "PUB_KEY_ID_0119000067892026112200000001"
PATH = f"/pay/wechat/notify/{MCHID}"
FEN = 2500


@dataclass(frozen=True)
class Shop:
    store: Store
    sku_id: int
    members: list[Member]


def run() -> Iterator[Result]:
    platform = PayPlatform(PUB_KEY_ID, rsa.generate_private_key(65537, 2048), V3_KEY)
    with mariadb_app() as (app, server, url), tempfile.TemporaryDirectory() as folder:
        _take_payments(app, platform, Path(folder))
        hand_made = _by_hand(server, str(make_url(url).database), platform)
        shop, batch, total = _open_shop(), count(1), HANDS * EACH
        ours, hand = alternate(
            3,
            lambda: total / _deliver(app, app, _notices(shop, platform, next(batch))),
            lambda: total / _deliver(app, hand_made, _notices(shop, platform, next(batch))),
        )
        _all_paid(next(batch) - 1)
    what = f"{total} payment notices, {HANDS} at a time"
    yield Result("notification", what, ours, hand, "/s", 0.50, note="every order paid once")


def _take_payments(app: Flask, platform: PayPlatform, folder: Path) -> None:
    ours = rsa.generate_private_key(65537, 2048)
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "ours.pem").write_bytes(
        ours.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password)
    )
    (folder / "theirs.pem").write_bytes(
        platform.key.public_key().public_bytes(
            encoding, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    merchant = {
        "mchid": MCHID,
        "serial_no": "5157F09EFDC096DE15EBE81A47057A7232F1B8E1",
        "private_key_path": folder / "ours.pem",
        "api_v3_key": V3_KEY,
        "public_key_id": PUB_KEY_ID,
        "public_key_path": folder / "theirs.pem",
    }
    settings = config.Wechat.model_validate({"pay_merchants": [merchant]})
    app.extensions[gateways.EXTENSION] = wechat = Wechat(settings, Http())
    config_ = app.extensions["linli.config"]
    app.extensions[gateways.CASHIER] = Cashier(wechat, config_, Http())


def _open_shop() -> Shop:
    with transaction() as session:
        merchant = merchants.make_merchant(session)
        store = merchants.make_store(session, merchant)
        sku = catalogue.make_sku(session, store, price_fen=FEN, available=1_000_000)
        members = [crm.make_member(session, merchant=merchant) for _ in range(HANDS)]
        return Shop(store, sku.id, members)


Notices = list[tuple[bytes, dict[str, str]]]


def _notices(shop: Shop, platform: PayPlatform, batch: int) -> Notices:
    """Orders that wait to be paid, and WeChat's word that each of them was."""
    made: Notices = []
    now = clock.now()
    for number in range(HANDS * EACH):
        with transaction() as session:
            order = orders.make_order(
                session,
                shop.members[number % HANDS],
                shop.store,
                payable_fen=FEN,
                pickup_number=f"{batch}-{number}",
                placed_at=now,
                expires_at=now + timedelta(hours=2),
            )
            stock.hold(session, order.id, shop.store.id, {shop.sku_id: 1}, now)
            billing.open_bill(session, order)
            means = Means(Channel.wechat, Way.mini, MCHID, APPID, f"openid-{number}")
            attempt, _ = attempts.start(session, order, means, now=now)
            prepaid = Opening(Show.sheet, kept={"prepay_id": "wx-prepay"})
            attempts.record_opening(session, attempt.id, prepaid)
        paid = {
            "mchid": MCHID,
            "appid": APPID,
            "out_trade_no": attempt.out_trade_no,
            "transaction_id": f"42{batch:06}{number:018}",
            "trade_type": "JSAPI",
            "trade_state": "SUCCESS",
            "success_time": now.isoformat(),
            "payer": {"openid": means.payer},
            "amount": {"total": FEN, "payer_total": FEN, "currency": "CNY"},
        }
        body = platform.notice(paid, notice_id=f"EV-{batch}-{number}")
        made.append((body, platform.headers(body, at=time.time())))
    return made


def _deliver(app: Flask, receiver: Flask, notices: Notices) -> float:
    def work(hand: int) -> None:
        client = receiver.test_client()
        for body, headers in notices[hand::HANDS]:
            answer = client.post(PATH, data=body, headers=headers)
            assert answer.status_code == 204, answer.get_data(as_text=True)

    return together(app, HANDS, work)


def _all_paid(batches: int) -> None:
    with reading() as session:
        states = list(session.scalars(select(Order.payment_state)))
    assert len(states) == batches * HANDS * EACH
    assert set(states) == {PaymentState.paid}


def _by_hand(server: MariaDB, database: str, platform: PayPlatform) -> Flask:
    bare = Flask("by-hand")
    key = platform.key.public_key()
    idle: list[Any] = []

    @bare.post(PATH)
    def notify() -> Response:
        raw, headers = request.get_data(), request.headers
        text = f"{headers['Wechatpay-Timestamp']}\n{headers['Wechatpay-Nonce']}\n".encode()
        signature = base64.b64decode(headers["Wechatpay-Signature"])
        key.verify(signature, text + raw + b"\n", padding.PKCS1v15(), hashes.SHA256())
        notice = json.loads(raw)
        sealed = notice["resource"]
        plain = AESGCM(V3_KEY.encode()).decrypt(
            sealed["nonce"].encode(),
            base64.b64decode(sealed["ciphertext"]),
            sealed["associated_data"].encode(),
        )
        connection = idle.pop() if idle else server.connect(database)
        with closing(connection.cursor()) as cursor:
            _write(connection, cursor, notice, json.loads(plain), plain)
        idle.append(connection)
        return Response(status=204)

    return bare


def _write(
    connection: Any, cursor: Any, notice: dict[str, Any], paid: dict[str, Any], plain: bytes
) -> None:
    do, at = cursor.execute, "UTC_TIMESTAMP(6)"
    do(
        "INSERT INTO inbound_events (source, external_id, kind, body, state, outcome, received_at)"
        f" VALUES (%s, %s, %s, %s, 'received', '', {at})",
        (f"wechat.pay:{MCHID}", notice["id"], notice["event_type"], plain.decode()),
    )
    event = cursor.lastrowid
    connection.begin()
    do(
        "SELECT a.id, a.bill_id, a.amount_fen, o.id, o.member_id, o.store_id, o.merchant_id"
        " FROM payment_attempts a JOIN bills b ON b.id = a.bill_id"
        " JOIN orders o ON o.id = b.order_id WHERE a.out_trade_no = %s",
        (paid["out_trade_no"],),
    )
    attempt, bill, fen, order, member, store, merchant = cursor.fetchone()
    assert fen == paid["amount"]["total"]
    do(f"UPDATE bills SET state='paid', paid_at={at} WHERE id=%s AND state='open'", (bill,))
    do(
        f"UPDATE payment_attempts SET state='succeeded', transaction_id=%s, settled_at={at}"
        " WHERE id=%s AND state='pending'",
        (paid["transaction_id"], attempt),
    )
    do(
        f"UPDATE orders SET payment_state='paid', paid_fen=%s, paid_at={at}"
        " WHERE id=%s AND payment_state='unpaid'",
        (fen, order),
    )
    do(
        "INSERT INTO order_history (order_id, kind, `before`, after, actor, reason, at)"
        f" VALUES (%s, 'payment', 'unpaid', 'paid', 'system', '', {at})",
        (order,),
    )
    do(
        "INSERT INTO purchases (member_id, order_id, store_id, paid_at, amount_fen, refunded_fen,"
        f" counted) VALUES (%s, %s, %s, {at}, %s, 0, 1)",
        (member, order, store, fen),
    )
    do(
        "INSERT INTO purchase_lines (order_id, position, member_id, product_id, category_id,"
        " paid_at, quantity, amount_fen, counted) SELECT l.order_id, l.position, b.member_id,"
        " l.product_id, p.category_id, b.paid_at, l.quantity, l.payable_fen, 1 FROM order_lines l"
        " JOIN purchases b ON b.order_id = l.order_id JOIN products p ON p.id = l.product_id"
        " WHERE l.order_id = %s",
        (order,),
    )
    do(
        "UPDATE members SET orders_count = orders_count + 1, spent_fen = spent_fen + %s,"
        f" points_pending = points_pending + 25, last_paid_at = {at} WHERE id = %s",
        (fen, member),
    )
    do(
        "INSERT INTO point_lots (member_id, order_id, earned, points, rate_bp, state, earned_at,"
        f" available_at) VALUES (%s, %s, 25, 25, 10000, 'pending', {at}, {at})",
        (member, order),
    )
    do(
        "INSERT INTO point_entries (member_id, lot_id, kind, points, pending, cause, reason, at)"
        f" VALUES (%s, %s, 'earned', 0, 25, %s, '', {at})",
        (member, cursor.lastrowid, f"hand:{order}"),
    )
    do(
        "INSERT INTO member_events (member_id, kind, at, store_id, data)"
        f" VALUES (%s, 'paid', {at}, %s, '{{}}')",
        (member, store),
    )
    do("UPDATE stock_holds SET state='sold' WHERE order_id=%s AND state='held'", (order,))
    do(
        "INSERT INTO outbox_jobs (name, args, state, attempt, failures, run_at, created_at,"
        f" request_id) VALUES ('orders.after_paid', '{{}}', 'waiting', 0, 0, {at}, {at}, '')"
    )
    do(
        "INSERT INTO ledger_entries (cause, account, amount_fen, currency, merchant_id, order_id,"
        f" day, at) VALUES (%s, %s, %s, 'CNY', %s, %s, DATE({at}), {at}),"
        f" (%s, %s, %s, 'CNY', %s, %s, DATE({at}), {at})",
        (
            *(f"payment:{attempt}", f"channel:wechat:{MCHID}", fen, merchant, order),
            *(f"payment:{attempt}", f"sales:{merchant}", -fen, merchant, order),
        ),
    )
    do(
        f"UPDATE inbound_events SET state='done', outcome='paid', done_at={at} WHERE id=%s",
        (event,),
    )
    connection.commit()
