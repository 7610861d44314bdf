"""A merchant's till with a key, and a guest with a coupon."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from core import clock
from core.config import Config
from core.database import transaction
from coupons.models import Coupon, CouponTemplate
from crm.models import Member
from merchants import api_keys
from merchants.models import Merchant, Role, Store
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.tables import running


@pytest.fixture
def app(make_config: Callable[..., Config]) -> Iterator[Flask]:
    with running(make_config(app={"docs": True})) as app:
        yield app


@dataclass
class Till:
    client: FlaskClient
    secret: str
    key_id: int

    def call(self, method: str, path: str, key: str = "", **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.secret}", **options.pop("headers", {})}
        if key:
            headers["Idempotency-Key"] = key
        return self.client.open(f"/open/v1/{path}", method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, key: str = "", **options: Any) -> TestResponse:
        return self.call("POST", path, key, **options)


@dataclass
class Counter:
    merchant: Merchant
    store: Store
    member: Member
    template: CouponTemplate
    owner_id: int

    def coupon(self, **values: Any) -> Coupon:
        """A coupon that began an hour ago."""
        with transaction() as session:
            template = self.template
            if values:
                template = make_template(session, self.merchant, **values)
            begun = clock.now() - timedelta(hours=1)
            return make_coupon(session, self.member, template, now=begun)


@pytest.fixture
def counter(app: Flask) -> Counter:
    with transaction() as session:
        merchant = make_merchant(session)
        store = make_store(session, merchant)
        owner = make_staff(session, merchant, role=Role.owner)
        member = make_member(session, merchant=merchant)
        return Counter(merchant, store, member, make_template(session, merchant), owner.id)


@pytest.fixture
def make_till(client: FlaskClient, counter: Counter) -> Callable[..., Till]:
    def make(scopes: tuple[str, ...] = tuple(api_keys.SCOPES), **values: Any) -> Till:
        values.setdefault("store_id", counter.store.id)
        with transaction() as session:
            key, secret = api_keys.make(
                session,
                values.pop("merchant_id", counter.merchant.id),
                name="1 号收银",
                scopes=scopes,
                staff_id=counter.owner_id,
                now=clock.now(),
                **values,
            )
        return Till(client, secret, key.id)

    return make


@pytest.fixture
def till(make_till: Callable[..., Till]) -> Till:
    return make_till()
