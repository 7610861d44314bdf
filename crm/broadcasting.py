"""Whom a broadcast is for, where members have a say: a segment, or all but those who refuse."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, exists, func, insert, literal, null, select
from sqlalchemy.orm import Session

from crm import consent, contacts
from crm.campaigns import masses
from crm.errors import SegmentNotFound
from crm.models import Member
from crm.segments import saving
from crm.segments.compiling import customers, everyone, matches, tree
from gateways.wechat.mass import FEWEST
from messaging.broadcasts import cutting, launching, quotas
from messaging.broadcasts.drafting import Draft
from messaging.broadcasts.errors import BroadcastInvalid
from messaging.broadcasts.models import (
    Audience,
    Broadcast,
    BroadcastRecipient,
    BroadcastState,
    MassSend,
    MassState,
)
from messaging.models import Follower
from people.models import Identity

CONTACT = "broadcast"
SLICE = 10_000
FRESH = timedelta(minutes=1)
"""A request that waited longer before WeChat is asked has its people asked again."""


def check_segment(session: Session, merchant_id: int, draft: Draft) -> None:
    """Raises BroadcastInvalid when the draft names a segment that is not this merchant's."""
    if draft.audience != Audience.segment or draft.segment_id is None:
        return
    try:
        saving.get_segment(session, merchant_id, draft.segment_id)
    except SegmentNotFound:
        raise BroadcastInvalid(errors={"segment": "没有这个人群"}) from None


def address(session: Session, broadcast: Broadcast, after: int, *, now: datetime) -> int | None:
    """Write down those of the next followers whom the broadcast is for; the last of them, None:
    all through.

    Whoever said no to marketing is left out, member or not asked yet; only what goes to `all`
    leaves out nobody. Safe to repeat.
    """
    if launching.hold(session, broadcast.id) is None:
        return None  # stopped meanwhile
    page = (
        select(Follower.id)
        .where(Follower.appid == broadcast.appid, Follower.id > after)
        .order_by(Follower.id)
        .limit(SLICE)
    )
    last = session.scalar(select(func.max(page.subquery().c.id)))
    if last is None:
        return None
    there = exists().where(
        BroadcastRecipient.broadcast_id == broadcast.id,
        BroadcastRecipient.openid == Follower.openid,
    )
    columns = ["broadcast_id", "openid", "spent", "skip_reason"]
    people = _people(session, broadcast, now).where(
        Follower.appid == broadcast.appid,
        Follower.id > after,
        Follower.id <= last,
        Follower.subscribed.is_(True),
        ~there,
    )
    session.execute(insert(BroadcastRecipient).from_select(columns, people, include_defaults=False))
    return int(last)


def spend_slice(session: Session, broadcast: Broadcast, after: int, *, now: datetime) -> int | None:
    """Take a contact and a broadcast of each of the next people; the last row, None: all through.

    Who refuses marketing, is at the cap of marketing messages, or has no broadcast left this month,
    is skipped; only what goes to `all`, into the account's history, skips nobody.
    """
    if launching.hold(session, broadcast.id) is None:
        return None  # stopped meanwhile
    people = launching.next_slice(session, broadcast, after)
    if not people:
        return None
    asked = broadcast.audience is not Audience.all
    members = _members_of(session, broadcast, list(people.values())) if asked else {}
    refusing = consent.refusing(session, list(members.values()))
    allowed = contacts.claim_many(
        session,
        broadcast.merchant_id,
        [member for member in members.values() if member not in refusing],
        kind=CONTACT,
        ref=str(broadcast.id),
        now=now,
    )
    refused = {
        each: consent.NO_CONSENT if member in refusing else "frequency"
        for each, member in members.items()
        if member not in allowed
    }
    left = launching.spend(session, broadcast, people, refused, now=now)
    untold = [members[openid] for openid in left if openid in members]
    contacts.take_back(session, untold, kind=CONTACT, ref=str(broadcast.id))
    return max(people)


def leave_out(session: Session, mass: MassSend, after: int, *, now: datetime) -> int | None:
    """Before a request that has waited is asked for: who of its next people has said no since is
    taken out, with all that was taken of them; the last row, None: all through, or no need to ask.

    To `all` WeChat addresses by itself. A request that is left with one person is called off.
    """
    broadcast = session.get_one(Broadcast, mass.broadcast_id)
    waited = mass.state is MassState.prepared and now - mass.changed_at > FRESH
    if not waited or broadcast.audience is Audience.all:
        return None
    people = launching.list_asked(session, mass.id, after)
    if not people:
        if mass.addressed < FEWEST:
            cutting.call_off(session, mass, now=now)
        return None
    members = _members_of(session, broadcast, list(people.values()))
    refusing = consent.refusing(session, list(members.values()))
    gone = {row: openid for row, openid in people.items() if members.get(openid) in refusing}
    if gone:
        cutting.take_out(session, mass, gone, consent.NO_CONSENT, now=now)
        if broadcast.campaign_id is None:
            _return_contacts(session, broadcast, list(gone.values()))
        else:
            masses.leave_out(session, broadcast.campaign_id, list(gone.values()), now=now)
    return max(people)


def give_back_refused(session: Session, mass: MassSend, after: int) -> int | None:
    """WeChat refused the whole request: the next of its people have their contact again; the last
    row, None: all through."""
    if mass.state is not MassState.failed:
        return None
    people = launching.list_asked(session, mass.id, after)
    if not people:
        return None
    broadcast = session.get_one(Broadcast, mass.broadcast_id)
    _return_contacts(session, broadcast, list(people.values()))
    return max(people)


def give_back_stopped(session: Session, broadcast: Broadcast) -> int:
    """The next people of a stopped broadcast have all again that was taken of them; how many."""
    if broadcast.state is not BroadcastState.stopped:
        return 0
    openids = launching.give_back_spent(session, broadcast)
    _return_contacts(session, broadcast, openids)
    return len(openids)


def _return_contacts(session: Session, broadcast: Broadcast, openids: list[str]) -> None:
    members = _members_of(session, broadcast, openids).values()
    contacts.take_back(session, members, kind=CONTACT, ref=str(broadcast.id))


def forecast(session: Session, broadcast: Broadcast, now: datetime) -> tuple[int, int]:
    """Of a draft: how many followers it is for, and how many of them have no broadcast left.

    To a tag only WeChat knows: (0, 0).
    """
    if broadcast.audience is Audience.tag:
        return 0, 0
    spent = quotas.used_up(Follower.appid, Follower.openid, keep=0, now=now)
    people = (
        _people(session, broadcast, now)
        .where(Follower.appid == broadcast.appid, Follower.subscribed.is_(True))
        .with_only_columns(func.count(), func.sum(case((spent, 1), else_=0)))
    )
    total, without = session.execute(people).one()
    return int(total or 0), int(without or 0)


def _members_of(session: Session, broadcast: Broadcast, openids: list[str]) -> dict[str, int]:
    found = (
        select(Identity.openid, Member.id)
        .join(Member, Member.person_id == Identity.person_id)
        .where(
            Identity.appid == broadcast.appid,
            Identity.openid.in_(openids),
            everyone(broadcast.merchant_id),
        )
    )
    return dict(session.execute(found).all())


def _people(session: Session, broadcast: Broadcast, now: datetime) -> Any:
    row = select(literal(broadcast.id), Follower.openid, literal(False), null())
    of_person = (Identity.appid == Follower.appid) & (Identity.openid == Follower.openid)
    if broadcast.audience is Audience.segment:
        assert broadcast.segment_id is not None
        segment = saving.get_segment(session, broadcast.merchant_id, broadcast.segment_id)
        return (
            row.join(Identity, of_person)
            .join(Member, Member.person_id == Identity.person_id)
            .where(
                customers(broadcast.merchant_id),
                Member.marketing_consent.is_(True),
                matches(tree(segment.rule), now),
            )
        )
    if broadcast.audience is Audience.all:
        return row.select_from(Follower)
    refuses = exists().where(
        of_person,
        Member.person_id == Identity.person_id,
        Member.merchant_id == broadcast.merchant_id,
        Member.marketing_consent.is_(False),
    )
    theirs = Follower.merchant_id.is_(None) | (Follower.merchant_id == broadcast.merchant_id)
    return row.where(theirs, ~refuses)
