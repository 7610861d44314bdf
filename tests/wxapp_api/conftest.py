"""A mini-program of a merchant, and members who are logged in to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from catalogue.models import Sku
from core import clock
from core.config import Config
from core.database import transaction
from core.numbers import random_code
from crm.models import Member
from merchants.models import Merchant, Store
from people.logins import open_session
from people.models import Audience, Identity, IdentityKind, Person
from tests.factories.catalogue import make_sku
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store
from tests.tables import running

APPID = "wxa41f0c6d8e2b7593"
WECHAT: dict[str, Any] = {
    "mini_programs": [{"appid": APPID, "secret": "s" * 32, "merchant": "qinghe"}]
}


@pytest.fixture
def app(make_config: Callable[..., Config]) -> Iterator[Flask]:
    with running(make_config(wechat=WECHAT)) as app:
        yield app


@dataclass
class Phone:
    """A logged-in member's mini-program."""

    client: FlaskClient
    member: Member
    token: str

    def call(self, method: str, path: str, **options: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return self.client.open(f"/api/v1/{path}", method=method, headers=headers, **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> TestResponse:
        return self.call("POST", path, **options)


@dataclass
class Stall:
    """A merchant's store with tea on the shelf."""

    merchant: Merchant
    store: Store
    tea: Sku

    def cart(self, quantity: int = 1, **more: Any) -> dict[str, Any]:
        item = {"sku_id": str(self.tea.id), "quantity": quantity}
        return {
            "store_id": str(self.store.id),
            "fulfilment": "pickup",
            "items": [item],
            **more,
        }


@pytest.fixture
def stall(app: Flask) -> Stall:
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")
        store = make_store(session, merchant)
        return Stall(merchant, store, make_sku(session, store, available=10))


@pytest.fixture
def make_phone(client: FlaskClient, stall: Stall) -> Callable[[], Phone]:
    def make() -> Phone:
        now = clock.now()
        with transaction() as session:
            person = Person(nickname="林小满", created_at=now)
            session.add(person)
            session.flush()
            identity = Identity(
                person_id=person.id,
                kind=IdentityKind.mini,
                appid=APPID,
                openid=f"o{random_code(20)}",
                created_at=now,
            )
            session.add(identity)
            session.flush()
            member = make_member(session, merchant=stall.merchant, person=person)
            token = open_session(
                session,
                person=person,
                identity=identity,
                audience=Audience.member,
                lifetime=timedelta(days=1),
                now=now,
            )
        return Phone(client, member, token)

    return make


@pytest.fixture
def phone(make_phone: Callable[[], Phone]) -> Phone:
    return make_phone()
