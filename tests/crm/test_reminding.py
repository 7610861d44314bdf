"""A coupon that ends soon: told once, lawfully, within the cap; else nothing."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

import tasks.batches
from core import clock
from core.database import reading, transaction
from core.outbox import OutboxJob
from coupons.models import Coupon, CouponState, CouponTemplate
from crm import contacts, reminding
from crm.models import CouponReminder, MarketingContact, Member
from merchants.models import Merchant
from messaging.models import Channel, OutboundMessage
from people.models import Identity, IdentityKind
from tests.counting import statements
from tests.crm.conftest import ABOUT_EXPIRY
from tests.factories.campaigns import ABOUT_COUPONS, MINI, OFFICIAL
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member, make_merchant
from tests.factories.messaging import make_follower, make_grant, make_window
from tests.working import run_inline


class Shop:
    def __init__(self, session: Session, now: datetime) -> None:
        self.session, self.now = session, now
        self.merchant: Merchant = make_merchant(session)
        self.template: CouponTemplate = make_template(session, self.merchant, name="老客回店券")

    def holder(self, kind: IdentityKind = IdentityKind.official, **values: Any) -> Member:
        """A member known by one WeChat identity."""
        member = make_member(self.session, merchant=self.merchant, **values)
        appid = OFFICIAL if kind is IdentityKind.official else MINI
        self.session.add(
            Identity(
                person_id=member.person_id,
                kind=kind,
                appid=appid,
                openid=self.openid(member),
                created_at=self.now,
            )
        )
        self.session.flush()
        return member

    def talking(self) -> Member:
        """One with an open window."""
        member = self.holder()
        make_follower(
            self.session, openid=self.openid(member), merchant=self.merchant
        ).appid = OFFICIAL
        make_window(self.session, self.openid(member), appid=OFFICIAL, opened_at=self.now)
        return member

    @staticmethod
    def openid(member: Member) -> str:
        return f"openid-{member.id}"

    def give(
        self, member: Member, days: float = 2, template: CouponTemplate | None = None
    ) -> Coupon:
        """A coupon of last week that ends in `days`."""
        coupon = make_coupon(
            self.session, member, template or self.template, now=self.now - timedelta(days=6)
        )
        ends = update(Coupon).where(Coupon.id == coupon.id)
        self.session.execute(ends.values(expires_at=self.now + timedelta(days=days)))
        return coupon

    def remind(self, now: datetime | None = None) -> int:
        return reminding.remind(self.session, self.merchant.id, now=now or self.now).number

    def outcomes(self) -> dict[int, str]:
        found = select(CouponReminder.coupon_id, CouponReminder.outcome)
        return dict(self.session.execute(found).all())  # type: ignore[arg-type]

    def messages(self) -> list[OutboundMessage]:
        return list(self.session.scalars(select(OutboundMessage).order_by(OutboundMessage.id)))


@pytest.fixture
def shop(session: Session, now: datetime) -> Shop:
    return Shop(session, now)


def test_in_an_open_chat_they_are_told_once(shop: Shop, session: Session) -> None:
    coupon = shop.give(shop.talking())

    assert shop.remind() == 1
    assert shop.remind() == 0

    message = shop.messages()[0]
    assert len(shop.messages()) == 1
    assert message.channel is Channel.customer_service
    assert message.payload["text"].startswith(
        "你的「老客回店券」（¥8，满 20 可用）11 月 24 日到期，别忘了用。"
    )
    assert shop.outcomes() == {coupon.id: "told"}
    assert session.scalars(select(MarketingContact.kind)).all() == ["reminder"]
    jobs = session.scalars(select(OutboxJob.name)).all()
    assert jobs.count("messaging.deliver_marketing") == 1


def test_several_coupons_are_one_message(shop: Shop) -> None:
    member = shop.talking()
    ids = {shop.give(member, days).id for days in (1, 2, 2.5)}

    assert shop.remind() == 3
    assert len(shop.messages()) == 1
    assert (
        shop.messages()[0].payload["text"].startswith("你有 3 张券快到期了，最早的「老客回店券」")
    )
    assert shop.outcomes() == dict.fromkeys(ids, "told")


def test_a_grant_for_this_very_matter_is_used_and_no_other(shop: Shop, session: Session) -> None:
    member = shop.holder(IdentityKind.mini)
    make_grant(session, shop.openid(member), ABOUT_EXPIRY, appid=MINI)
    other = shop.holder(IdentityKind.mini)
    make_grant(session, shop.openid(other), ABOUT_COUPONS, appid=MINI)
    mine, theirs = shop.give(member), shop.give(other)

    shop.remind()

    assert shop.outcomes() == {mine.id: "told", theirs.id: "not_following"}
    message = shop.messages()[0]
    assert (message.channel, message.payload["data"]["thing1"]) == (
        Channel.subscribe,
        "老客回店券",
    )


def test_who_may_not_be_told_hears_nothing(shop: Shop, session: Session) -> None:
    silent = shop.give(shop.holder())
    refusing = shop.talking()
    refusing.marketing_consent = False
    unwilling = shop.give(refusing)
    often = shop.talking()
    capped = shop.give(often)
    for number in range(4):
        contacts.claim_many(
            session,
            shop.merchant.id,
            [often.id],
            kind="campaign",
            ref=str(number),
            now=shop.now - timedelta(hours=1),
        )

    assert shop.remind() == 3
    assert shop.outcomes() == {
        silent.id: "not_following",
        unwilling.id: "no_consent",
        capped.id: "frequency",
    }
    assert shop.messages() == []


@pytest.mark.parametrize("days", [0.02, 3.5])
def test_neither_too_late_nor_too_early(shop: Shop, days: float) -> None:
    shop.give(shop.talking(), days)

    assert shop.remind() == 0
    assert shop.messages() == []


def test_used_ones_templates_that_do_not_remind_and_nights_are_left_alone(
    shop: Shop, session: Session
) -> None:
    member = shop.talking()
    never = make_template(session, shop.merchant, name="不提醒", remind_days=0)
    shop.give(member, template=never)
    used = shop.give(member)
    session.execute(update(Coupon).where(Coupon.id == used.id).values(state=CouponState.redeemed))
    assert shop.remind() == 0
    shop.give(member)
    night = shop.now + timedelta(hours=11)  # 23 o'clock

    assert shop.remind(night) == 0
    assert shop.remind() == 1
    assert reminding.list_merchants(session) == [shop.merchant.id]


def test_the_walk_goes_along_the_ends_and_looks_behind_the_last(
    shop: Shop, session: Session
) -> None:
    by_end = [shop.give(shop.talking(), days) for days in (1, 1.5, 1.5, 2)]
    merged = shop.give(shop.talking(), 1.2)
    gone = update(Member).where(Member.id == merged.member_id)
    session.execute(gone.values(merged_into_id=by_end[0].member_id))

    walked, after, numbers = [], None, []
    while True:
        looked = reminding.remind(session, shop.merchant.id, now=shop.now, after=after, limit=2)
        numbers.append(looked.number)
        if looked.last is None:
            break
        after = looked.last
        walked.append(after.coupon_id)

    assert numbers == [1, 2, 1]
    assert walked == [merged.id, by_end[2].id]
    assert shop.outcomes() == dict.fromkeys((coupon.id for coupon in by_end), "told")


def test_a_slice_asks_the_coupons_alone_where_to_go_on(shop: Shop, session: Session) -> None:
    shop.give(shop.talking())

    with statements(session.connection()) as seen:
        shop.remind()

    walks = [sql for sql in seen if "coupons.issued_at <=" in sql]
    assert len(walks) == 1
    assert "JOIN" not in walks[0]


def test_a_job_goes_on_where_the_last_one_made_room(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = clock.now()
    with transaction() as session:
        shop = Shop(session, now)
        coupons = [shop.give(shop.talking(), days).id for days in (1, 2, 3)]
        merchant_id = shop.merchant.id
    one = partial(reminding.remind, limit=1)
    monkeypatch.setattr(tasks.batches.reminding, "remind", one)
    monkeypatch.setattr(tasks.batches, "SLICES", 2)
    monkeypatch.setattr(contacts, "held_until", lambda *_, **__: None)

    run_inline("crm.remind_members", merchant_id=merchant_id)

    with reading() as session:
        told = select(CouponReminder.coupon_id).order_by(CouponReminder.coupon_id)
        assert session.scalars(told).all() == coupons[:2]
        job = session.scalars(select(OutboxJob).where(OutboxJob.key.is_not(None))).one()
        assert (job.name, job.args["after_coupon_id"]) == ("crm.remind_members", coupons[1])
    run_inline(job.name, **job.args)
    with reading() as session:
        assert session.scalars(told).all() == coupons
