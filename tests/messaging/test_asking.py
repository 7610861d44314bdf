"""Grants: asked for seldom, counted once per answer, spent, and taken away by WeChat's word."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core import clock
from core.database import reading, transaction
from messaging import asking, grants
from messaging.models import SubscribeAnswer
from sandbox.demo_config import MINI, SUBSCRIBE_TEMPLATES
from tests.factories.merchants import make_merchant
from tests.wechat_world import Shop

READY = SUBSCRIBE_TEMPLATES["order_ready"]
ARRIVED, EXPIRING = SUBSCRIBE_TEMPLATES["coupon_arrived"], SUBSCRIBE_TEMPLATES["coupon_expiring"]


def ask(shop: Shop, occasion: str = "after_pay", later: timedelta = timedelta()) -> list[str]:
    with reading() as session:
        return asking.what_to_ask(
            session,
            appid=MINI,
            openid=shop.openid("aqing", MINI),
            occasion=occasion,
            now=clock.now() + later,
        )


def answer(shop: Shop, **answers: str) -> None:
    named = {SUBSCRIBE_TEMPLATES[name]: said for name, said in answers.items()}
    shop.app_post("people/aqing/subscribe", {"appid": MINI, "answers": named, "wait": True})


def left(shop: Shop, template_id: str) -> int:
    with reading() as session:
        openid = shop.openid("aqing", MINI)
        return grants.count(session, appid=MINI, openid=openid, template_id=template_id)


def spend(shop: Shop, template_id: str) -> None:
    with transaction() as session:
        openid = shop.openid("aqing", MINI)
        assert grants.spend(
            session, appid=MINI, openid=openid, template_id=template_id, now=clock.now()
        )


def test_a_service_is_asked_for_when_none_is_left(shop: Shop) -> None:
    assert ask(shop) == [READY, ARRIVED]
    assert ask(shop, "after_claim") == [EXPIRING, ARRIVED]
    assert ask(shop, "after_pickup") == ask(shop, "after_sign_in") == [ARRIVED, EXPIRING]
    assert ask(shop, "nowhere") == []

    answer(shop, order_ready="accept", coupon_arrived="accept")

    assert (left(shop, READY), left(shop, ARRIVED)) == (1, 1)
    assert ask(shop) == []  # the cup is promised, and offers were asked about today
    spend(shop, READY)
    assert ask(shop) == [READY]
    assert ask(shop, later=timedelta(hours=21)) == [READY, ARRIVED]


def test_enough_offers_are_enough(shop: Shop) -> None:
    answer(shop, coupon_arrived="accept")
    assert ARRIVED in ask(shop, later=timedelta(days=3))
    with transaction() as session:
        openid = shop.openid("aqing", MINI)
        grants.add(session, appid=MINI, openid=openid, template_id=ARRIVED, now=clock.now())

    assert left(shop, ARRIVED) == 2
    assert ARRIVED not in ask(shop, later=timedelta(days=3))
    spend(shop, ARRIVED)
    assert ARRIVED in ask(shop, later=timedelta(days=3))


@pytest.mark.parametrize(
    ("occasion", "name", "template", "days"),
    [("after_pay", "order_ready", READY, 7), ("after_claim", "coupon_expiring", EXPIRING, 30)],
)
def test_who_said_no_is_left_alone(
    shop: Shop, occasion: str, name: str, template: str, days: int
) -> None:
    answer(shop, **{name: "reject"})

    assert template not in ask(shop, occasion, timedelta(days=days - 1))
    assert template in ask(shop, occasion, timedelta(days=days + 1))
    assert left(shop, template) == 0


def test_an_answer_that_comes_twice_counts_once(shop: Shop) -> None:
    shop.fault(api="mini.push", kind="duplicate", copies=3, times=1)

    answer(shop, order_ready="accept")

    assert left(shop, READY) == 1
    with reading() as session:
        known = session.scalars(select(SubscribeAnswer)).one()
        assert (known.accepts, known.rejects, known.refused_at) == (1, 0, None)


def test_switching_off_in_the_settings_takes_everything_back(shop: Shop) -> None:
    answer(shop, order_ready="accept")

    shop.app_post("people/aqing/unsubscribe", {"appid": MINI, "template_id": READY, "wait": True})

    assert left(shop, READY) == 0
    assert ask(shop) == [ARRIVED]


def test_the_mini_program_learns_what_its_button_asks(shop: Shop) -> None:
    with transaction() as session:
        make_merchant(session, code="qinghe")
    client = shop.app.test_client()
    body = {"code": shop.login_code("aqing")}
    login: Any = client.post("/api/v1/sessions", json=body).json
    headers = {"Authorization": f"Bearer {login['token']}"}

    found = client.get("/api/v1/subscriptions?occasion=after_pay", headers=headers)
    wrong = client.get("/api/v1/subscriptions?occasion=whenever", headers=headers)

    assert found.json == {"templates": [READY, ARRIVED]}
    assert wrong.status_code == 422
    assert client.get("/api/v1/subscriptions?occasion=after_pay").status_code == 401
