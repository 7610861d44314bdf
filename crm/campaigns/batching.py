"""Issuing, slice by slice. The cursor moves in the transaction that does the work.

A slice holds the campaign's row from its first statement, so what the caps leave is exact for
however many workers, and a pause is either before a slice or after it.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from core.clock import business_day
from core.database import claim
from core.outbox import enqueue
from core.rows import all_moved
from coupons import issuing
from coupons.models import Coupon
from crm import contacts, points
from crm.campaigns import caps, masses, offers, tallies, variants, waves, words
from crm.campaigns.letters import write
from crm.campaigns.moving import (
    BATCH_KEY,
    SEND_CHUNK,
    SEND_KEY,
    WAVE_KEY,
    contact,
    finish_if_done,
    pause,
)
from crm.campaigns.offers import Offer
from crm.consent import NO_CONSENT
from crm.models import (
    Arm,
    Campaign,
    CampaignState,
    CampaignWave,
    Member,
    Recipient,
    RecipientState,
)
from messaging import planning, sending
from messaging.models import Channel
from messaging.planning import Plan
from messaging.policies import policy_of

BATCH = 500


@dataclass(frozen=True)
class Batch:
    """What one slice did; `last` when there is nobody left to issue to in its wave.

    `wait_until`: the day's people are through. A cap that is full has paused the campaign.
    """

    issued: int = 0
    skipped: int = 0
    last: bool = False
    wait_until: datetime | None = None


@dataclass(frozen=True)
class _Person:
    recipient_id: int
    member: Member
    variant: int


@dataclass(frozen=True)
class _Reached:
    person: _Person
    plan: Plan
    offer: Offer


def next_batch(
    session: Session,
    campaign_id: int,
    *,
    wave_id: int | None = None,
    now: datetime,
    size: int = BATCH,
) -> Batch | None:
    """Issue to the next slice of a wave (None: the earliest that is due) and queue its messages.

    None when the campaign is not running, nothing is due or another worker took this slice.
    Whether each person may be written to is asked once more, before the coupon. Raises what
    `coupons.issuing` raises when the coupons run out.
    """
    seen = _find_wave(session, campaign_id, wave_id, now)
    if seen is None:
        return None
    cursor = seen.cursor
    campaign = _hold(session, campaign_id)
    wave = session.get_one(CampaignWave, seen.id, populate_existing=True)
    taken = wave.issued_all or wave.cursor != cursor
    if campaign.state is not CampaignState.running or taken:
        return None
    if wave.is_rest and campaign.judged_at is None:
        campaign.winner = variants.clear_winner(variants.scores(session, campaign))
        campaign.judged_at = now
    people = _slice(session, wave, size)
    if not people:
        wave.issued_all = True
        session.flush()
        finish_if_done(session, campaign.id, now=now)
        return Batch(last=True)
    made = _offers(session, campaign)
    reached, skipped = _plan(session, campaign, people, made, now)
    room = caps.find_room(session, campaign, [each.offer for each in reached], now=now)
    last_id = people[-1].recipient_id
    if room.people < len(reached):  # whoever comes after the last that fits waits
        last_id = reached[room.people].person.recipient_id - 1
        reached = reached[: room.people]
        skipped = {id_: why for id_, why in skipped.items() if id_ <= last_id}
    reached, capped = _take_contacts(session, campaign, reached, now)
    skipped |= capped
    if reached:  # gifts first: their template is locked before the recipients, as at a launch
        _issue(session, campaign, reached, now)
    _count(campaign, reached, now)
    wave.cursor = max(last_id, wave.cursor)
    session.flush()
    _skip(session, skipped, now)
    coupons = sum(each.offer.template is not None for each in reached)
    _tally(session, campaign.id, len(reached), skipped, coupons)
    if room.people == 0 and room.full:
        pause(session, campaign, actor="system", reason=room.full, now=now)
    else:
        key = (WAVE_KEY if room.tomorrow else BATCH_KEY).format(campaign.id)
        key += f"{wave.id}:{wave.cursor}" + (f":{room.tomorrow:%m%d}" if room.tomorrow else "")
        waves.queue(session, wave, key=key, now=now, run_at=room.tomorrow)
    return Batch(issued=len(reached), skipped=len(skipped), wait_until=room.tomorrow)


def _find_wave(
    session: Session, campaign_id: int, wave_id: int | None, now: datetime
) -> CampaignWave | None:
    open_waves = waves.list_open(session, campaign_id)
    due = [w for w in open_waves if w.due_at <= now and wave_id in (None, w.id)]
    return due[0] if due else None


def _hold(session: Session, campaign_id: int) -> Campaign:
    return session.scalars(
        select(Campaign)
        .where(Campaign.id == campaign_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _slice(session: Session, wave: CampaignWave, size: int) -> list[_Person]:
    rows = session.execute(
        select(Recipient.id, Recipient.variant, Member)
        .join(Member, Member.id == Recipient.member_id)
        .where(
            Recipient.wave_id == wave.id,
            Recipient.state == RecipientState.planned,
            Recipient.arm == Arm.reach,
            Recipient.id > wave.cursor,
        )
        .order_by(Recipient.id)
        .limit(size)
        .execution_options(populate_existing=True)
    )
    return [_Person(recipient_id, member, variant) for recipient_id, variant, member in rows]


def _offers(session: Session, campaign: Campaign) -> dict[int, Offer]:
    """What each variant gives; all of them the winner's, once there is one."""
    known = {variant.no: variant for variant in variants.list_variants(session, campaign)}
    return {
        no: offers.load(
            session, campaign, drawn if campaign.winner is None else known[campaign.winner]
        )
        for no, drawn in known.items()
    }


def _plan(
    session: Session,
    campaign: Campaign,
    people: Sequence[_Person],
    made: dict[int, Offer],
    now: datetime,
) -> tuple[list[_Reached], dict[int, str]]:
    """Who can still be reached and how; of the others, recipient → reason."""
    plans = planning.plan_channels(
        session,
        merchant_id=campaign.merchant_id,
        person_ids=[person.member.person_id for person in people],
        template=offers.moment_of(variants.list_variants(session, campaign)),
        now=now,
        policy=policy_of(session, campaign.merchant_id),
    )
    reached: list[_Reached] = []
    skipped: dict[int, str] = {}
    for person in people:
        plan = plans[person.member.person_id]
        if not person.member.marketing_consent:
            skipped[person.recipient_id] = NO_CONSENT
        elif plan.channel is None:
            skipped[person.recipient_id] = plan.reason
        else:
            reached.append(_Reached(person, plan, made[person.variant]))
    return reached, skipped


def _take_contacts(
    session: Session, campaign: Campaign, reached: Sequence[_Reached], now: datetime
) -> tuple[list[_Reached], dict[int, str]]:
    """Whom the merchant's frequency cap leaves a message; the others are skipped."""
    allowed = contacts.claim_many(
        session,
        campaign.merchant_id,
        [each.person.member.id for each in reached],
        **contact(campaign.id),
        now=now,
    )
    kept = [each for each in reached if each.person.member.id in allowed]
    capped = {
        each.person.recipient_id: "frequency"
        for each in reached
        if each.person.member.id not in allowed
    }
    return kept, capped


def _count(campaign: Campaign, reached: Sequence[_Reached], now: datetime) -> None:
    """What the caps are held against; the row is ours."""
    today = business_day(now)
    campaign.today_people = len(reached) + caps.count_today(campaign, now)
    campaign.today_on = today
    campaign.face_fen += sum(each.offer.face_fen for each in reached)
    campaign.expected_fen += sum(each.offer.expected_fen for each in reached)
    campaign.points_fen += sum(e.offer.face_fen for e in reached if e.offer.variant.points)


def _skip(session: Session, skipped: dict[int, str], now: datetime) -> None:
    for reason in set(skipped.values()):
        ids = [recipient_id for recipient_id, why in skipped.items() if why == reason]
        moved = claim(
            session,
            update(Recipient)
            .where(Recipient.id.in_(ids), Recipient.state == RecipientState.planned)
            .values(state=RecipientState.skipped, skip_reason=reason, state_at=now),
        )
        all_moved(Recipient, moved, len(ids))


def _tally(
    session: Session, campaign_id: int, issued: int, skipped: dict[int, str], coupons: int
) -> None:
    changes = Counter(tallies.reached(RecipientState.skipped, why) for why in skipped.values())
    changes[tallies.reached(RecipientState.issued)] = issued
    changes[tallies.reached(RecipientState.planned)] = -issued - len(skipped)
    tallies.add(session, campaign_id, changes, coupons=coupons)


def _issue(
    session: Session, campaign: Campaign, reached: Sequence[_Reached], now: datetime
) -> None:
    coupons = _give(session, campaign, reached, now)
    _award(session, campaign, reached, now)
    expiry = dict(
        session.execute(
            select(Coupon.id, Coupon.expires_at).where(Coupon.id.in_(list(coupons.values())))
        ).all()
    )
    letters = {}
    for each in reached:
        gift = each.offer.given(expiry.get(coupons.get(each.person.member.id, 0)))
        letters[each.person.recipient_id] = _letter(campaign, each, gift)
    messages = sending.prepare_many(session, list(letters.values()), now=now)
    rows = [
        {
            "row_id": each.person.recipient_id,
            "row_variant": each.offer.variant.no,
            "row_coupon": coupons.get(each.person.member.id),
            "row_outbound": messages[letters[each.person.recipient_id].key],
            "row_channel": each.plan.channel,
        }
        for each in reached
    ]
    _record(session, rows, now)
    _queue_sending(session, campaign.id, [each.person.recipient_id for each in reached])
    if any(each.plan.channel is Channel.broadcast for each in reached):
        masses.queue(session, campaign.id, now=now)


def _give(
    session: Session, campaign: Campaign, reached: Sequence[_Reached], now: datetime
) -> dict[int, int]:
    """Member → coupon. Templates in the order of their ids: two campaigns may share them."""
    coupons: dict[int, int] = {}
    by_template: dict[int, list[_Reached]] = defaultdict(list)
    for each in reached:
        if each.offer.template is not None:
            by_template[each.offer.template.id].append(each)
    for _, group in sorted(by_template.items()):
        template, members = group[0].offer.template, [each.person.member.id for each in group]
        assert template is not None
        source = f"campaign:{campaign.id}"
        coupons |= issuing.issue_many(session, template, members, source=source, now=now)
    return coupons


def _award(
    session: Session, campaign: Campaign, reached: Sequence[_Reached], now: datetime
) -> None:
    """Points, once for each member of the campaign: the ledger's cause names both."""
    by_points: dict[int, list[int]] = defaultdict(list)
    for each in reached:
        if each.offer.variant.points:
            by_points[each.offer.variant.points].append(each.person.member.id)
    for number, members in sorted(by_points.items()):
        cause = f"campaign:{campaign.id}"
        points.grant_many(session, members, number, cause=cause, reason=campaign.name, now=now)


def _letter(campaign: Campaign, each: _Reached, gift: words.Gift | None) -> sending.Letter:
    plan, name, text = each.plan, each.person.member.name, each.offer.variant.message
    assert plan.channel is not None
    payload = write(text, name, gift, plan)
    key = f"campaign:{campaign.id}:{each.person.recipient_id}"
    return sending.Letter(key, plan.appid, plan.openid, plan.channel, "campaign", payload)


def _record(session: Session, rows: list[dict[str, Any]], now: datetime) -> None:
    result = session.connection().execute(
        update(Recipient)
        .where(Recipient.id == bindparam("row_id"), Recipient.state == RecipientState.planned)
        .values(
            state=RecipientState.issued,
            state_at=now,
            coupon_id=bindparam("row_coupon"),
            outbound_id=bindparam("row_outbound"),
            channel=bindparam("row_channel"),
            variant=bindparam("row_variant"),
        ),
        rows,
    )
    all_moved(Recipient, result.rowcount, len(rows))


def _queue_sending(session: Session, campaign_id: int, ids: list[int]) -> None:
    for start in range(0, len(ids), SEND_CHUNK):
        chunk = ids[start : start + SEND_CHUNK]
        enqueue(
            session,
            "crm.campaign_send",
            key=f"{SEND_KEY.format(campaign_id)}{chunk[0]}:{chunk[-1]}",
            campaign_id=campaign_id,
            first_id=chunk[0],
            last_id=chunk[-1],
        )
