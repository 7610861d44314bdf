"""The member's shelves of coupons, and the sweep of expired ones."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from coupons import queries
from coupons.errors import CouponNotFound
from coupons.expiring import expire_due
from coupons.models import Coupon, CouponEntry, CouponState, EntryKind
from coupons.words import condition, face, state, validity
from tests.counting import statements
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant


def test_the_newest_comes_first_and_pages_join_up(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    member = make_member(session, merchant=merchant)
    made = [
        make_coupon(session, member, make_template(session, merchant, valid_days=9), now=now - ago)
        for ago in map(timedelta, [3, 1, 4, 1, 2])
    ]

    found, cursor = [], ""
    while True:
        page = queries.list_for_member(
            session, member.id, shelf="usable", cursor=cursor, limit=2, now=now
        )
        found += [item.coupon.id for item in page.items]
        if page.next is None:
            break
        cursor = page.next

    assert found == [made[i].id for i in (3, 1, 4, 0, 2)]


def test_an_expired_coupon_moves_shelf_before_and_after_the_sweep(
    session: Session, now: datetime
) -> None:
    merchant = make_merchant(session)
    member = make_member(session, merchant=merchant)
    coupon = make_coupon(session, member, make_template(session, merchant))
    later = now + timedelta(days=7)

    assert queries.count_for_member(session, member.id, now) == {
        "usable": 1,
        "used": 0,
        "expired": 0,
    }
    assert queries.count_for_member(session, member.id, later)["expired"] == 1
    assert state(coupon, later) == "已过期"
    assert queries.usable_for(session, member.id, later) == []
    assert (expire_due(session, now), expire_due(session, later), expire_due(session, later)) == (
        0,
        1,
        0,
    )
    session.refresh(coupon)
    assert coupon.state is CouponState.expired
    assert queries.count_for_member(session, member.id, later)["expired"] == 1


def test_a_sweep_asks_as_often_for_fifty_coupons_as_for_one(
    session: Session, now: datetime
) -> None:
    merchant = make_merchant(session)
    member = make_member(session, merchant=merchant)
    template = make_template(session, merchant, per_member_limit=99)
    sent = []
    for number in (1, 50):
        for _ in range(number):
            make_coupon(session, member, template)
        with statements(session.get_bind()) as asked:
            assert expire_due(session, now + timedelta(days=8)) == number
        sent.append(len(asked))

    assert sent == [3, 3]
    told = session.scalars(select(CouponEntry).where(CouponEntry.kind == EntryKind.expired)).all()
    assert sorted(entry.coupon_id for entry in told) == sorted(session.scalars(select(Coupon.id)))
    assert {(entry.actor, entry.at) for entry in told} == {("system", now + timedelta(days=8))}
    assert {entry.cause for entry in told} == {f"expired:{entry.coupon_id}:" for entry in told}


def test_somebody_elses_coupon_is_not_found(session: Session) -> None:
    merchant = make_merchant(session)
    mine, other = (make_member(session, merchant=merchant) for _ in range(2))
    coupon = make_coupon(session, mine, make_template(session, merchant))

    assert queries.get_for_member(session, mine.id, coupon.id).coupon is coupon
    with pytest.raises(CouponNotFound):
        queries.get_for_member(session, other.id, coupon.id)


def test_words_say_what_it_is_worth(session: Session) -> None:
    merchant = make_merchant(session)
    amount = make_template(session, merchant)
    percent = make_template(session, merchant, off_bp=1500, cap_fen=1500, min_spend_fen=0)

    assert (face(amount), condition(amount)) == ("¥8", "满 20 可用")
    assert (face(percent), condition(percent)) == ("8.5 折", "无门槛，最多减 ¥15")
    assert validity(amount) == "领取后 7 天内可用"


def test_claimable_templates_know_what_the_member_had(session: Session, now: datetime) -> None:
    merchant = make_merchant(session)
    member = make_member(session, merchant=merchant)
    make_template(session, merchant)
    full = make_template(session, merchant, claimable=True, total_limit=5, issued_count=5)
    free = make_template(session, merchant, claimable=True, moment="welcome")

    items, more = queries.list_claimable(session, merchant.id, member.id, now=now)

    assert [(item.template.id, item.open, item.left) for item in items] == [
        (free.id, True, None),
        (full.id, False, 0),
    ]
    assert more is None
    assert queries.find_for_moment(session, merchant.id, "welcome") is free
