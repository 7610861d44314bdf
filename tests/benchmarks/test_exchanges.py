"""What a notice costs, in exchanges with the database: a number that any machine agrees on."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask
from sqlalchemy import select

from benchmarks import notification
from core.database import db, reading
from core.pipeline import Pipelining
from orders.models import Order, PaymentState
from tests.gateways.fake_wechat import PayPlatform


@pytest.mark.mariadb
def test_a_payment_notice_is_seven_exchanges(
    mariadb_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notification, "HANDS", 1)
    monkeypatch.setattr(notification, "EACH", 2)
    key = rsa.generate_private_key(65537, 2048)
    platform = PayPlatform(notification.PUB_KEY_ID, key, notification.V3_KEY)
    said: list[bytes] = []
    write = Pipelining._write_bytes

    def listen(driver: Pipelining, data: Any) -> None:
        said.append(bytes(data[5:]))
        write(driver, data)

    with mariadb_app.app_context():
        notification._take_payments(mariadb_app, platform, tmp_path)
        notices = notification._notices(notification._open_shop(), platform, 1)
        client = mariadb_app.test_client()
        for number, (body, headers) in enumerate(notices):
            if number == 1:  # caches are filled, connections are made
                monkeypatch.setattr(Pipelining, "_write_bytes", listen)
            assert client.post(notification.PATH, data=body, headers=headers).status_code == 204
        monkeypatch.setattr(Pipelining, "_write_bytes", write)
        with reading() as session:
            states = set(session.scalars(select(Order.payment_state)))
        db.engine.dispose()

    asked = [each for each in said if each]  # a connection that rested is only touched
    assert states == {PaymentState.paid}
    assert [each.split(maxsplit=1)[0] for each in asked] == [
        b"INSERT",  # the notice, committed by itself
        b"SELECT",  # what was asked for
        b"SELECT",  # bill, attempt and order, locked
        b"UPDATE",  # the order, its history; the member, locked, and which rules hold
        b"INSERT",  # the purchase, once
        b"INSERT",  # all the rest
        b"COMMIT",
    ]
