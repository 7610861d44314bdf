"""From the official account's menu into the console: WeChat says who is there."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import func, select

from core import clock
from core.database import reading, transaction
from crm import members
from crm.models import Member
from merchants.models import Merchant
from people.models import Identity, IdentityKind, Person
from sandbox.demo_config import MINI, OFFICIAL
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.wechat_world import Shop, Wechat, run_shop


@pytest.fixture
def shop(wechat: Wechat, tmp_path: Path) -> Iterator[Shop]:
    wechat.reset()
    with run_shop(wechat, tmp_path) as shop:
        yield shop


@pytest.fixture
def merchant(shop: Shop) -> Merchant:
    with transaction() as session:
        return make_merchant(session, code="qinghe")


def enter(shop: Shop, person: str) -> tuple[FlaskClient, str]:
    """Tap the menu's link and let WeChat vouch; where the console leads."""
    client = shop.app.test_client()
    away = client.get(f"/console/enter?appid={OFFICIAL}&next=/console/orders/")
    phone = shop.wechat.server.app.test_client()
    phone.get(f"/sandbox/webview?person={person}&url={quote(away.location, safe='')}")
    asked = urlsplit(away.location)
    back = urlsplit(phone.get(f"{asked.path}?{asked.query}").location)
    answer = client.get(f"{back.path}?{back.query}")
    return client, answer.location or ""


def meet(shop: Shop, merchant: Merchant, appid: str, union_id: str | None) -> Person:
    kind = IdentityKind.mini if appid == MINI else IdentityKind.official
    with transaction() as session:
        member = members.recognise(
            session,
            merchant_id=merchant.id,
            kind=kind,
            appid=appid,
            openid=shop.openid("xiaozhou", appid),
            union_id=union_id,
            now=clock.now(),
        )
        return session.get_one(Person, member.person_id)


def test_staff_come_in_and_their_two_selves_become_one_member(
    shop: Shop, merchant: Merchant
) -> None:
    known = meet(shop, merchant, MINI, shop.person("xiaozhou").union_id)
    met = meet(shop, merchant, OFFICIAL, None)  # in the chat, before WeChat told the UnionID
    with transaction() as session:
        make_staff(session, merchant, stores=(make_store(session, merchant),), person=met)

    client, to = enter(shop, "xiaozhou")

    assert to.endswith("/console/orders/")
    assert client.get("/console/orders/").status_code == 200
    with reading() as session:
        assert session.get_one(Person, met.id).merged_into_id == known.id
        living = select(func.count()).select_from(Member).where(Member.merged_into_id.is_(None))
        assert session.scalar(living) == 1


def test_a_customer_does_not_come_in(shop: Shop, merchant: Merchant) -> None:
    client, to = enter(shop, "aqing")

    assert "/console/orders" not in to
    assert client.get("/console/orders/").status_code in (302, 303, 401)


def test_a_made_up_identity_is_bound_to_nothing_and_told_what_to_do(
    shop: Shop, merchant: Merchant
) -> None:
    shop.app_post("people/xiaozhou/snapshot", {})
    client = shop.app.test_client()
    away = client.get(f"/console/enter?appid={OFFICIAL}&next=/console/orders/")
    phone = shop.wechat.server.app.test_client()
    phone.get(f"/sandbox/webview?person=xiaozhou&url={quote(away.location, safe='')}")
    asked = urlsplit(away.location)
    back = urlsplit(phone.get(f"{asked.path}?{asked.query}").location)

    answer = client.get(f"{back.path}?{back.query}")

    assert answer.status_code == 400
    assert "使用完整服务" in answer.text
    assert "linli_staff" not in str(answer.headers)
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Person)) == 0
        assert session.scalar(select(func.count()).select_from(Identity)) == 0
