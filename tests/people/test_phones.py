"""Verified phone numbers: sealed, found, one person each."""

from datetime import datetime

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from people import phones
from people.models import Person, PersonMerge
from tests.factories.people import make_person, make_recognition

NUMBER = "13800001234"


def test_a_number_is_sealed_and_found_in_any_spelling(session: Session, now: datetime) -> None:
    person = make_person(session)

    phones.attach(session, person, "+86 138-0000-1234", now)

    found = phones.find_person(session, NUMBER)
    assert found is person
    assert person.phone == NUMBER
    stored = session.execute(text("select phone, phone_hash from persons")).one()
    assert NUMBER not in "".join(stored)


def test_who_is_known_by_the_number_alone_becomes_part_of_the_person(
    session: Session, now: datetime
) -> None:
    walk_in = make_person(session, nickname="")
    phones.attach(session, walk_in, NUMBER, now)
    customer = make_person(session, union_id="U1")

    attached = phones.attach(session, customer, NUMBER, now)

    assert attached == phones.Attached(absorbed=walk_in)
    assert walk_in.merged_into_id == customer.id
    assert customer.phone == NUMBER
    assert session.scalars(select(PersonMerge)).one().reason == "phone"


@pytest.mark.parametrize("union_ids", [("U1", "U2"), ("U1", None), (None, "U2"), (None, None)])
def test_a_number_changes_hands_between_two_wechat_accounts(
    session: Session, now: datetime, union_ids: tuple[str | None, str | None]
) -> None:
    """Numbers are resold: whatever WeChat says of the accounts, neither log-in moves."""
    before, after = (make_recognition(session, union_id=each).person for each in union_ids)
    phones.attach(session, before, NUMBER, now)

    attached = phones.attach(session, after, NUMBER, now)

    assert attached == phones.Attached(taken_from=before)
    assert phones.find_person(session, NUMBER) is after
    assert before.phone is None
    assert session.scalars(select(Person).where(Person.merged_into_id.is_not(None))).all() == []


@pytest.mark.parametrize(
    "wrong", ["", "abc", "123", "1" * 40, "138 0000 123x", "１３８００００１２３４"]
)
def test_what_is_no_number_is_refused(session: Session, now: datetime, wrong: str) -> None:
    person = make_person(session)

    with pytest.raises(phones.InvalidPhone):
        phones.attach(session, person, wrong, now)

    assert person.phone_hash is None


def test_somebody_who_works_somewhere_is_not_taken_over(session: Session, now: datetime) -> None:
    clerk, customer = make_person(session), make_person(session, union_id="U1")
    phones.attach(session, clerk, NUMBER, now)

    with pytest.raises(phones.StaffPhone):
        phones.attach(session, customer, NUMBER, now, works=lambda holder: holder is clerk)

    assert (clerk.phone, clerk.merged_into_id, customer.phone) == (NUMBER, None, None)


def test_a_mask_keeps_head_and_tail() -> None:
    assert phones.mask(NUMBER) == "138****1234"
    assert phones.mask("123") == "****"
