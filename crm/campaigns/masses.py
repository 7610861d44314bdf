"""A campaign's broadcasts: people whom no cheaper way reaches, gathered into requests to WeChat.

They are issued their coupon like everybody else; a minute later all who were issued by then go
into one broadcast per text. WeChat tells totals only: when it says that a request is through,
everybody in it counts as sent, and the report says that this is so.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Select, exists, select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim
from crm import consent, contacts
from crm.campaigns import tallies, words
from crm.campaigns.calling_back import STOPPED
from crm.campaigns.moving import contact, finish_if_done, queue_mass
from crm.models import Campaign, CampaignState, Recipient, RecipientState
from gateways.wechat.mass import FEWEST, MOST
from messaging.broadcasts import cutting, launching
from messaging.broadcasts.models import (
    Audience,
    Broadcast,
    BroadcastRecipient,
    BroadcastState,
    MassSend,
    MassState,
)
from messaging.models import Channel, OutboundMessage, OutboundState
from messaging.policies import policy_of

GATHER = timedelta(seconds=60)
SLICE = MOST
FAILED = "broadcast_failed"


class _Person(NamedTuple):
    """A recipient, their member, their message and its address."""

    id: int
    member_id: int
    outbound_id: int
    appid: str
    openid: str
    text: str
    page: str = ""


def queue(session: Session, campaign_id: int, *, now: datetime) -> None:
    """Gather in a minute whoever has been issued a coupon by then."""
    queue_mass(session, campaign_id, now=now, run_at=now + GATHER)


def gather(session: Session, campaign_id: int, *, now: datetime) -> int:
    """issued → sending for the next slice of people, their broadcasts cut into requests; how many.

    Whoever has no broadcast left after all, or has refused marketing since the coupon, has failed;
    a single person waits for company while others are still to come.
    """
    campaign = session.get_one(  # held: two jobs at once would address the same people
        Campaign, campaign_id, populate_existing=True, with_for_update=True
    )
    if campaign.state is not CampaignState.running:
        return 0
    issued = _list_issued(session, campaign_id)
    refusing = consent.refusing(session, [person.member_id for person in issued])
    refused = [person for person in issued if person.member_id in refusing]
    if refused:
        _begin(session, campaign_id, refused, now, reason=consent.NO_CONSENT)
    groups: dict[tuple[str, str, str], list[_Person]] = defaultdict(list)
    for person in issued:
        if person.member_id not in refusing:
            groups[person.appid, person.text, person.page].append(person)
    more_to_come = _is_anybody_planned(session, campaign_id)
    done = len(refused)
    for (appid, text, page), people in sorted(groups.items()):
        if len(people) < FEWEST and more_to_come:
            continue
        broadcast = _make(session, campaign, appid, {"text": text, "page": page}, now)
        launching.address(session, broadcast.id, [row.openid for row in people])
        keep = policy_of(session, campaign.merchant_id).keep_broadcasts
        waiting = launching.next_slice(session, broadcast, 0, limit=SLICE)
        launching.spend(session, broadcast, waiting, {}, now=now, keep=keep)
        cutting.cut(session, broadcast, now=now)
        _start(session, campaign_id, broadcast, people, now)
        done += len(people)
    return done


def settle(session: Session, mass: MassSend, *, now: datetime, limit: int = SLICE) -> int:
    """sending → what WeChat said of the request; how many more there may be."""
    outcome = {
        MassState.finished: (OutboundState.sent, RecipientState.sent),
        MassState.failed: (OutboundState.failed, RecipientState.failed),
        MassState.unknown: (OutboundState.unknown, RecipientState.unknown),
    }.get(mass.state)
    if outcome is None:
        return 0
    campaign_id = session.scalar(
        select(Broadcast.campaign_id).where(Broadcast.id == mass.broadcast_id)
    )
    assert campaign_id is not None
    people = [
        _Person(recipient, member, message, appid, openid, text="")
        for recipient, member, message, appid, openid in session.execute(
            select(
                Recipient.id,
                Recipient.member_id,
                OutboundMessage.id,
                OutboundMessage.appid,
                OutboundMessage.openid,
            )
            .join(OutboundMessage, OutboundMessage.id == Recipient.outbound_id)
            .join(BroadcastRecipient, BroadcastRecipient.openid == OutboundMessage.openid)
            .where(
                BroadcastRecipient.mass_send_id == mass.id,
                Recipient.campaign_id == campaign_id,
                Recipient.state == RecipientState.sending,
                Recipient.channel == Channel.broadcast,
            )
            .order_by(Recipient.id)
            .limit(limit)
            .with_for_update()
        )
    ]
    if not people:
        return 0
    message_state, state = outcome
    reason = FAILED if state is RecipientState.failed else None
    if reason and mass.status == STOPPED:
        state, reason = RecipientState.skipped, STOPPED
    _move(session, campaign_id, people, RecipientState.sending, state, now, reason=reason)
    changed = update(OutboundMessage).where(
        OutboundMessage.id.in_([row.outbound_id for row in people])
    )
    remote = {"state": message_state, "changed_at": now, "remote_id": mass.msg_id}
    claim(session, changed.values(**remote, errcode=mass.errcode, reason=mass.status))
    if reason:
        members = [row.member_id for row in people]
        contacts.take_back(session, members, **contact(campaign_id))
    finish_if_done(session, campaign_id, now=now)
    return len(people)


def leave_out(session: Session, campaign_id: int, openids: Sequence[str], *, now: datetime) -> None:
    """sending → failed for those who refused after their request was cut and before it was asked
    for: their contact is free again."""
    mine = _addressed(campaign_id, RecipientState.sending)
    found = session.execute(mine.where(OutboundMessage.openid.in_(openids)).with_for_update())
    people = [
        _Person(recipient, member, message, appid, openid, "")
        for recipient, member, message, appid, openid, _ in found
    ]
    _begin(
        session,
        campaign_id,
        people,
        now,
        reason=consent.NO_CONSENT,
        source=RecipientState.sending,
    )


def _list_issued(session: Session, campaign_id: int) -> list[_Person]:
    found = session.execute(_addressed(campaign_id, RecipientState.issued).limit(SLICE))
    return [
        _Person(
            recipient,
            member,
            message,
            appid,
            openid,
            str(payload["text"]),
            str(payload.get("page", words.COUPONS_PAGE)),
        )
        for recipient, member, message, appid, openid, payload in found
    ]


def _addressed(
    campaign_id: int, state: RecipientState
) -> Select[int, int, int, str, str, dict[str, Any]]:
    """The fields of a person and the message, of those whom a broadcast is to reach."""
    return (
        select(
            Recipient.id,
            Recipient.member_id,
            OutboundMessage.id,
            OutboundMessage.appid,
            OutboundMessage.openid,
            OutboundMessage.payload,
        )
        .join(OutboundMessage, OutboundMessage.id == Recipient.outbound_id)
        .where(
            Recipient.campaign_id == campaign_id,
            Recipient.state == state,
            Recipient.channel == Channel.broadcast,
        )
        .order_by(Recipient.id)
    )


def _is_anybody_planned(session: Session, campaign_id: int) -> bool:
    planned = exists().where(
        Recipient.campaign_id == campaign_id, Recipient.state == RecipientState.planned
    )
    return bool(session.scalar(select(planned)))


def _make(
    session: Session, campaign: Campaign, appid: str, content: dict[str, str], now: datetime
) -> Broadcast:
    broadcast = Broadcast(
        merchant_id=campaign.merchant_id,
        appid=appid,
        name=campaign.name[:30],
        kind="text",
        content=content,
        audience=Audience.campaign,
        campaign_id=campaign.id,
        state=BroadcastState.gathering,
        created_by="system",
        created_at=now,
        started_at=now,
    )
    session.add(broadcast)
    session.flush()
    return broadcast


def _start(
    session: Session,
    campaign_id: int,
    broadcast: Broadcast,
    people: Sequence[_Person],
    now: datetime,
) -> None:
    """Whoever is in a request is being sent to; the others have failed, each with the reason."""
    found = select(BroadcastRecipient.openid, BroadcastRecipient.skip_reason).where(
        BroadcastRecipient.broadcast_id == broadcast.id
    )
    why = dict(session.execute(found).all())
    for reason in set(why.values()):
        chosen = [row for row in people if why[row.openid] == reason]
        _begin(session, campaign_id, chosen, now, reason=reason)


def _begin(
    session: Session,
    campaign_id: int,
    people: Sequence[_Person],
    now: datetime,
    *,
    reason: str | None,
    source: RecipientState = RecipientState.issued,
) -> None:
    """issued → sending, or failed for a reason: then their contact is free again."""
    to = RecipientState.failed if reason else RecipientState.sending
    _move(session, campaign_id, people, source, to, now, reason=reason)
    state = OutboundState.failed if reason else OutboundState.sending
    started = update(OutboundMessage).where(
        OutboundMessage.id.in_([row.outbound_id for row in people])
    )
    values = {"state": state, "changed_at": now, "reason": reason or ""}
    if not reason:
        values["first_sent_at"] = now
    claim(session, started.values(**values))
    if reason:
        contacts.take_back(session, [row.member_id for row in people], **contact(campaign_id))


def _move(
    session: Session,
    campaign_id: int,
    people: Sequence[_Person],
    source: RecipientState,
    to: RecipientState,
    now: datetime,
    *,
    reason: str | None,
) -> None:
    moving = update(Recipient).where(
        Recipient.id.in_([row.id for row in people]),
        Recipient.state == source,
    )
    moved = claim(session, moving.values(state=to, state_at=now, skip_reason=reason))
    rows.all_moved(Recipient, moved, len(people))
    place = tallies.reached(to, reason or "")
    tallies.move(session, campaign_id, tallies.reached(source), [place] * moved)
