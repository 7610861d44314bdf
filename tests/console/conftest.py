"""A small chain with two stores, its people and their browsers."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from core import database
from core.clock import now as clock_now
from core.database import transaction
from crm.models import Member
from merchants.models import Merchant, Role, Staff, Store
from orders.models import HistoryKind, Order, OrderHistory, OrderLine, OrderState, PaymentState
from payments.models import AttemptState, Bill, BillState, Channel, PaymentAttempt
from people import logins
from tests.counting import statements
from tests.factories.catalogue import make_product, make_sku
from tests.factories.crm import make_member, make_person
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.factories.orders import make_order

PASSWORD = "correct horse"
HASH = generate_password_hash(PASSWORD, method="scrypt")


class Browser:
    """A person's browser: cookies, and the token of the page they are looking at."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.client.get(f"/console{path}", headers=headers)

    def token(self, path: str = "/more") -> str:
        page = self.get(path).get_data(as_text=True)
        found = re.search(r'"X-CSRFToken": "([^"]+)"', page)
        assert found, page[:400]
        return found[1]

    def post(self, path: str, at: str = "/more", **fields: Any) -> TestResponse:
        """Post a form with the token that the page `at` carries."""
        fields["csrf_token"] = self.token(at)
        return self.client.post(f"/console{path}", data=fields)

    def touch(self, path: str, **fields: Any) -> TestResponse:
        """The same as htmx does it."""
        headers = {"HX-Request": "true", "X-CSRFToken": self.token()}
        return self.client.post(f"/console{path}", data=fields, headers=headers)

    def log_in(self, username: str, password: str = PASSWORD) -> TestResponse:
        return self.post("/login", at="/login", username=username, password=password, next="")


@dataclass
class Chain:
    """Ids and names of what is in the database; rows are committed."""

    app: Flask
    merchant_id: int
    here: Store
    there: Store
    owner: Staff
    manager: Staff
    clerk: Staff
    rival_store: Store
    rival_merchant_id: int
    now: datetime

    def browser(self, username: str | None = None) -> Browser:
        """A browser that is logged in as somebody, or as nobody."""
        browser = Browser(self.app)
        if username:
            with transaction() as session:
                who = session.scalars(select(Staff).where(Staff.username == username)).one()
                token = logins.open_session(
                    session,
                    person=None,
                    identity=None,
                    audience="staff",
                    lifetime=timedelta(hours=1),
                    now=clock_now(),
                    staff_id=who.id,
                )
            browser.client.set_cookie("linli_staff", token, path="/console")
        return browser

    @contextmanager
    def writing(self) -> Iterator[Any]:
        with transaction() as session:
            yield session

    def member(self, name: str = "林小满", **values: Any) -> Member:
        with transaction() as session:
            merchant = session.get_one(Merchant, values.pop("merchant_id", self.merchant_id))
            person = make_person(session, nickname=name)
            return make_member(session, merchant=merchant, person=person, name=name, **values)

    def order(self, store: Store | None = None, **values: Any) -> Order:
        """A paid order of one cup, as payments leave it: billed, paid, on the record."""
        store = store or self.here
        values.setdefault("paid_at", self.now)
        with transaction() as session:
            member = values.pop("member", None) or make_member(
                session, merchant=session.get_one(Merchant, store.merchant_id)
            )
            return _paid(session, member, session.get_one(Store, store.id), values)


def _paid(session: Any, member: Member, store: Store, values: dict[str, Any]) -> Order:
    lines = values.pop("lines", (("杨枝甘露", "大杯", 2600, 1),))
    goods = sum(price * quantity for _, _, price, quantity in lines)
    values = {
        "payable_fen": goods - values.get("discount_fen", 0),
        "goods_fen": goods,
        "state": OrderState.placed,
        "payment_state": PaymentState.paid,
        "placed_at": values["paid_at"],
        **values,
    }
    values.setdefault("paid_fen", values["payable_fen"])
    order = make_order(session, member, store, **values)
    for position, (name, size, price, quantity) in enumerate(lines):
        product = make_product(session, store, name=name)
        sku = make_sku(session, store, product=product, name=size, price_fen=price)
        session.add(
            OrderLine(
                order_id=order.id,
                position=position,
                sku_id=sku.id,
                product_id=product.id,
                name=name,
                sku_name=size,
                options_text="少冰 · 半糖",
                quantity=quantity,
                unit_fen=price,
                amount_fen=price * quantity,
                payable_fen=price * quantity,
            )
        )
    session.add(
        OrderHistory(
            order_id=order.id,
            kind=HistoryKind.state,
            after="placed",
            actor=f"member:{member.id}",
            at=order.placed_at,
        )
    )
    bill = Bill(
        order_id=order.id,
        amount_fen=order.payable_fen,
        state=BillState.paid,
        created_at=order.placed_at,
    )
    session.add(bill)
    session.flush()
    session.add(
        PaymentAttempt(
            out_trade_no=f"P{order.id:031}",
            bill_id=bill.id,
            live=True,
            channel=Channel.wechat,
            amount_fen=order.payable_fen,
            channel_fen=order.payable_fen,
            state=AttemptState.succeeded,
            expires_at=order.expires_at,
            created_at=order.placed_at,
        )
    )
    session.flush()
    return order


@pytest.fixture
def chain(app: Flask) -> Chain:
    now = clock_now()
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")
        here = make_store(session, merchant, name="静安寺店")
        there = make_store(session, merchant, name="徐汇店")
        rival = make_merchant(session, code="rival", name="隔壁茶铺")
        rival_store = make_store(session, rival, name="隔壁店")
        staff = {
            "owner": make_staff(session, merchant, name="沈知夏", role=Role.owner),
            "manager": make_staff(
                session, merchant, name="林晓", role=Role.manager, stores=(here, there)
            ),
            "clerk": make_staff(session, merchant, name="小周", stores=(here,)),
            "rival": make_staff(session, rival, name="老王", role=Role.owner),
        }
        for username, member in staff.items():
            member.username = username
            member.password_hash = HASH
    return Chain(
        app,
        merchant.id,
        here,
        there,
        staff["owner"],
        staff["manager"],
        staff["clerk"],
        rival_store,
        rival.id,
        now,
    )


@pytest.fixture
def count_queries(app: Flask) -> Callable[[Callable[[], Any]], int]:
    """How many statements a call sends to the database."""

    def count(call: Callable[[], Any]) -> int:
        with statements(database.db.engine) as seen:
            response = call()
        assert response.status_code == 200
        return len(seen)

    return count
