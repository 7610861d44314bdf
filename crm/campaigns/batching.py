"""Issuing, slice by slice. The cursor moves in the transaction that does the work.

A slice holds the campaign's row from its first statement, so what the caps leave is exact for
however many workers, and a pause is either before a slice or after it.
"""

from collections import Counter
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
from coupons.models import Coupon, CouponTemplate
from coupons.words import card_title
from crm import contacts
from crm.campaigns import caps, masses, tallies, variants, waves, words
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
from crm.campaigns.reach import MOMENT
from crm.campaigns.variants import Variant
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
    offer: "_Offer"


@dataclass(frozen=True)
class _Offer:
    variant: Variant
    template: CouponTemplate
    face_fen: int


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
        campaign.winner = variants.clear_winner(variants.scores(session, campaign.id))
        campaign.judged_at = now
    people = _slice(session, wave, size)
    if not people:
        wave.issued_all = True
        session.flush()
        finish_if_done(session, campaign.id, now=now)
        return Batch(last=True)
    offers = _offers(session, campaign)
    reached, skipped = _plan(session, campaign, people, offers, now)
    room = caps.find_room(session, campaign, [each.offer.face_fen for each in reached], now=now)
    last_id = people[-1].recipient_id
    if room.people < len(reached):  # whoever comes after the last that fits waits
        last_id = reached[room.people].person.recipient_id - 1
        reached = reached[: room.people]
        skipped = {id_: why for id_, why in skipped.items() if id_ <= last_id}
    reached, capped = _take_contacts(session, campaign, reached, now)
    skipped |= capped
    if reached:  # coupons first: their template is locked before the recipients, as at a launch
        _issue(session, campaign, reached, now)
    _count(campaign, reached, now)
    wave.cursor = max(last_id, wave.cursor)
    session.flush()
    _skip(session, skipped, now)
    _tally(session, campaign.id, len(reached), skipped)
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


def _offers(session: Session, campaign: Campaign) -> dict[int, _Offer]:
    """What each variant gives; all of them the winner's, once there is one."""
    known = {variant.no: variant for variant in variants.list_variants(session, campaign)}
    offers = {}
    for no, drawn in known.items():
        variant = drawn if campaign.winner is None else known[campaign.winner]
        template = issuing.get_template(session, variant.template_id)
        offers[no] = _Offer(variant, template, caps.worth_fen(template))
    return offers


def _plan(
    session: Session,
    campaign: Campaign,
    people: Sequence[_Person],
    offers: dict[int, _Offer],
    now: datetime,
) -> tuple[list[_Reached], dict[int, str]]:
    """Who can still be reached and how; of the others, recipient → reason."""
    plans = planning.plan_channels(
        session,
        merchant_id=campaign.merchant_id,
        person_ids=[person.member.person_id for person in people],
        template=MOMENT,
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
            reached.append(_Reached(person, plan, offers[person.variant]))
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
    campaign.expected_fen += sum(
        caps.expected_fen(campaign, each.offer.face_fen) for each in reached
    )


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


def _tally(session: Session, campaign_id: int, issued: int, skipped: dict[int, str]) -> None:
    changes = Counter(tallies.reached(RecipientState.skipped, why) for why in skipped.values())
    changes[tallies.reached(RecipientState.issued)] = issued
    changes[tallies.reached(RecipientState.planned)] = -issued - len(skipped)
    tallies.add(session, campaign_id, changes, coupons=issued)


def _issue(
    session: Session, campaign: Campaign, reached: Sequence[_Reached], now: datetime
) -> None:
    coupons = _give(session, campaign, reached, now)
    expiry = dict(
        session.execute(
            select(Coupon.id, Coupon.expires_at).where(Coupon.id.in_(list(coupons.values())))
        ).all()
    )
    letters = {}
    for each in reached:
        template = each.offer.template
        until = expiry[coupons[each.person.member.id]]
        gift = words.Gift(template.name, until, card_title(template))
        letters[each.person.recipient_id] = _letter(campaign, each, gift)
    messages = sending.prepare_many(session, list(letters.values()), now=now)
    rows = [
        {
            "row_id": each.person.recipient_id,
            "row_variant": each.offer.variant.no,
            "row_coupon": coupons[each.person.member.id],
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
    templates = {each.offer.template.id: each.offer.template for each in reached}
    for template_id, template in sorted(templates.items()):
        members = [e.person.member.id for e in reached if e.offer.template.id == template_id]
        source = f"campaign:{campaign.id}"
        coupons |= issuing.issue_many(session, template, members, source=source, now=now)
    return coupons


def _letter(campaign: Campaign, each: _Reached, gift: words.Gift) -> sending.Letter:
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
