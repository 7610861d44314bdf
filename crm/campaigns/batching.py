"""Issuing, slice by slice. The cursor moves in the transaction that does the work."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from core.config import current_config
from core.database import claim
from core.outbox import enqueue
from core.rows import all_moved
from coupons import issuing
from coupons.models import Coupon
from coupons.words import card_title
from crm import contacts
from crm.campaigns import tallies, words
from crm.campaigns.moving import BATCH_KEY, SEND_CHUNK, SEND_KEY, contact, finish_if_done
from crm.campaigns.reach import MOMENT
from crm.models import Arm, Campaign, CampaignState, Member, Recipient, RecipientState
from messaging import planning, sending
from messaging.accounts import find_official, mini_for_official
from messaging.models import Channel
from messaging.planning import Plan

BATCH = 500


@dataclass(frozen=True)
class Batch:
    """What one slice did; `last` when there is nobody left to issue to."""

    issued: int = 0
    skipped: int = 0
    last: bool = False


@dataclass(frozen=True)
class _Person:
    recipient_id: int
    member: Member


def next_batch(
    session: Session, campaign_id: int, *, now: datetime, size: int = BATCH
) -> Batch | None:
    """Issue to the next slice and queue its messages and the next slice.

    None when the campaign is not running or another worker took this slice: the compare-and-set on
    the cursor comes first and decides. Whether each person may be written to is asked once more,
    before the coupon. Raises what `coupons.issuing` raises when the coupons run out.
    """
    campaign = session.get_one(Campaign, campaign_id, populate_existing=True)
    if campaign.state is not CampaignState.running or campaign.issued_all:
        return None
    people = _slice(session, campaign, size)
    if not _take(session, campaign, people):
        return None
    if not people:
        finish_if_done(session, campaign.id, now=now)
        return Batch(last=True)
    ready, skipped = _plan(session, campaign, people, now)
    if ready:  # coupons first: their template is locked before the recipients, as at a launch
        _issue(session, campaign, ready, now)
    _skip(session, skipped, now)
    _tally(session, campaign.id, len(ready), skipped)
    enqueue(
        session,
        "crm.campaign_batch",
        key=f"{BATCH_KEY.format(campaign.id)}{people[-1].recipient_id}",
        campaign_id=campaign.id,
    )
    return Batch(issued=len(ready), skipped=len(skipped))


def _slice(session: Session, campaign: Campaign, size: int) -> list[_Person]:
    rows = session.execute(
        select(Recipient.id, Member)
        .join(Member, Member.id == Recipient.member_id)
        .where(
            Recipient.campaign_id == campaign.id,
            Recipient.state == RecipientState.planned,
            Recipient.arm == Arm.reach,
            Recipient.id > campaign.cursor,
        )
        .order_by(Recipient.id)
        .limit(size)
        .execution_options(populate_existing=True)
    )
    return [_Person(recipient_id, member) for recipient_id, member in rows]


def _take(session: Session, campaign: Campaign, people: Sequence[_Person]) -> bool:
    """Move the cursor over the slice; False when it is not where we read it any more."""
    after = {"cursor": people[-1].recipient_id} if people else {"issued_all": True}
    taken = claim(
        session,
        update(Campaign)
        .where(
            Campaign.id == campaign.id,
            Campaign.state == CampaignState.running,
            Campaign.cursor == campaign.cursor,
            Campaign.issued_all.is_(False),
        )
        .values(**after),
    )
    return taken == 1


def _plan(
    session: Session, campaign: Campaign, people: Sequence[_Person], now: datetime
) -> tuple[list[tuple[_Person, Plan]], dict[int, str]]:
    """Who can still be reached and how, their contact taken; of the others, recipient → reason."""
    plans = planning.plan_channels(
        session,
        merchant_id=campaign.merchant_id,
        person_ids=[person.member.person_id for person in people],
        template=MOMENT,
        now=now,
    )
    ready: list[tuple[_Person, Plan]] = []
    skipped: dict[int, str] = {}
    for person in people:
        plan = plans[person.member.person_id]
        if not person.member.marketing_consent:
            skipped[person.recipient_id] = "no_consent"
        elif plan.channel is None:
            skipped[person.recipient_id] = plan.reason
        else:
            ready.append((person, plan))
    allowed = contacts.claim_many(
        session,
        campaign.merchant_id,
        [person.member.id for person, _ in ready],
        **contact(campaign.id),
        now=now,
    )
    skipped |= {
        person.recipient_id: "frequency" for person, _ in ready if person.member.id not in allowed
    }
    return [each for each in ready if each[0].member.id in allowed], skipped


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
    session: Session, campaign: Campaign, ready: list[tuple[_Person, Plan]], now: datetime
) -> None:
    template = issuing.get_template(session, campaign.template_id)
    coupons = issuing.issue_many(
        session,
        template,
        [person.member.id for person, _ in ready],
        source=f"campaign:{campaign.id}",
        now=now,
    )
    expiry = dict(
        session.execute(
            select(Coupon.id, Coupon.expires_at).where(Coupon.id.in_(list(coupons.values())))
        ).all()
    )
    title = card_title(template)
    letters = {
        person.recipient_id: _letter(
            campaign, person, plan, words.Gift(template.name, until, title)
        )
        for person, plan in ready
        for until in [expiry[coupons[person.member.id]]]
    }
    messages = sending.prepare_many(session, list(letters.values()), now=now)
    rows = [
        {
            "row_id": person.recipient_id,
            "row_coupon": coupons[person.member.id],
            "row_outbound": messages[letters[person.recipient_id].key],
            "row_channel": plan.channel,
        }
        for person, plan in ready
    ]
    _record(session, rows, now)
    _queue_sending(session, campaign.id, [person.recipient_id for person, _ in ready])


def _letter(campaign: Campaign, person: _Person, plan: Plan, gift: words.Gift) -> sending.Letter:
    assert plan.channel is not None
    name = person.member.name
    if plan.channel is Channel.subscribe:
        payload = words.subscribe(campaign.message, name, gift, plan.template_id)
    else:
        mini = mini_for_official(plan.appid)
        base_url = current_config().app.base_url
        official = find_official(plan.appid)
        picture = official.card_media_id if official else ""
        payload = words.chat(campaign.message, name, gift, mini, base_url, picture)
    key = f"campaign:{campaign.id}:{person.recipient_id}"
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
