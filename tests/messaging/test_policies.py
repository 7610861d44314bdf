"""Which ways a merchant lets its campaigns take."""

from datetime import datetime

import pytest
from sqlalchemy.orm import Session

from messaging import planning, policies
from messaging.broadcasts import quotas
from messaging.models import Channel
from messaging.policies import Policy, PolicyInvalid
from people.models import IdentityKind
from tests.factories.merchants import make_merchant
from tests.factories.messaging import make_follower, make_window
from tests.factories.people import OFFICIAL, make_recognition
from tests.wechat_world import Shop

EVERY_WAY = Policy(broadcast=True, keep_broadcasts=1)


@pytest.fixture
def app(shop: Shop) -> object:
    """`session` works on the shop's database, whose accounts are known."""
    return shop.app


def test_a_policy_is_kept_and_refused(session: Session, now: datetime) -> None:
    merchant = make_merchant(session, code="qinghe")
    assert policies.policy_of(session, merchant.id) == Policy(True, True, False, 1)

    policies.set_policy(session, merchant.id, EVERY_WAY, actor="staff:1", now=now)
    with pytest.raises(PolicyInvalid) as many:
        wrong = Policy(keep_broadcasts=4)
        policies.set_policy(session, merchant.id, wrong, actor="staff:1", now=now)
    with pytest.raises(PolicyInvalid) as none:
        nothing = Policy(customer_service=False, subscribe=False)
        policies.set_policy(session, merchant.id, nothing, actor="staff:1", now=now)

    assert "keep_broadcasts" in many.value.errors
    assert "ways" in none.value.errors
    assert policies.policy_of(session, merchant.id) == EVERY_WAY


def test_the_cheapest_way_that_is_allowed(session: Session, now: datetime) -> None:
    merchant = make_merchant(session, code="qinghe")
    known = make_recognition(session, kind=IdentityKind.official)
    make_follower(session, merchant=merchant, identity=known.identity)
    make_window(session, known.identity.openid)

    def way(policy: Policy) -> object:
        plan = planning.plan_channels(
            session,
            merchant_id=merchant.id,
            person_ids=[known.person.id],
            template="coupon_arrived",
            policy=policy,
            now=now,
        )[known.person.id]
        return plan.channel or plan.reason

    assert way(EVERY_WAY) is Channel.customer_service
    assert way(Policy(customer_service=False, broadcast=True)) is Channel.broadcast
    assert way(Policy(customer_service=False)) == "no_window"
    for _ in range(3):
        quotas.spend(session, OFFICIAL, [known.identity.openid], now=now)
    assert way(Policy(customer_service=False, broadcast=True)) == "no_broadcast"
    all_four = Policy(customer_service=False, broadcast=True, keep_broadcasts=0)
    assert way(all_four) is Channel.broadcast
