"""A coupon given to a friend: taken once, back in a day, never round in a circle."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from coupons import codes, gifting, ledger, locking, redemption
from coupons.errors import (
    CouponNotFound,
    CouponUnavailable,
    GiftGone,
    GiftLimit,
    GiftNotFound,
    NotGiftable,
)
from coupons.issuing import issue_many
from coupons.models import (
    Coupon,
    CouponEntry,
    CouponGift,
    CouponState,
    CouponTemplate,
    GiftState,
    ImportedCode,
)
from crm.models import Member
from merchants.models import Merchant
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store


class Friends:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.merchant: Merchant = make_merchant(session)
        self.giver: Member = make_member(session, merchant=self.merchant)
        self.friend: Member = make_member(session, merchant=self.merchant)
        self.template: CouponTemplate = make_template(session, self.merchant, giftable=True)
        self.coupon: Coupon = make_coupon(session, self.giver, self.template)

    def accept(self, secret: str, now: datetime, who: Member | None = None) -> gifting.Gift:
        member = who or self.friend
        mine = {"member_id": member.id, "merchant_id": self.merchant.id}
        return gifting.accept(self.session, secret, now=now, **mine)

    def entries(self) -> list[str]:
        kinds = select(CouponEntry.kind).where(CouponEntry.coupon_id == self.coupon.id)
        return [kind.value for kind in self.session.scalars(kinds.order_by(CouponEntry.id))]


@pytest.fixture
def friends(session: Session) -> Friends:
    return Friends(session)


def test_the_friend_gets_it_and_the_giver_has_it_no_more(
    session: Session, friends: Friends, now: datetime
) -> None:
    gift, secret = gifting.offer(
        session, friends.coupon.id, friends.giver.id, words=" 请你喝 ", now=now
    )
    assert (friends.coupon.state, gift.words, gift.expires_at) == (
        CouponState.locked,
        "请你喝",
        now + timedelta(hours=24),
    )
    assert secret not in gift.secret_hash

    taken = friends.accept(secret, now)
    again = friends.accept(secret, now + timedelta(hours=1))

    assert again.gift.id == taken.gift.id
    coupon = friends.coupon
    assert (coupon.state, coupon.member_id, coupon.source) == (
        CouponState.issued,
        friends.friend.id,
        "gift",
    )
    assert friends.entries() == ["issued", "offered", "gifted"]
    assert ledger.list_unbalanced(session, range(1, 100)) == []
    for who in (friends.giver, friends.friend):
        assert [each.gift.id for each in gifting.list_of_member(session, who.id)] == [gift.id]


def test_what_was_given_is_not_given_on(session: Session, friends: Friends, now: datetime) -> None:
    _, secret = gifting.offer(session, friends.coupon.id, friends.giver.id, now=now)
    friends.accept(secret, now)

    assert not gifting.may_give(friends.coupon, friends.template, now)
    with pytest.raises(NotGiftable):
        gifting.offer(session, friends.coupon.id, friends.friend.id, now=now)
    assert friends.coupon.state is CouponState.issued


def test_nobody_takes_their_own_a_strangers_or_what_is_gone(
    session: Session, friends: Friends, now: datetime
) -> None:
    _, secret = gifting.offer(session, friends.coupon.id, friends.giver.id, now=now)
    third = make_member(session, merchant=friends.merchant)

    with pytest.raises(NotGiftable):
        friends.accept(secret, now, friends.giver)
    with pytest.raises(GiftNotFound):
        friends.accept("x" * 43, now)
    with pytest.raises(GiftNotFound):
        gifting.accept(
            session, secret, member_id=third.id, merchant_id=make_merchant(session).id, now=now
        )
    with pytest.raises(GiftGone):
        friends.accept(secret, now + timedelta(hours=24))
    assert friends.coupon.state is CouponState.locked
    friends.accept(secret, now)
    with pytest.raises(GiftGone):
        friends.accept(secret, now, third)
    assert friends.coupon.member_id == friends.friend.id


def test_after_a_day_it_is_the_givers_again(
    session: Session, friends: Friends, now: datetime
) -> None:
    gift, _ = gifting.offer(session, friends.coupon.id, friends.giver.id, now=now)

    assert gifting.return_due(session, now + timedelta(hours=23)) == 0
    assert gifting.return_due(session, now + timedelta(hours=24)) == 1
    assert gifting.return_due(session, now + timedelta(hours=24)) == 0

    session.refresh(gift)
    assert (gift.state, friends.coupon.state) == (GiftState.lapsed, CouponState.issued)
    assert friends.entries() == ["issued", "offered", "kept"]
    gifting.offer(session, friends.coupon.id, friends.giver.id, now=now + timedelta(hours=25))


def test_the_giver_takes_it_back_but_not_from_the_friend(
    session: Session, friends: Friends, now: datetime
) -> None:
    gift, secret = gifting.offer(session, friends.coupon.id, friends.giver.id, now=now)
    with pytest.raises(GiftNotFound):
        gifting.withdraw(session, gift.id, friends.friend.id, now=now)
    gifting.withdraw(session, gift.id, friends.giver.id, now=now)
    with pytest.raises(GiftGone):
        friends.accept(secret, now)
    assert (friends.coupon.state, friends.coupon.member_id) == ("issued", friends.giver.id)

    gift, secret = gifting.offer(session, friends.coupon.id, friends.giver.id, now=now)
    friends.accept(secret, now)
    with pytest.raises(GiftGone):
        gifting.withdraw(session, gift.id, friends.giver.id, now=now)
    assert friends.coupon.member_id == friends.friend.id


def test_one_that_is_offered_is_used_by_nobody(
    session: Session, friends: Friends, now: datetime
) -> None:
    gifting.offer(session, friends.coupon.id, friends.giver.id, now=now)

    with pytest.raises(CouponUnavailable) as refused:
        locking.lock(session, friends.coupon, 1, now)
    assert refused.value.detail == "这张券正在转送给朋友"
    with pytest.raises(CouponUnavailable):
        gifting.offer(session, friends.coupon.id, friends.giver.id, now=now)


@pytest.mark.parametrize("values", [{"giftable": False}, {"per_member_limit": 0}])
def test_the_template_says_whether_and_how_many(
    session: Session, friends: Friends, now: datetime, values: dict[str, Any]
) -> None:
    for name, value in values.items():
        setattr(friends.template, name, value)
    session.flush()
    if "giftable" in values:
        with pytest.raises(NotGiftable):
            gifting.offer(session, friends.coupon.id, friends.giver.id, now=now)
        return
    _, secret = gifting.offer(session, friends.coupon.id, friends.giver.id, now=now)
    with pytest.raises(GiftLimit):
        friends.accept(secret, now)
    assert friends.coupon.member_id == friends.giver.id


def test_a_batch_issued_again_after_a_gift_gives_nobody_a_second(
    session: Session, friends: Friends, now: datetime
) -> None:
    ids = [friends.giver.id]
    first = issue_many(session, friends.template, ids, source="campaign:x", now=now)
    _, secret = gifting.offer(session, first[friends.giver.id], friends.giver.id, now=now)
    friends.accept(secret, now)

    assert issue_many(session, friends.template, ids, source="campaign:x", now=now) == first


def test_a_merge_takes_the_gifts_along(session: Session, friends: Friends, now: datetime) -> None:
    winner = make_member(session, merchant=friends.merchant)
    gift, _ = gifting.offer(session, friends.coupon.id, friends.giver.id, now=now)

    gifting.follow_merge(session, friends.giver.id, winner.id)

    givers = select(CouponGift.from_member_id).where(CouponGift.id == gift.id)
    assert session.scalar(givers) == winner.id


def test_the_number_that_the_giver_knows_is_worth_nothing(
    session: Session, friends: Friends, now: datetime
) -> None:
    store, coupon = make_store(session, friends.merchant), friends.coupon
    session.add(ImportedCode(merchant_id=friends.merchant.id, code="PAPER-1", coupon_id=coupon.id))
    known = (coupon.code, codes.rotating(coupon.code, now)[0], "PAPER-1")
    _, secret = gifting.offer(session, coupon.id, friends.giver.id, now=now)
    taken = friends.accept(secret, now).coupon

    for text in known:
        with pytest.raises(CouponNotFound):
            redemption.preview(session, text, [store.id], now)
        with pytest.raises(CouponNotFound):
            redemption.redeem(session, text, store_id=store.id, staff_id=1, key="tap", now=now)

    assert taken.code != known[0]
    seen = redemption.preview(session, codes.rotating(taken.code, now)[0], [store.id], now)
    assert (seen.coupon.id, seen.coupon.member_id, seen.fresh, seen.problem) == (
        coupon.id,
        friends.friend.id,
        True,
        "",
    )


def test_a_number_that_is_taken_is_drawn_again(
    session: Session, friends: Friends, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_coupon(session, friends.giver, friends.template)
    _, secret = gifting.offer(session, friends.coupon.id, friends.giver.id, now=now)
    drawn = iter((other.code, "123456789010"))
    monkeypatch.setattr(codes, "new_code", lambda: next(drawn))

    assert friends.accept(secret, now).coupon.code == "123456789010"
