"""Alipay and UnionPay, played by the sandbox over loopback, with the clients of production."""

import hashlib
import time
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests

from core.config_channels import Alipay, UnionPay
from gateways.alipay.channel import AlipayChannel
from gateways.http import Http
from gateways.pay.bills import BillKind, BillNotReady, BillRow, BillSource
from gateways.pay.records import Ask, Asked, RefundAsk, Way
from gateways.unionpay.channel import UnionPayChannel
from sandbox import demo_config, live, settings
from sandbox.outgoing import Answer
from sandbox.state import World

NUMBER = "P20261123ABCDEFGH12345678"
BACK = "http://127.0.0.1:8000/pay/back"
NOTIFY = "http://127.0.0.1:8000/pay/notify"


@dataclass
class Played:
    """`told`: what reached the shop, as (url, body)."""

    world: World
    url: str
    alipay: AlipayChannel
    unionpay: UnionPayChannel
    raw: dict[str, Any]
    told: list[tuple[str, bytes]] = field(default_factory=list)
    answer: Answer = Answer(200, "success")  # noqa: RUF009

    def heard(self, count: int = 1) -> list[tuple[str, bytes]]:
        for _ in range(2_000):
            if len(self.told) >= count:
                return self.told
            time.sleep(0.005)
        raise AssertionError(f"{len(self.told)} of {count} notices")

    def fault(self, **values: Any) -> None:
        self.world.faults.add(values)

    def press(self, page: requests.Response, act: str) -> requests.Response:
        """A button of the cashier's page; where it leads, unfollowed."""
        return requests.post(page.url, data={"act": act}, allow_redirects=False, timeout=10)


@contextmanager
def played(directory: Path, *, certificates: bool = False) -> Iterator[Played]:
    path = demo_config.write(
        directory / f"config-{certificates}.toml",
        base_url="http://127.0.0.1:8000",
        sandbox_url="http://sandbox.test",
        directory=directory,
        database_url="sqlite://",
        redis_url="redis://127.0.0.1:1/0",
        alipay_certificates=certificates,
        sandbox={"retry_scale": 1000.0},
    )
    raw = tomllib.loads(path.read_text())
    told: list[tuple[str, bytes]] = []
    found: list[Played] = []

    def deliver(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        told.append((url, body))
        return found[0].answer

    chosen = replace(settings.from_mapping(raw), clock_file=None)
    with live.running(chosen, deliver=deliver) as running:
        raw = tomllib.loads(path.read_text().replace("http://sandbox.test", running.url))
        alipay = Alipay.model_validate(raw["alipay"])
        union = UnionPay.model_validate(raw["unionpay"])
        http = Http()
        found.append(
            Played(
                running.world,
                running.url,
                AlipayChannel(alipay.accounts[0], http, alipay.gateway, read_seconds=5),
                UnionPayChannel(union, union.accounts[0], http),
                raw,
                told,
            )
        )
        yield found[0]


def ask(way: Way, **values: Any) -> Ask:
    now = datetime.now(UTC)
    asked: dict[str, Any] = {
        "out_trade_no": NUMBER,
        "amount_fen": 2_650,
        "description": "青禾茶铺 订单",
        "notify_url": NOTIFY,
        "asked_at": now,
        "expires_at": now + timedelta(minutes=15),
        "return_url": BACK,
        **values,
    }
    return Ask(way=way, **asked)


def refund_ask(fen: int, number: str = "R20261123ABCDEFGH12345678", **values: Any) -> RefundAsk:
    asked: dict[str, Any] = {"total_fen": 2_650, "reason": "不要了", "notify_url": NOTIFY, **values}
    at = asked.pop("asked_at", datetime.now(UTC))
    return RefundAsk(out_refund_no=number, refund_fen=fen, asked_at=at, **asked)


def with_id(asked: Asked, transaction_id: str | None) -> Asked:
    return replace(asked, transaction_id=transaction_id)


def read_bill(source: BillSource, day: str) -> list[BillRow]:
    """Fetched and read as the nightly job does; a day without any is none, today's is not ready."""
    assert source.fetch(date(2020, 1, 1), BillKind.trade, BytesIO()) is None
    today = (datetime.now(UTC) + timedelta(hours=8)).date()
    with pytest.raises(BillNotReady):
        source.fetch(today, BillKind.trade, BytesIO())
    file = BytesIO()
    found = source.fetch(date.fromisoformat(day), BillKind.trade, file)
    assert found is not None
    assert (found.size, found.hash) == (
        len(file.getvalue()),
        hashlib.sha256(file.getvalue()).hexdigest(),
    )
    return list(source.rows(file))
