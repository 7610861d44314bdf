"""Two members become one when their persons turn out to be one."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core import audit, rows
from core.database import claim, insert_ignore
from core.outbox import enqueue
from coupons.queries import count_for_member
from crm import balance, consent, contacts, events, plans, points, tiers
from crm.campaigns import tallies
from crm.journeys import ending
from crm.models import (
    Arm,
    ConsentChange,
    GrowthEntry,
    Member,
    MemberEvent,
    MemberMerge,
    MemberPlace,
    MemberScore,
    MemberTag,
    MemberVisit,
    PaidTerm,
    Purchase,
    PurchaseLine,
    Recipient,
    RecipientState,
    TierMove,
)
from crm.play import joining
from people.models import Person


def join_persons(session: Session, *, kept: Person, absorbed: Person, now: datetime) -> None:
    """Give every member of `absorbed` to `kept`: merge where `kept` is a member too, else move."""
    for lost in session.scalars(
        select(Member).where(Member.person_id == absorbed.id, Member.merged_into_id.is_(None))
    ).all():
        winner = session.scalars(
            select(Member).where(
                Member.merchant_id == lost.merchant_id, Member.person_id == kept.id
            )
        ).one_or_none()
        if winner is None:
            lost.person_id = kept.id
            session.flush()
        else:
            merge(session, winner_id=winner.id, loser_id=lost.id, now=now)


def merge(session: Session, *, winner_id: int, loser_id: int, now: datetime) -> bool:
    """Move everything of the loser to the winner; False when it was merged before.

    The compare-and-set on the loser's row comes first: it holds the row, so that a purchase that
    is being recorded for the loser either is moved with the rest or waits and goes to the winner.
    Coupons and orders follow in the job `crm.after_merge`.
    """
    ending.merge(session, winner_id=winner_id, loser_id=loser_id, now=now)
    both = select(Member.id).where(Member.id.in_((winner_id, loser_id))).order_by(Member.id)
    session.execute(both.with_for_update())  # what is read below is what is written over
    if winner_id == loser_id or not _close(session, winner_id, loser_id):
        return False
    winner = session.get_one(Member, winner_id, populate_existing=True)
    loser = session.get_one(Member, loser_id, populate_existing=True)
    _write_down(session, winner, loser, now)
    _add_totals(session, winner, loser)
    _move(session, winner_id, loser_id)
    points.move(session, winner=winner, loser=loser, now=now)
    balance.move(session, winner=winner, loser=loser, now=now)
    tiers.after_merge(session, winner, loser, now=now)
    session.refresh(winner)
    session.refresh(loser)
    events.record(session, winner_id, "merged", now=now, data={"no": loser.no})
    audit.record(
        session,
        actor="system",
        action="member.merge",
        subject=f"member:{winner_id}",
        before={"loser": loser.no},
        after={"winner": winner.no},
        merchant_id=winner.merchant_id,
        now=now,
    )
    enqueue(
        session,
        "crm.after_merge",
        key=f"crm.after_merge:{loser_id}",
        winner_id=winner_id,
        loser_id=loser_id,
    )
    return True


def _write_down(session: Session, winner: Member, loser: Member, now: datetime) -> None:
    """Both sides as they were, and where they differed: the winner's is kept, what it lacks filled.

    Whoever refused something under either name goes on refusing it; not to have been asked yet is
    no refusal.
    """
    ours, theirs = (_side(session, member, now) for member in (winner, loser))
    session.add(
        MemberMerge(
            merchant_id=winner.merchant_id,
            winner_id=winner.id,
            loser_id=loser.id,
            winner=ours,
            loser=theirs,
            conflicts=[
                field
                for field in ("name", "birthday", "gender", "marketing", "personal_recommendation")
                if ours[field] != theirs[field] and None not in (ours[field], theirs[field])
            ],
            at=now,
        )
    )
    session.flush()


def _side(session: Session, member: Member, now: datetime) -> dict[str, Any]:
    term = plans.current_term(session, member.id, now)
    return {
        "no": member.no,
        "name": member.name or None,
        "birthday": member.birthday.isoformat() if member.birthday else None,
        "gender": member.gender or None,
        "tier": tiers.name_of(session, member.merchant_id, member.tier),
        "balance_fen": member.balance_fen,
        "coupons": count_for_member(session, member.id, now)["usable"],
        "paid_until": term.ends_at.isoformat() if term else None,
        "orders": member.orders_count,
        "spent_fen": member.spent_fen - member.refunded_fen,
        "points": member.points,
        "marketing": member.marketing_consent,
        "personal_recommendation": member.personal_recommendation,
    }


def _close(session: Session, winner_id: int, loser_id: int) -> bool:
    closed = claim(
        session,
        update(Member)
        .where(Member.id == loser_id, Member.merged_into_id.is_(None))
        .values(merged_into_id=winner_id),
    )
    return closed == 1


def _add_totals(session: Session, winner: Member, loser: Member) -> None:
    claim(
        session,
        update(Member)
        .where(Member.id == winner.id)
        .values(
            orders_count=Member.orders_count + loser.orders_count,
            spent_fen=Member.spent_fen + loser.spent_fen,
            refunded_fen=Member.refunded_fen + loser.refunded_fen,
            name=winner.name or loser.name,
            birthday=winner.birthday or loser.birthday,
            gender=winner.gender or loser.gender,
            address=winner.address or loser.address,
            note=winner.note or loser.note,
            source_store_id=winner.source_store_id or loser.source_store_id,
            source_scene=winner.source_scene or loser.source_scene,
            joined_at=min(winner.joined_at, loser.joined_at),
            first_paid_at=_earliest(winner.first_paid_at, loser.first_paid_at),
            last_paid_at=_latest(winner.last_paid_at, loser.last_paid_at),
            last_visit_at=_latest(winner.last_visit_at, loser.last_visit_at),
            marketing_consent=consent.joined(session, winner, loser),
            personal_recommendation=winner.personal_recommendation
            and loser.personal_recommendation,
        ),
    )
    claim(
        session,
        update(Member)
        .where(Member.id == loser.id)
        .values(orders_count=0, spent_fen=0, refunded_fen=0),
    )


def _move(session: Session, winner_id: int, loser_id: int) -> None:
    theirs = update(MemberEvent).where(MemberEvent.member_id == loser_id)
    claim(session, theirs.values(client_id=None))  # two phones may have drawn the same
    for table in (
        Purchase,
        PurchaseLine,
        MemberEvent,
        ConsentChange,
        TierMove,
        GrowthEntry,
        PaidTerm,
    ):
        claim(
            session,
            update(table).where(table.member_id == loser_id).values(member_id=winner_id),
        )
    tags: list[dict[str, Any]] = [
        {"member_id": winner_id, "tag_id": tag, "tagged_at": at, "tagged_by": by}
        for tag, at, by in session.execute(
            select(MemberTag.tag_id, MemberTag.tagged_at, MemberTag.tagged_by).where(
                MemberTag.member_id == loser_id
            )
        )
    ]
    insert_ignore(session, MemberTag, tags)
    claim(session, delete(MemberTag).where(MemberTag.member_id == loser_id))
    _move_facts(session, winner_id, loser_id)
    _move_recipients(session, winner_id, loser_id)
    joining.move(session, winner_id=winner_id, loser_id=loser_id)
    contacts.move(session, winner_id=winner_id, loser_id=loser_id)


def _move_facts(session: Session, winner_id: int, loser_id: int) -> None:
    """Days on which both were in a store are one; the later place is where they are."""
    columns = [column.key for column in rows.table_of(MemberVisit).columns]
    theirs = session.scalars(select(MemberVisit).where(MemberVisit.member_id == loser_id))
    visits: list[dict[str, Any]] = [
        {name: getattr(visit, name) for name in columns} | {"member_id": winner_id}
        for visit in theirs
    ]
    insert_ignore(session, MemberVisit, visits)
    places = select(MemberPlace).where(MemberPlace.member_id.in_((winner_id, loser_id)))
    found = session.scalars(places.order_by(MemberPlace.seen_at.desc())).all()
    latest = [(place.lat, place.lng, place.seen_at) for place in found[:1]]
    for table in (
        MemberVisit,
        MemberPlace,
        MemberScore,
    ):  # scores: the next night knows them as one
        gone = {loser_id, winner_id} if table is MemberPlace else {loser_id}
        claim(session, delete(table).where(table.member_id.in_(gone)))
    for lat, lng, seen_at in latest:
        place = {"member_id": winner_id, "lat": lat, "lng": lng, "seen_at": seen_at}
        insert_ignore(session, MemberPlace, [place])


def _move_recipients(session: Session, winner_id: int, loser_id: int) -> None:
    """Campaigns that chose both keep one live row; what the loser was not issued yet is off."""
    both = select(Recipient.campaign_id).where(Recipient.member_id == winner_id)
    shared = session.scalars(both).all()
    off = (
        Recipient.member_id == loser_id,
        Recipient.campaign_id.in_(shared),
        Recipient.state == RecipientState.planned,
    )
    left = session.execute(
        select(Recipient.id, Recipient.campaign_id, Recipient.arm).where(*off).with_for_update()
    ).all()
    claim(
        session,
        update(Recipient)
        .where(Recipient.id.in_([row.id for row in left]))
        .values(state=RecipientState.skipped, arm=Arm.none, skip_reason="merged"),
    )
    for row in left:
        was = tallies.Place(row.arm, RecipientState.planned)
        merged = tallies.Place(Arm.none, RecipientState.skipped, "merged")
        tallies.move(session, row.campaign_id, was, [merged])
    claim(
        session,
        update(Recipient)
        .where(Recipient.member_id == loser_id, Recipient.campaign_id.not_in(shared))
        .values(member_id=winner_id),
    )


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min(one, other) if one and other else one or other


def _latest(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other
