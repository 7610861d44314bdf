"""The channel planner: lawful, cheapest first, or why not."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from merchants.models import Merchant
from messaging import planning
from messaging.models import Channel
from people.identities import list_identities
from people.models import IdentityKind
from tests.counting import statements
from tests.factories.merchants import make_merchant
from tests.factories.messaging import make_follower, make_grant, make_window
from tests.factories.people import MINI, make_recognition
from tests.wechat_world import Shop

MOMENT = "coupon_arrived"


@pytest.fixture
def merchant(shop: Shop, session: Session) -> Merchant:
    return make_merchant(session, code="qinghe")


@pytest.fixture
def app(shop: Shop) -> Any:
    """`session` works on the shop's database."""
    return shop.app


def template(shop: Shop) -> str:
    return shop.wechat.raw["wechat"]["mini_programs"][0]["subscribe_templates"][MOMENT]


def make_customer(
    session: Session,
    merchant: Merchant,
    *,
    follows: bool = True,
    window: int | None = None,
    granted: str | None = None,
) -> int:
    union_id = f"U{merchant.id}-{session.info.setdefault('count', 0)}"
    session.info["count"] += 1
    official = make_recognition(session, kind=IdentityKind.official, union_id=union_id)
    mini = make_recognition(session, kind=IdentityKind.mini, union_id=union_id)
    if follows:
        make_follower(session, merchant=merchant, identity=official.identity)
    if window is not None:
        make_window(session, official.identity.openid, remaining=window)
    if granted:
        make_grant(session, mini.identity.openid, granted)
    return official.person.id


def plan(session: Session, merchant: Merchant, person_id: int, now: datetime) -> planning.Plan:
    return planning.best_channel(
        session,
        merchant_id=merchant.id,
        identities=list_identities(session, person_id),
        template=MOMENT,
        now=now,
    )


def test_an_open_window_comes_before_a_grant(
    shop: Shop, session: Session, merchant: Merchant, now: datetime
) -> None:
    both = make_customer(session, merchant, window=2, granted=template(shop))

    found = plan(session, merchant, both, now)

    assert found.channel is Channel.customer_service
    later = plan(session, merchant, both, now + timedelta(hours=48))
    assert (later.channel, later.appid, later.template_id) == (
        Channel.subscribe,
        MINI,
        template(shop),
    )


@pytest.mark.parametrize(
    ("customer", "reason"),
    [
        ({}, "no_window"),
        ({"window": 0}, "no_window"),
        ({"follows": False}, "not_following"),
        ({"follows": False, "window": 3}, "not_following"),
        ({"granted": "another-template"}, "no_window"),
    ],
)
def test_nobody_is_reached_without_a_right_to(
    session: Session, merchant: Merchant, now: datetime, customer: dict[str, Any], reason: str
) -> None:
    person_id = make_customer(session, merchant, **customer)

    found = plan(session, merchant, person_id, now)

    assert (found.channel, found.reason) == (None, reason)
    assert reason in planning.SKIP_REASONS


def test_many_are_planned_like_one_with_a_fixed_number_of_queries(
    shop: Shop, session: Session, merchant: Merchant, now: datetime
) -> None:
    people = [
        make_customer(session, merchant, window=1),
        make_customer(session, merchant, granted=template(shop)),
        make_customer(session, merchant),
    ] * 1 + [make_customer(session, merchant, window=index % 2) for index in range(30)]
    session.flush()
    everybody = [*people, 999_999]

    with statements(session.get_bind()) as sent:
        plans = planning.plan_channels(
            session, merchant_id=merchant.id, person_ids=everybody, template=MOMENT, now=now
        )

    assert len(sent) <= 5
    assert plans[999_999].reason == "no_identity"
    assert {p: plans[p] for p in people} == {p: plan(session, merchant, p, now) for p in people}
