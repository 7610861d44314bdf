"""Coupons are given out once per cause, within the limits, and every one has its ledger row."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from coupons.claiming import claim_one
from coupons.errors import ClaimLimit, GoneAlready, NotClaimable
from coupons.issuing import issue, issue_many
from coupons.models import Coupon, CouponEntry, EntryKind, TemplateState
from tests.counting import statements
from tests.factories.coupons import make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant


def count(session: Session) -> tuple[int, int]:
    coupons = session.scalar(select(func.count()).select_from(Coupon))
    entries = session.scalar(select(func.count()).where(CouponEntry.kind == EntryKind.issued))
    return coupons or 0, entries or 0


def test_the_same_key_issues_once(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    template, member = make_template(session, merchant), make_member(session, merchant=merchant)

    first = issue(session, template.id, member.id, source="welcome", key="welcome:1", now=now)
    again = issue(session, template.id, member.id, source="welcome", key="welcome:1", now=now)

    assert first is not None
    assert first.expires_at == now + timedelta(days=7)
    assert again is None
    assert count(session) == (1, 1)
    session.refresh(template)
    assert template.issued_count == 1


def test_an_end_date_cuts_the_days_short(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    until = now + timedelta(days=2)
    template = make_template(session, merchant, valid_until=until)
    member = make_member(session, merchant=merchant)

    coupon = issue(session, template.id, member.id, source="staff", key="k", now=now)

    assert coupon is not None
    assert coupon.expires_at == until


def test_a_paused_template_or_one_that_is_over_gives_nothing(
    session: Session, now: datetime
) -> None:
    merchant = make_merchant(session)
    member = make_member(session, merchant=merchant)
    for template in (
        make_template(session, merchant, state=TemplateState.paused),
        make_template(session, merchant, valid_until=now),
    ):
        with pytest.raises(NotClaimable):
            issue(session, template.id, member.id, source="staff", key="k", now=now)
    assert count(session) == (0, 0)


def test_people_from_here_and_there_are_asked_for_by_name(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    template = make_template(session, merchant)
    members = [make_member(session, merchant=merchant).id for _ in range(40)]
    apart = [members[0], members[20], members[39]]
    issue_many(session, template, members, source="gift:6", now=now)
    first = issue_many(session, template, apart, source="gift:7", now=now)

    with statements(session.connection()) as seen:
        second = issue_many(session, template, apart, source="gift:7", now=now)

    assert second == first
    assert set(first) == set(apart)
    (asked,) = [sql for sql in seen if "coupons.source" in sql]
    assert "BETWEEN" not in asked.upper()
    assert count(session) == (43, 43)


def test_many_at_once_and_again(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    template = make_template(session, merchant, total_limit=30)
    members = [make_member(session, merchant=merchant).id for _ in range(25)]

    first = issue_many(session, template, members[:20], source="gift:7", now=now)
    second = issue_many(session, template, members, source="gift:7", now=now)

    assert set(second) == set(members)
    assert {id_: second[id_] for id_ in members[:20]} == first
    assert count(session) == (25, 25)
    session.refresh(template)
    assert template.issued_count == 25
    entry = session.scalars(select(CouponEntry)).first()
    coupon = session.get_one(Coupon, entry.coupon_id) if entry else None
    assert coupon
    assert entry
    assert entry.cause == f"issued:{coupon.id}:"
    assert entry.at == now


def test_many_are_all_or_nothing(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    template = make_template(session, merchant, total_limit=3)
    members = [make_member(session, merchant=merchant).id for _ in range(4)]

    with pytest.raises(GoneAlready), session.begin_nested():
        issue_many(session, template, members, source="gift:8", now=now)

    assert count(session) == (0, 0)


def test_a_member_claims_up_to_the_limit(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    template = make_template(session, merchant, claimable=True, per_member_limit=2)
    member, other = (make_member(session, merchant=merchant) for _ in range(2))

    claim_one(session, template.id, member.id, merchant_id=merchant.id, now=now)
    claim_one(session, template.id, member.id, merchant_id=merchant.id, now=now)
    with pytest.raises(ClaimLimit):
        claim_one(session, template.id, member.id, merchant_id=merchant.id, now=now)
    claim_one(session, template.id, other.id, merchant_id=merchant.id, now=now)

    assert count(session) == (3, 3)


def test_the_last_one_is_the_last(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    template = make_template(session, merchant, claimable=True, total_limit=1)
    first, second = (make_member(session, merchant=merchant) for _ in range(2))

    claim_one(session, template.id, first.id, merchant_id=merchant.id, now=now)
    with pytest.raises(GoneAlready), session.begin_nested():
        claim_one(session, template.id, second.id, merchant_id=merchant.id, now=now)

    assert count(session) == (1, 1)


def test_what_is_not_claimable_cannot_be_claimed(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    template = make_template(session, merchant)

    with pytest.raises(NotClaimable):
        claim_one(
            session,
            template.id,
            make_member(session, merchant=merchant).id,
            merchant_id=merchant.id,
            now=now,
        )
