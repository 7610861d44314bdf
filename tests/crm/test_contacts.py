"""The frequency cap: one count per member over everything that is marketing."""

import threading
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.audit import AuditEntry
from core.clock import local
from core.database import reading, transaction
from crm import contacts, merging
from crm.errors import MarketingRulesInvalid
from crm.models import MarketingContact, MarketingRules, Member
from tests import racing
from tests.factories.crm import make_member, make_merchant, make_person

shared, app_on_mariadb = racing.shared, racing.app
SIX = 6


def rules(session: Session, now: datetime, **changes: object) -> int:
    merchant_id = make_merchant(session).id
    contacts.set_rules(session, merchant_id, actor="staff:1", now=now, **changes)
    return merchant_id


def written(session: Session, member: Member) -> list[tuple[str, str]]:
    rows = select(MarketingContact.kind, MarketingContact.ref).where(
        MarketingContact.member_id == member.id
    )
    return [(kind, ref) for kind, ref in session.execute(rows.order_by(MarketingContact.id))]


def test_all_kinds_count_together(session: Session, now: datetime):
    merchant_id = rules(session, now, most=2, days=7)
    member, other = (make_member(session, person=make_person(session)) for _ in range(2))
    take = contacts.claim_many
    both = {member.id, other.id}

    assert take(session, merchant_id, both, kind="campaign", ref="1", now=now) == both
    one = [member.id]
    assert take(session, merchant_id, one, kind="journey", ref="9", now=now) == {member.id}
    assert take(session, merchant_id, both, kind="reminder", ref="5", now=now) == {other.id}

    assert written(session, member) == [("campaign", "1"), ("journey", "9")]
    assert written(session, other) == [("campaign", "1"), ("reminder", "5")]
    free = select(Member.id).where(contacts.under_cap(contacts.rules_of(session, merchant_id), now))
    assert session.scalars(free).all() == []


def test_the_same_cause_is_one_contact_however_often_it_is_taken(session: Session, now: datetime):
    merchant_id = rules(session, now, most=1, days=7)
    member = make_member(session)

    for _ in range(3):
        taken = contacts.claim_many(
            session, merchant_id, [member.id], kind="campaign", ref="1", now=now
        )
        assert taken == {member.id}

    assert written(session, member) == [("campaign", "1")]


def test_a_contact_counts_for_its_days_and_not_longer(session: Session, now: datetime):
    merchant_id = rules(session, now, most=1, days=7)
    member = make_member(session)
    contacts.claim_many(session, merchant_id, [member.id], kind="campaign", ref="1", now=now)
    set_rules = contacts.rules_of(session, merchant_id)

    def free(at: datetime) -> list[int]:
        return list(session.scalars(select(Member.id).where(contacts.under_cap(set_rules, at))))

    assert free(now + timedelta(days=7) - timedelta(microseconds=1)) == []
    assert free(now + timedelta(days=7)) == [member.id]


def test_what_was_not_sent_is_given_back(session: Session, now: datetime):
    merchant_id = rules(session, now, most=1, days=7)
    member = make_member(session)
    contacts.claim_many(session, merchant_id, [member.id], kind="campaign", ref="1", now=now)

    assert contacts.take_back(session, [member.id], kind="campaign", ref="2") == 0
    assert contacts.take_back(session, [member.id], kind="campaign", ref="1") == 1

    taken = contacts.claim_many(session, merchant_id, [member.id], kind="x", ref="3", now=now)
    assert taken == {member.id}


def test_no_cap_and_nothing_set(session: Session, now: datetime):
    merchant_id = make_merchant(session).id
    assert contacts.rules_of(session, merchant_id) == contacts.Rules()
    assert session.scalars(select(MarketingRules)).all() == []
    rules(session, now, most=0)
    member = make_member(session)

    for number in range(9):
        ref = str(number)
        taken = contacts.claim_many(
            session, merchant_id, [member.id], kind="journey", ref=ref, now=now
        )
        assert taken == {member.id}


def test_a_merge_counts_one_cause_once(session: Session, now: datetime):
    merchant_id = rules(session, now, most=9)
    winner, loser = (make_member(session, person=make_person(session)) for _ in range(2))
    for ref, members in (("1", (winner, loser)), ("2", (loser,))):
        ids = [member.id for member in members]
        contacts.claim_many(session, merchant_id, ids, kind="campaign", ref=ref, now=now)

    merging.merge(session, winner_id=winner.id, loser_id=loser.id, now=now)

    assert written(session, winner) == [("campaign", "1"), ("campaign", "2")]
    assert written(session, loser) == []


def test_rules_are_refused_whole_and_changes_are_on_record(session: Session, now: datetime):
    merchant_id = rules(session, now, most=3)
    with pytest.raises(MarketingRulesInvalid) as refused:
        contacts.set_rules(
            session,
            merchant_id,
            actor="staff:1",
            now=now,
            most=100,
            days=0,
            quiet_hours=(9, 9),
            approval_people=-1,
            approval_fen=-1,
        )

    assert set(refused.value.errors) == {
        "most",
        "days",
        "quiet_hours",
        "approval_people",
        "approval_fen",
    }
    assert contacts.rules_of(session, merchant_id) == contacts.Rules(most=3)
    entry = session.scalars(select(AuditEntry)).one()
    assert (entry.action, entry.actor) == ("marketing.rules", "staff:1")


def test_old_contacts_are_forgotten_and_young_ones_kept(session: Session, now: datetime):
    merchant_id = rules(session, now, most=0)
    member = make_member(session)
    for ref, at in (("old", now - contacts.KEEP - timedelta(hours=1)), ("young", now)):
        contacts.claim_many(session, merchant_id, [member.id], kind="x", ref=ref, now=at)

    assert contacts.forget(session, now=now) == 1
    assert contacts.forget(session, now=now) == 0
    assert written(session, member) == [("x", "young")]


@pytest.mark.parametrize(
    ("hour", "hours", "until"),
    [(23, (22, 8), 8), (3, (22, 8), 8), (8, (22, 8), None), (13, (12, 14), 14), (3, None, None)],
)
def test_quiet_hours(now: datetime, hour: int, hours: tuple[int, int] | None, until: int | None):
    at = local(now).replace(hour=hour)

    end = contacts.quiet_until(hours, at)

    assert (end.hour if end else None) == until
    assert end is None or timedelta(0) < end - at <= timedelta(hours=24)


@pytest.mark.parametrize(
    ("hour", "own", "until"),
    [(23, None, 8), (21, None, None), (21, (20, 23), 8), (7, (22, 10), 10), (13, (12, 14), 14)],
)
def test_a_campaigns_hours_come_on_top_of_the_merchants(
    session: Session, now: datetime, hour: int, own: tuple[int, int] | None, until: int | None
):
    merchant_id = rules(session, now, quiet_hours=(22, 8))

    end = contacts.held_until(session, merchant_id, local(now).replace(hour=hour), stricter=own)

    assert (end.hour if end else None) == until
    assert contacts.speaking_hours((22, 8), (8, 22)) == 0
    assert contacts.speaking_hours((22, 8), None) == 14


@pytest.mark.mariadb
def test_two_who_write_at_once_share_the_last_contact(app_on_mariadb: Flask, now: datetime):
    with transaction() as session:
        merchant_id = rules(session, now, most=2, days=7)
        member_id = make_member(session).id

    def take(number: int) -> bool:
        with transaction() as session:
            taken = contacts.claim_many(
                session, merchant_id, [member_id], kind="campaign", ref=str(number), now=now
            )
            return bool(taken)

    assert sum(racing.race(app_on_mariadb, SIX, take)) == 2

    with reading() as session:
        assert session.scalar(select(func.count()).select_from(MarketingContact)) == 2


@pytest.mark.mariadb
def test_control_a_cap_that_is_only_read_lets_everybody_through(
    app_on_mariadb: Flask, now: datetime
):
    with transaction() as session:
        merchant_id = rules(session, now, most=2, days=7)
        member_id = make_member(session).id
    read = threading.Barrier(SIX)

    def naive(number: int) -> bool:
        with transaction() as session:
            cap = contacts.under_cap(contacts.rules_of(session, merchant_id), now)
            free = session.scalars(select(Member.id).where(cap)).all()
            read.wait()
            session.add(MarketingContact(member_id=member_id, kind="x", ref=str(number), at=now))
            return bool(free)

    assert sum(racing.race(app_on_mariadb, SIX, naive)) == SIX
