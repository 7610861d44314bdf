"""One customer: walk-ins, profiles, wishes, merges, and events that a phone sends twice."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from core.audit import AuditEntry
from crm import consent, events, merging, phones, profiles
from crm.models import ConsentChange, Member, MemberEvent, MemberMerge, Referral, SignIn
from people import phones as phone_numbers
from people.models import Person, tail_index
from people.phones import InvalidPhone
from tests.factories.campaigns import make_identity
from tests.factories.crm import make_member, make_merchant, make_person

PHONE = "13812343097"


def walk_in(session: Session, now: datetime, name: str = "赵姐") -> tuple[Member, bool]:
    return profiles.add_walk_in(
        session,
        make_merchant(session).id,
        name=name,
        phone=PHONE,
        store_id=None,
        actor="staff:1",
        now=now,
    )


def test_a_walk_in_is_one_member_however_often_written_down(
    session: Session, now: datetime
) -> None:
    member, fresh = walk_in(session, now)
    again, fresh_again = walk_in(session, now, "赵")

    assert (fresh, fresh_again, again.id) == (True, False, member.id)
    assert (member.name, member.source_scene) == ("赵姐", "counter")
    acts = session.scalars(select(AuditEntry.action)).all()
    assert acts == ["member.add"]


def test_a_walk_in_takes_no_number_from_who_has_it(session: Session, now: datetime) -> None:
    person = make_person(session, nickname="林小满")
    person.phone, person.phone_hash = PHONE, None
    owner = make_member(session, person=person, name="林小满")
    make_identity(session, owner)
    phones.verify(session, owner, PHONE, now=now)

    member, fresh = walk_in(session, now)

    assert (member.id, fresh, member.name) == (owner.id, False, "林小满")
    assert session.get_one(Person, person.id).phone == PHONE


def test_a_walk_in_learns_nothing_of_who_is_known_elsewhere(
    session: Session, now: datetime
) -> None:
    person = make_person(session, nickname="别家的王某人")
    make_member(session, merchant=make_merchant(session, code="rival"), person=person)
    phone_numbers.attach(session, person, PHONE, now)

    member, fresh = walk_in(session, now, "试试")

    assert (member.person_id, fresh) == (person.id, True)
    assert (member.name, member.marketing_consent) == ("试试", False)


def test_a_walk_in_becomes_part_of_who_verifies_the_number_and_both_sides_are_kept(
    session: Session, now: datetime
) -> None:
    guest, _ = walk_in(session, now)
    guest.birthday, guest.orders_count = date(1990, 5, 1), 2
    consent.refuse_for(session, guest, "marketing", actor="staff:1", now=now)
    me = make_member(session, name="林小满", birthday=date(1991, 5, 1))
    make_identity(session, me)

    kept = phones.verify(session, me, PHONE, now=now)

    assert kept.id == me.id
    [merge] = session.scalars(select(MemberMerge))
    assert (merge.winner["name"], merge.loser["name"]) == ("林小满", "赵姐")
    assert (merge.loser["orders"], merge.loser["no"]) == (2, guest.no)
    assert merge.conflicts == ["name", "birthday", "marketing"]
    assert (merge.loser["tier"], merge.loser["balance_fen"]) == ("青叶", 0)
    session.refresh(me)
    assert (me.marketing_consent, me.birthday) == (False, date(1991, 5, 1))
    assert [change.actor for change in consent.history(session, me.id)] == ["staff:1"]


@pytest.mark.parametrize(
    ("name", "phone", "error"),
    [
        ("", PHONE, profiles.ProfileInvalid),
        ("长" * 21, PHONE, profiles.ProfileInvalid),
        ("赵姐", "12", InvalidPhone),
        ("赵姐", "abc", InvalidPhone),
    ],
)
def test_a_walk_in_that_is_not_filled_in_is_nobody(
    session: Session, now: datetime, name: str, phone: str, error: type[Exception]
) -> None:
    merchant = make_merchant(session)
    with pytest.raises(error):
        profiles.add_walk_in(
            session, merchant.id, name=name, phone=phone, store_id=None, actor="staff:1", now=now
        )
    assert session.scalars(select(Member)).all() == []


def test_a_birthday_is_said_freely_once_and_changed_once_a_year(
    session: Session, now: datetime
) -> None:
    member = make_member(session)

    def born(day: date, at: datetime) -> None:
        profiles.change(session, member, birthday=day, actor="staff:1", now=at)

    born(date(1990, 5, 1), now)
    with pytest.raises(profiles.ProfileInvalid) as refusal:
        born(date(1990, 11, 25), now + timedelta(days=300))
    assert refusal.value.errors == {"birthday": "生日一年只能改一次"}
    assert member.birthday == date(1990, 5, 1)
    born(date(1990, 6, 1), now + timedelta(days=365))
    assert member.birthday == date(1990, 6, 1)
    for wrong in (date(2030, 1, 1), date(1850, 1, 1)):
        with pytest.raises(profiles.ProfileInvalid):
            born(wrong, now + timedelta(days=800))


def test_what_is_written_over_is_on_record(session: Session, now: datetime) -> None:
    member = make_member(session, name="林小满")

    profiles.change(session, member, name="小满", note="少冰", actor="staff:1", now=now)
    profiles.change(session, member, name="小满", note="少冰", actor="staff:1", now=now)

    [entry] = session.scalars(select(AuditEntry))
    assert (entry.before, entry.after) == (
        {"name": "林小满", "note": ""},
        {"name": "小满", "note": "少冰"},
    )


def test_every_turn_of_a_switch_is_a_row_and_only_the_member_turns_one_on(
    session: Session, now: datetime
) -> None:
    member = make_member(session)

    consent.refuse_for(session, member, "marketing", actor="staff:7", now=now)
    consent.refuse_for(session, member, "marketing", actor="staff:7", now=now)
    consent.change(session, member, marketing=True, personal_recommendation=False, now=now)
    with pytest.raises(consent.OnlyTheMember):
        consent.refuse_for(session, member, "anything", actor="staff:7", now=now)

    rows = session.scalars(select(ConsentChange).order_by(ConsentChange.id)).all()
    mine = f"member:{member.id}"
    assert [(row.what, row.allowed, row.actor) for row in rows] == [
        ("marketing", False, "staff:7"),
        ("marketing", True, mine),
        ("personal_recommendation", False, mine),
    ]


def test_a_batch_that_is_sent_again_is_kept_once(session: Session, now: datetime) -> None:
    member = make_member(session)
    batch = {f"event-{n:03}": events.Event("viewed", now) for n in range(3)}

    assert events.record_batch(session, member.id, batch, now=now) == 3
    batch["event-003"] = events.Event("shared", now)
    assert events.record_batch(session, member.id, batch, now=now) == 1

    kinds = session.scalars(select(MemberEvent.kind)).all()
    assert sorted(kinds) == ["shared", "viewed", "viewed", "viewed"]


def test_two_phones_may_have_drawn_the_same_name(session: Session, now: datetime) -> None:
    one, other = make_member(session), make_member(session)
    for member in (one, other):
        events.record_batch(session, member.id, {"same-name": events.Event("viewed", now)}, now=now)

    assert merging.merge(session, winner_id=one.id, loser_id=other.id, now=now)

    assert len(events.timeline(session, one.id, browsing=True)) == 2


def test_an_address_is_sealed_and_the_records_do_not_repeat_it(
    session: Session, now: datetime
) -> None:
    member = make_member(session)
    told = {"gender": "female", "address": " 南京西路 1 号 "}

    profiles.change(session, member, **told, actor="staff:1", now=now)
    with pytest.raises(profiles.ProfileInvalid) as refused:
        profiles.change(session, member, gender="x", address="长" * 101, actor="staff:1", now=now)

    assert set(refused.value.errors) == {"gender", "address"}
    assert (member.gender, member.address) == ("female", "南京西路 1 号")
    stored = session.execute(text("SELECT address FROM members")).scalar()
    assert "南京" not in str(stored)
    [entry] = session.scalars(select(AuditEntry))
    assert entry.after == {"gender": "female", "address": "有"}
    profiles.change(session, member, address="", actor="staff:1", now=now)
    assert member.address is None


def test_numbers_of_before_are_found_by_their_last_digits(session: Session) -> None:
    for number in range(3):
        person = make_person(session)
        person.phone = f"1380000{number}097"
    session.flush()
    session.execute(update(Person).values(phone_tail=None))
    session.expire_all()

    last = phone_numbers.fill_tails(session, limit=2)
    assert last > 0
    assert phone_numbers.fill_tails(session, after_id=last, limit=2) == 0

    found = select(func.count()).where(Person.phone_tail == tail_index("0097"))
    assert session.scalar(found) == 1
    assert session.scalar(select(func.count()).where(Person.phone_tail.is_(None))) == 0


def test_what_both_played_is_the_winners(session: Session, now: datetime) -> None:
    one, other, friend = (make_member(session) for _ in range(3))
    day = now.date()
    for member, days in ((one, (0,)), (other, (0, 1))):
        for ago in days:
            row = {"day": day - timedelta(days=ago), "streak": 1, "points": 2, "at": now}
            session.add(SignIn(member_id=member.id, **row))
    for newcomer in (one, other):
        row = {"merchant_id": one.merchant_id, "inviter_id": friend.id, "at": now}
        session.add(Referral(newcomer_id=newcomer.id, **row))
    session.flush()

    merging.merge(session, winner_id=one.id, loser_id=other.id, now=now)

    days = session.execute(select(SignIn.member_id, SignIn.day).order_by(SignIn.day))
    assert days.all() == [(one.id, day - timedelta(days=1)), (one.id, day)]
    kept = session.execute(select(Referral.newcomer_id, Referral.reason).order_by(Referral.id))
    assert kept.all() == [(one.id, ""), (other.id, "merged")]
