"""A worker dies while it walks people along: nothing is lost, nobody is given anything twice."""

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import func, select

from core import clock
from core.database import transaction
from core.outbox import enqueue
from coupons.models import Coupon
from crm import tags
from crm.journeys import drafting
from crm.models import JourneyCount, JourneyRun, JourneyStep, Member, RunState, Segment
from crm.segments import living
from merchants.models import Merchant
from messaging.accounts import minis_of
from messaging.models import OutboundMessage, OutboundState
from people.models import IdentityKind
from tests.factories.coupons import make_template
from tests.factories.journeys import plan
from tests.faults.crowd import _introduce, _members, _open_way, heard_by
from tests.faults.test_campaigns import PAST_EVERY_LEASE
from tests.faults.world import World, fetch, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

SIZE = 500
FIRST = 70_000  # far from every campaign's crowd
KILLS = 3


def test_a_worker_killed_again_and_again_gives_each_one_coupon_and_one_message(
    world: World,
) -> None:
    journey_id = set_off(world)
    for kill in range(KILLS):
        wait(lambda kill=kill: steps(journey_id) > kill * SIZE // 4, "the next slice to begin")
        world.tree.kill("worker-1")
        world.tree.start_worker("worker-1")
    world.sandbox.advance(PAST_EVERY_LEASE)

    wait(lambda: walking(journey_id) == 0, "everybody to arrive")
    wait(lambda: waiting_letters(journey_id) == 0, "every message to be settled")
    mine = select(JourneyRun.member_id).where(JourneyRun.journey_id == journey_id)
    people = Counter(fetch(mine))
    assert (len(people), set(people.values())) == (SIZE, {1})
    source = Coupon.source.startswith(f"journey:{journey_id}:")
    coupons = Counter(fetch(select(Coupon.member_id).where(source)))
    assert coupons == people
    done = fetch(
        select(JourneyStep.node, JourneyStep.outcome, func.count())
        .join(JourneyRun, JourneyRun.id == JourneyStep.run_id)
        .where(JourneyRun.journey_id == journey_id)
        .group_by(JourneyStep.node, JourneyStep.outcome)
    )
    assert {tuple(row) for row in done} == {("n1", "given", SIZE), ("n2", "sent", SIZE)}
    counted = fetch(
        select(JourneyCount.node, JourneyCount.outcome, JourneyCount.number).where(
            JourneyCount.journey_id == journey_id
        )
    )
    assert {tuple(row) for row in counted} == {
        ("", "entered", SIZE),
        ("n1", "given", SIZE),
        ("n2", "sent", SIZE),
        ("", "end:completed", SIZE),
    }
    heard = heard_by(world)
    ends: Counter[OutboundState] = Counter()
    for openid, state in fetch(letters(journey_id, OutboundMessage.openid, OutboundMessage.state)):
        ends[state] += 1
        assert heard[openid] == 1 if state is OutboundState.sent else heard[openid] <= 1
    assert ends.total() == SIZE
    assert ends[OutboundState.unknown] <= KILLS
    assert ends[OutboundState.sent] == SIZE - ends[OutboundState.unknown]


def set_off(world: World) -> int:
    """A published journey, coupon and message, and five hundred people who may come in."""
    mini, now = minis_of("qinghe")[0], clock.now()
    about = mini.subscribe_templates["coupon_arrived"]
    made = world.sandbox.post("crowd", size=FIRST + SIZE, grants={about: 1}, open_windows=True)
    with transaction() as session:
        merchant = session.scalars(select(Merchant).where(Merchant.code == "qinghe")).one()
        people: list[Member] = _members(session, merchant, range(FIRST, FIRST + SIZE), now)
        session.flush()
        for number, member in enumerate(people, FIRST):
            openid = f"{made['prefixes'][mini.appid]}{number:016d}"
            _introduce(session, member, IdentityKind.mini, mini.appid, openid, now)
            _open_way(session, member, mini.appid, openid, about, now)
        tag = tags.ensure_tag(session, merchant.id, "旅人", now=now)
        tags.put(session, tag, [member.id for member in people], actor="system", now=now)
        rule = {"field": "tag", "op": "has", "value": tag.id}
        made_at = {"created_by": "system", "created_at": now, "updated_at": now}
        segment = Segment(merchant_id=merchant.id, name="旅人", rule=rule, **made_at)
        session.add(segment)
        session.flush()
        living.refresh(session, segment, now)
        template = make_template(session, merchant)
        graph = plan(
            {"kind": "coupon", "template_id": template.id},
            {"kind": "message", "text": "{昵称}，来坐坐。"},
            trigger={"kind": "segment", "segment_id": segment.id, "already": True},
        )
        journey = drafting.create(
            session, merchant.id, name="旅人", graph=graph, actor="system", now=now
        )
        drafting.publish(session, journey, actor="system", now=now)
        enqueue(session, "crm.journey_scan")
        return journey.id


def steps(journey_id: int) -> int:
    found = select(func.count(JourneyStep.id)).join(JourneyRun, JourneyRun.id == JourneyStep.run_id)
    return int(fetch(found.where(JourneyRun.journey_id == journey_id))[0])


def walking(journey_id: int) -> int:
    """Who is on the way, or has not come in yet."""
    done = select(func.count(JourneyRun.id)).where(
        JourneyRun.journey_id == journey_id, JourneyRun.state == RunState.done
    )
    return SIZE - int(fetch(done)[0])


def letters(journey_id: int, *columns: Any) -> Any:
    keys = select(func.concat("journey:", JourneyRun.id, ":n2")).where(
        JourneyRun.journey_id == journey_id
    )
    return select(*columns).where(OutboundMessage.key.in_(keys))


def waiting_letters(journey_id: int) -> int:
    open_ = OutboundMessage.state.in_((OutboundState.prepared, OutboundState.sending))
    return int(fetch(letters(journey_id, func.count(OutboundMessage.id)).where(open_))[0])
