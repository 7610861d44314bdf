"""Log-in inside WeChat, with the sandbox as WeChat: staff, strangers, invites, forgeries."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from core.clock import now as clock_now
from core.database import reading, transaction
from core.outbox import OutboxJob, enqueue
from merchants import invites
from merchants.models import Merchant, Role, Staff
from people import identities, logins
from people.models import LoginSession
from sandbox.demo_config import OFFICIAL
from tests.console.conftest import Browser
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.wechat_world import Shop

PHONE = "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0.60"


@dataclass
class Town:
    shop: Shop
    client: FlaskClient
    person: str
    staff_id: int
    merchant_id: int
    store_id: int

    def bind(self) -> None:
        """The person is the clerk."""
        with transaction() as session:
            met = identities.recognise(
                session,
                kind="official",
                appid=OFFICIAL,
                openid=self.shop.openid(self.person),
                now=clock_now(),
            )
            session.get_one(Staff, self.staff_id).person_id = met.person.id

    def through_wechat(self, location: str, person: str = "") -> str:
        """What WeChat does with the redirect: it comes back with a code for whoever it is."""
        assert location.startswith(str(self.shop.wechat.raw["wechat"]["oauth_base"]))
        way = urlsplit(location)
        answer = self.shop.wechat.server.app.test_client().get(
            f"{way.path}?{way.query}&person={person or self.person}"
        )
        back = urlsplit(answer.location)
        return f"{back.path}?{back.query}"

    def enter(self, to: str = "") -> Any:
        asked = self.client.get("/console/enter", query_string={"appid": OFFICIAL, "next": to})
        assert asked.status_code == 303
        return self.client.get(self.through_wechat(asked.location))


@pytest.fixture
def town(shop: Shop) -> Town:
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")
        store = make_store(session, merchant)
        clerk = make_staff(session, merchant, stores=(store,))
    person = shop.world.people.list()[0].id
    return Town(shop, shop.app.test_client(), person, clerk.id, merchant.id, store.id)


def test_a_clerk_comes_in_from_the_menu_to_where_the_menu_leads(town: Town) -> None:
    town.bind()

    answer = town.enter("/console/redeem/")

    assert (answer.status_code, answer.location) == (303, "/console/redeem/")
    assert town.client.get("/console/redeem/").status_code == 200
    with reading() as session:
        login = session.scalars(select(LoginSession)).one()
    assert login.staff_id == town.staff_id
    assert login.identity_id is not None


def test_a_stranger_learns_how_to_become_staff(town: Town) -> None:
    answer = town.enter()

    assert answer.status_code == 403
    assert "这个微信还没有绑定员工账号" in answer.text
    assert town.client.get("/console/orders/").status_code == 303
    with reading() as session:
        assert session.scalars(select(LoginSession)).all() == []


def test_an_answer_that_was_not_asked_for_is_refused(town: Town) -> None:
    town.bind()
    asked = town.client.get("/console/enter", query_string={"appid": OFFICIAL})
    back = town.through_wechat(asked.location)

    other_browser = town.shop.app.test_client().get(back)
    forged = town.client.get(back.replace("state=", "state=x"))
    right = town.client.get(back)
    again = town.client.get(back)

    assert [r.status_code for r in (other_browser, forged, right, again)] == [410, 410, 303, 410]


def test_nobody_is_led_to_another_host(town: Town) -> None:
    town.bind()

    assert town.enter("https://evil.example/").location == "/console/"


def test_an_unknown_account_is_not_found(town: Town) -> None:
    assert town.client.get("/console/enter?appid=wx0000000000000000").status_code == 404


def test_inside_wechat_nobody_meets_the_password_page(town: Town) -> None:
    answer = town.client.get("/console/redeem/?token=LL1.1.2.3", headers={"User-Agent": PHONE})

    assert answer.location == (
        f"/console/enter?appid={OFFICIAL}&next=/console/redeem/?token%3DLL1.1.2.3"
    )


def test_an_invite_makes_one_person_staff_once(town: Town) -> None:
    with transaction() as session:
        code = invites.invite(
            session,
            merchant_id=town.merchant_id,
            name="小林",
            role=Role.clerk,
            store_ids=[town.store_id],
            now=clock_now(),
        )
    asked = town.client.get(f"/console/invite/{code}")
    to_wechat = town.client.get(asked.location)
    back = town.client.get(town.through_wechat(to_wechat.location))
    page = town.client.get(back.location)
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]

    accepted = town.client.post(f"/console/invite/{code}", data={"csrf_token": token})

    assert back.location == f"/console/invite/{code}"
    assert "店主邀请你成为员工" in page.text
    assert accepted.location == "/console/"
    assert town.client.get("/console/orders/").status_code == 200
    with reading() as session:
        joined = session.scalars(select(Staff).where(Staff.name == "小林")).one()
        jobs = list(session.scalars(select(OutboxJob.name)))
    assert joined.person_id is not None
    assert "messaging.tag_staff" in jobs

    late = town.shop.app.test_client()
    other = town.shop.world.people.list()[1].id
    to_wechat = late.get(late.get(f"/console/invite/{code}").location)
    late.get(town.through_wechat(to_wechat.location, other))
    page = late.get(f"/console/invite/{code}")
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    refused = late.post(f"/console/invite/{code}", data={"csrf_token": token})
    assert refused.status_code in (409, 410)


def test_who_is_staff_already_is_told_so_and_may_still_take_the_invite(town: Town) -> None:
    town.bind()
    with transaction() as session:
        code = invites.invite(
            session,
            merchant_id=town.merchant_id,
            name="小林",
            role=Role.manager,
            store_ids=[town.store_id],
            now=clock_now(),
        )
    to_wechat = town.client.get(town.client.get(f"/console/invite/{code}").location)
    back = town.client.get(town.through_wechat(to_wechat.location))

    page = town.client.get(back.location)

    assert back.location == f"/console/invite/{code}"
    assert page.status_code == 200
    assert "你已经是店员" in page.text
    assert town.client.get("/console/orders/").status_code == 200
    with reading() as session:
        assert session.get_one(Staff, town.staff_id).role is Role.clerk
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]
    taken = town.client.post(back.location, data={"csrf_token": token})
    assert taken.location == "/console/"
    with reading() as session:
        assert session.get_one(Staff, town.staff_id).role is Role.manager


def test_an_invite_without_wechats_word_binds_nobody(town: Town) -> None:
    page = town.client.get("/console/login")
    token = page.text.split('name="csrf_token" value="')[1].split('"')[0]

    answer = town.client.post("/console/invite/ABC", data={"csrf_token": token})

    assert answer.status_code == 410


def test_whose_work_has_ended_loses_the_staff_menu(town: Town) -> None:
    town.shop.follow(town.person)
    town.bind()
    openid = town.shop.openid(town.person)
    with transaction() as session:
        merchant = session.get_one(Merchant, town.merchant_id)
        owner = make_staff(session, merchant, name="沈知夏", role=Role.owner)
        enqueue(session, "messaging.tag_staff", appid=OFFICIAL, openid=openid)
        token = logins.open_session(
            session,
            person=None,
            identity=None,
            audience="staff",
            lifetime=timedelta(hours=1),
            now=clock_now(),
            staff_id=owner.id,
        )
    town.shop.drain()
    assert tags_of(town) == ["店员"]
    browser = Browser(town.shop.app)
    browser.client.set_cookie("linli_staff", token, path="/console")

    assert browser.post(f"/stores/staff/{town.staff_id}/end").status_code == 303
    assert "messaging.untag_staff:done" in town.shop.drain()

    assert tags_of(town) == []
    assert town.enter().status_code == 403


def tags_of(town: Town) -> list[str]:
    follow = town.shop.world.followers.find(OFFICIAL, town.shop.openid(town.person))
    assert follow is not None
    return [town.shop.world.tags.of(OFFICIAL)[tag] for tag in follow.tags]
