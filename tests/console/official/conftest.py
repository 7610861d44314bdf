"""A shop with a sandboxed official account, its staff at the console, and a rival merchant."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core import clock
from core.audit import AuditEntry
from core.database import reading, transaction
from merchants.models import Merchant, Role, Staff, Store
from people import logins
from tests.console.conftest import Browser
from tests.factories.crm import speak_at_any_hour
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.wechat_world import Shop


@dataclass
class Desk:
    shop: Shop
    merchant: Merchant
    rival: Merchant
    store: Store

    def browser(self, username: str = "owner") -> Browser:
        browser = Browser(self.shop.app)
        with transaction() as session:
            who = session.scalars(select(Staff).where(Staff.username == username)).one()
            token = logins.open_session(
                session,
                person=None,
                identity=None,
                audience="staff",
                lifetime=timedelta(hours=1),
                now=clock.now(),
                staff_id=who.id,
            )
        browser.client.set_cookie("linli_staff", token, path="/console")
        return browser

    def acts(self) -> list[tuple[str, Any]]:
        with reading() as session:
            rows = session.execute(
                select(AuditEntry.action, AuditEntry.after).order_by(AuditEntry.id)
            )
            return [(action, after) for action, after in rows]


@pytest.fixture
def desk(shop: Shop) -> Desk:
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")
        speak_at_any_hour(session, merchant)
        rival = make_merchant(session, code="rival", name="隔壁茶铺")
        store = make_store(session, merchant, name="静安寺店")
        people = {
            "owner": make_staff(session, merchant, name="沈知夏", role=Role.owner),
            "manager": make_staff(
                session, merchant, name="林晓", role=Role.manager, stores=(store,)
            ),
            "rival": make_staff(session, rival, name="老王", role=Role.owner),
        }
        for username, who in people.items():
            who.username = username
    return Desk(shop, merchant, rival, store)
