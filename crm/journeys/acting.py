"""What a step gives: a coupon, a message, a tag, points. Each once per run and node.

Who tries the journey out is given the messages and nothing else: a trial must not be worth money.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.config import current_config
from core.outbox import enqueue
from coupons import issuing
from coupons.errors import GoneAlready, NotClaimable
from coupons.models import Coupon, CouponTemplate
from coupons.words import card_title
from crm import contacts, points, tags
from crm.campaigns import words
from crm.campaigns.reach import MOMENT
from crm.journeys.graph import Node
from crm.models import (
    Journey,
    JourneyRun,
    JourneyStep,
    JourneyVersion,
    Member,
    RunArm,
    Tag,
)
from messaging import planning, sending
from messaging.accounts import find_official, mini_for_official
from messaging.models import Channel
from messaging.planning import Plan

KIND = "journey"
TRIED = "tried"


@dataclass(frozen=True)
class Acted:
    outcome: str
    coupon_id: int | None = None


@dataclass(frozen=True)
class Postponed:
    until: datetime


class Closed(Exception):
    """Nobody can be given this any more: the journey stops and says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


Results = dict[int, Acted | Postponed]


def act(
    session: Session,
    journey: Journey,
    key: str,
    node: Node,
    runs: Sequence[JourneyRun],
    now: datetime,
) -> Results:
    """Do the step for all of these runs; what came of it by run. Raises Closed."""
    if node["kind"] == "message":
        return _write(session, journey, key, node, runs, now)
    results: Results = {run.id: Acted(TRIED) for run in runs if run.arm is RunArm.test}
    walking = [run for run in runs if run.arm is not RunArm.test]
    if not walking:
        return results
    match node["kind"]:
        case "coupon":
            return results | _give_coupons(session, journey, key, node, walking, now)
        case "tag":
            return results | _tag(session, journey, node, walking, now)
    return results | _award(session, journey, key, node, walking, now)


def message_key(run_id: int, key: str) -> str:
    return f"journey:{run_id}:{key}"


def contact_ref(journey_id: int, key: str, number: int) -> str:
    """What a contact of the cap is written down under."""
    return f"{journey_id}:{key}:{number}"


def _give_coupons(
    session: Session,
    journey: Journey,
    key: str,
    node: Node,
    runs: Sequence[JourneyRun],
    now: datetime,
) -> Results:
    """One per run: the source names journey, step and the member's how-manieth time here."""
    by_source: dict[str, list[JourneyRun]] = defaultdict(list)
    for run in runs:
        by_source[f"journey:{journey.id}:{key}:{run.round}"].append(run)
    results: Results = {}
    template = issuing.get_template(session, node["template_id"])
    for source, group in sorted(by_source.items()):
        ids = [run.member_id for run in group]
        try:
            with session.begin_nested():
                given = issuing.issue_many(session, template, ids, source=source, now=now)
        except (GoneAlready, NotClaimable) as refused:
            raise Closed(f"「{template.name}」发不出去：{refused.detail}") from refused
        results |= {run.id: Acted("given", given[run.member_id]) for run in group}
    return results


def _tag(
    session: Session, journey: Journey, node: Node, runs: Sequence[JourneyRun], now: datetime
) -> Results:
    tag = session.get(Tag, node["tag_id"])
    if tag is None:
        return {run.id: Acted("no_tag") for run in runs}
    ids = [run.member_id for run in runs]
    if node.get("put", True):
        tags.put(session, tag, ids, actor=f"journey:{journey.id}", now=now)
    else:
        tags.take_off(session, tag, ids)
    return {run.id: Acted("done") for run in runs}


def _award(
    session: Session,
    journey: Journey,
    key: str,
    node: Node,
    runs: Sequence[JourneyRun],
    now: datetime,
) -> Results:
    """Points at once; members are held in the order of their ids."""
    for run in sorted(runs, key=lambda each: each.member_id):
        points.grant(
            session,
            run.member_id,
            node["points"],
            cause=message_key(run.id, key),
            reason=journey.name,
            now=now,
        )
    return {run.id: Acted("done") for run in runs}


def _write(
    session: Session,
    journey: Journey,
    key: str,
    node: Node,
    runs: Sequence[JourneyRun],
    now: datetime,
) -> Results:
    """A message to whom the law, the cap and their own wish allow it; the others are passed over.

    At night everybody waits for the morning. A coupon of the run travels along; without one there
    is no subscribe template that the words would fit.
    """
    until = contacts.held_until(session, journey.merchant_id, now)
    results: Results = {}
    if until is not None:
        results = {run.id: Postponed(until) for run in runs if run.arm is not RunArm.test}
        runs = [run for run in runs if run.arm is RunArm.test]
    members = _members(session, runs)
    gifts = _gifts(session, runs) | _samples(session, journey, runs, now)
    plans = _plans(session, journey, runs, members, set(gifts), now)
    ready: list[JourneyRun] = []
    for run in runs:
        if not members[run.member_id].marketing_consent:
            results[run.id] = Acted("no_consent")
        elif plans[run.id].channel is None:
            results[run.id] = Acted(plans[run.id].reason)
        else:
            ready.append(run)
    allowed = _under_cap(session, journey, key, ready, now)
    results |= {run.id: Acted("frequency") for run in ready if run.id not in allowed}
    ready = [run for run in ready if run.id in allowed]
    letters = {
        run.id: _letter(node, key, run, members[run.member_id], plans[run.id], gifts.get(run.id))
        for run in ready
    }
    prepared = sending.prepare_many(session, list(letters.values()), now=now)
    for run in ready:
        message_id = prepared[letters[run.id].key]
        enqueue(
            session,
            "messaging.deliver_marketing",
            key=f"deliver:{message_id}",
            message_id=message_id,
        )
        results[run.id] = Acted("sent")
    return results


def _members(session: Session, runs: Sequence[JourneyRun]) -> dict[int, Member]:
    ids = [run.member_id for run in runs]
    found = select(Member).where(Member.id.in_(ids)).execution_options(populate_existing=True)
    return {member.id: member for member in session.scalars(found)}


def _plans(
    session: Session,
    journey: Journey,
    runs: Sequence[JourneyRun],
    members: dict[int, Member],
    gifted: set[int],
    now: datetime,
) -> dict[int, Plan]:
    plans: dict[int, Plan] = {}
    for template in (MOMENT, None):
        group = [run for run in runs if (run.id not in gifted) is (template is None)]
        found = planning.plan_channels(
            session,
            merchant_id=journey.merchant_id,
            person_ids=[members[run.member_id].person_id for run in group],
            template=template,
            now=now,
        )
        plans |= {run.id: found[members[run.member_id].person_id] for run in group}
    return plans


def _under_cap(
    session: Session, journey: Journey, key: str, ready: Sequence[JourneyRun], now: datetime
) -> set[int]:
    """The cap over all marketing; whoever tries the journey out is not marketing."""
    allowed = {run.id for run in ready if run.arm is RunArm.test}
    by_round: dict[int, list[JourneyRun]] = defaultdict(list)
    for run in ready:
        if run.arm is not RunArm.test:
            by_round[run.round].append(run)
    for number, group in sorted(by_round.items()):
        taken = contacts.claim_many(
            session,
            journey.merchant_id,
            [run.member_id for run in group],
            kind=KIND,
            ref=contact_ref(journey.id, key, number),
            now=now,
        )
        allowed |= {run.id for run in group if run.member_id in taken}
    return allowed


def _gifts(session: Session, runs: Sequence[JourneyRun]) -> dict[int, words.Gift]:
    """What each run's coupon is, as the message names it."""
    ids = {run.coupon_id: run.id for run in runs if run.coupon_id is not None}
    found = session.execute(
        select(Coupon, CouponTemplate)
        .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
        .where(Coupon.id.in_(ids))
    )
    return {
        ids[coupon.id]: words.Gift(template.name, coupon.expires_at, card_title(template))
        for coupon, template in found
    }


def _samples(
    session: Session, journey: Journey, runs: Sequence[JourneyRun], now: datetime
) -> dict[int, words.Gift]:
    """What a trial would have been given on its way, for the message to name."""
    trying = [run.id for run in runs if run.arm is RunArm.test and run.coupon_id is None]
    if not trying:
        return {}
    passed = session.execute(
        select(JourneyStep.run_id, JourneyStep.node, JourneyVersion.graph)
        .join(JourneyRun, JourneyRun.id == JourneyStep.run_id)
        .join(JourneyVersion, JourneyVersion.id == JourneyRun.version_id)
        .where(JourneyStep.run_id.in_(trying), JourneyStep.outcome == TRIED)
        .order_by(JourneyStep.id)
    )
    samples = {}
    for run_id, key, graph in passed:  # a draft may have been rewritten on the way
        chosen = graph["nodes"].get(key, {}).get("template_id")
        template = session.get(CouponTemplate, chosen) if chosen else None
        if template is not None and template.merchant_id == journey.merchant_id:
            samples[run_id] = words.sample(template, now)
    return samples


def _letter(
    node: Node, key: str, run: JourneyRun, member: Member, plan: Plan, gift: words.Gift | None
) -> sending.Letter:
    assert plan.channel is not None
    payload: dict[str, Any]
    if gift is None:
        payload = {"type": "text", "text": words.greet(node["text"], member.name)}
    elif plan.channel is Channel.subscribe:
        payload = words.subscribe(node["text"], member.name, gift, plan.template_id)
    else:
        official = find_official(plan.appid)
        payload = words.chat(
            node["text"],
            member.name,
            gift,
            mini_for_official(plan.appid),
            current_config().app.base_url,
            official.card_media_id if official else "",
        )
    return sending.Letter(
        message_key(run.id, key), plan.appid, plan.openid, plan.channel, KIND, payload
    )
