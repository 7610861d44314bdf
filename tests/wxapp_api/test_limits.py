"""Each door that can be hammered answers 429 with Retry-After; nothing has happened then."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import func, select

from core.config import Config
from core.database import reading, transaction
from core.limits import PER_MINUTE
from coupons.models import Coupon
from crm.models import MemberEvent
from orders.models import Order
from people.models import LoginSession
from tests.factories.catalogue import available
from tests.factories.coupons import make_template
from tests.tables import running
from tests.wxapp_api.conftest import WECHAT, Phone, Stall


@pytest.fixture
def app(make_config: Callable[..., Config], redis: Redis, redis_url: str) -> Iterator[Flask]:
    with running(make_config(wechat=WECHAT, redis={"url": redis_url})) as app:
        yield app


def rows() -> list[int | None]:
    with reading() as session:
        tables = (Order, Coupon, LoginSession)
        return [session.scalar(select(func.count()).select_from(table)) for table in tables]


def calls(phone: Phone, stall: Stall) -> dict[str, Callable[[], Any]]:
    with transaction() as session:
        template = make_template(session, stall.merchant)
    key = {"Idempotency-Key": "order-0001"}
    return {
        "login": lambda: phone.post("sessions", json={"code": "x"}),
        "stores": lambda: phone.get("stores?q=静安"),
        "tables": lambda: phone.get("tables/T1"),
        "quotes": lambda: phone.post("quotes", json=stall.cart()),
        "orders": lambda: phone.post("orders", json=stall.cart(), headers=key),
        "payments": lambda: phone.post(
            "orders/20261122NOTTHERE00/payment", json={"channel": "wechat"}
        ),
        "claim": lambda: phone.post(f"coupon-templates/{template.id}/claim"),
        "phone": lambda: phone.post("me/phone", json={"code": "x"}),
        "events": lambda: phone.post("events", json={"events": []}),
    }


@pytest.mark.parametrize(
    ("act", "kind"),
    [
        (act, kind)
        for act in (
            "login",
            "stores",
            "tables",
            "quotes",
            "orders",
            "payments",
            "claim",
            "phone",
            "events",
        )
        for kind in PER_MINUTE[act]
    ],
)
def test_over_a_limit_nothing_happens(
    phone: Phone, stall: Stall, redis: Redis, act: str, kind: str
) -> None:
    who = {
        "ip": "127.0.0.1",
        "member": str(phone.member.id),
        "merchant": "qinghe" if act in ("login", "stores") else str(stall.merchant.id),
    }
    call, before = calls(phone, stall)[act], rows()
    redis.set(f"linli:limit:{act}:{kind}:{who[kind]}", PER_MINUTE[act][kind], ex=37)

    refused = call()

    assert (refused.status_code, refused.json["code"]) == (429, "too_many")
    assert refused.headers["Retry-After"] in ("37", "36")
    assert rows() == before
    with reading() as session:
        assert available(session, stall.store, stall.tea) == 10


def test_each_event_of_a_batch_counts(phone: Phone, redis: Redis) -> None:
    event = {"kind": "viewed", "at": "2026-11-22T12:00:00Z"}

    kept = [phone.post("events", json={"events": [event] * 50}).status_code for _ in range(3)]

    assert kept == [200, 200, 429]
    assert redis.get(f"linli:limit:events:member:{phone.member.id}") == b"150"
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(MemberEvent)) == 100


def test_somebody_else_is_not_held_up(
    make_phone: Callable[[], Phone], stall: Stall, redis: Redis
) -> None:
    mine, other = make_phone(), make_phone()
    redis.set(f"linli:limit:orders:member:{mine.member.id}", PER_MINUTE["orders"]["member"], ex=60)
    key = {"Idempotency-Key": "order-0001"}

    assert mine.post("orders", json=stall.cart(), headers=key).status_code == 429
    assert other.post("orders", json=stall.cart(), headers=key).status_code == 201
