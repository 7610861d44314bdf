"""Two workers at the same moment. Each race has a control that shows the naive way losing it."""

import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from core.database import reading, transaction
from coupons.models import Coupon, CouponTemplate
from crm import campaigns, points, purchases
from crm.campaigns import masses, sending
from crm.models import (
    CampaignWave,
    EntryKind,
    LotState,
    Member,
    PointEntry,
    PointLot,
    Recipient,
    RecipientState,
)
from messaging import policies
from messaging.broadcasts.models import BroadcastQuota, MassSend
from messaging.models import MessageWindow, OutboundMessage, OutboundState
from tests import racing
from tests.crm.conftest import ACCOUNTS
from tests.factories.campaigns import make_campaign, make_follower, make_talker
from tests.factories.crm import (
    make_member,
    make_merchant,
    make_order_id,
    make_person,
    make_store,
    point_balance,
)
from tests.racing import race
from tests.servers import MariaDB

pytestmark = pytest.mark.mariadb

WORKERS = 6


@pytest.fixture(scope="module")
def shared(
    mariadb: MariaDB, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Flask]:
    directory = tmp_path_factory.mktemp("races")
    with racing.arena(mariadb, directory, redis={"url": redis_url}, wechat=ACCOUNTS) as app:
        yield app


app = racing.app


def launched(now: datetime, people: int) -> int:
    with transaction() as session:
        for _ in range(people):
            make_talker(session)
        campaign = make_campaign(session, now=now)
        campaigns.launch(session, campaign, actor="staff:2", now=now)
        return campaign.id


def test_two_gathering_at_once_broadcast_to_nobody_twice(app: Flask, now: datetime) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
        policy = policies.Policy(broadcast=True, keep_broadcasts=1)
        policies.set_policy(session, merchant.id, policy, actor="staff:1", now=now)
        for _ in range(30):
            make_follower(session, make_member(session, person=make_person(session)))
        campaign = make_campaign(session, message="给你留了「{券名}」", now=now)
        campaigns.launch(session, campaign, actor="staff:1", now=now)
    with transaction() as session:
        campaigns.next_batch(session, campaign.id, now=now)

    def gather(_: int) -> int:
        with transaction() as session:
            return masses.gather(session, campaign.id, now=now)

    assert sorted(race(app, 2, gather)) == [0, 30]  # type: ignore[type-var]
    with reading() as session:
        assert session.scalars(select(MassSend.addressed)).all() == [30]
        used = select(BroadcastQuota.used, func.count()).where(BroadcastQuota.openid != "")
        assert session.execute(used.group_by(BroadcastQuota.used)).all() == [(1, 30)]
        state = select(Recipient.state, func.count()).group_by(Recipient.state)
        assert session.execute(state).all() == [(RecipientState.sending, 30)]


def test_one_slice_is_taken_by_one_worker(app: Flask, now: datetime):
    campaign_id = launched(now, 60)

    def batch(_: int) -> Any:
        with transaction() as session:
            return campaigns.next_batch(session, campaign_id, now=now, size=20)

    done = [answer for answer in race(app, WORKERS, batch) if answer is not None]

    # Whoever came late may have found the next slice, never the same one.
    assert 1 <= len(done) <= 4
    with reading() as session:
        issued = session.scalar(select(func.count(Coupon.id)))
        assert issued == sum(slice_.issued for slice_ in done) == 20 * min(len(done), 3)
        assert session.scalar(select(func.count(OutboundMessage.id))) == issued
        assert session.scalars(select(CouponTemplate.issued_count)).one() == issued


def test_control_a_cursor_that_is_just_written_is_taken_by_several(app: Flask, now: datetime):
    campaign_id = launched(now, 60)
    read = threading.Barrier(WORKERS)

    def naive(_: int) -> list[int]:
        with transaction() as session:
            wave = session.scalars(select(CampaignWave)).one()
            ids = session.scalars(
                select(Recipient.id)
                .where(Recipient.campaign_id == campaign_id, Recipient.id > wave.cursor)
                .order_by(Recipient.id)
                .limit(20)
            ).all()
            read.wait()
            session.execute(
                update(CampaignWave).where(CampaignWave.id == wave.id).values(cursor=ids[-1])
            )
            return list(ids)

    slices = race(app, WORKERS, naive)

    assert all(ids == slices[0] for ids in slices)


def test_one_recipient_is_claimed_by_one_worker(app: Flask, now: datetime):
    campaign_id = launched(now, 1)
    with transaction() as session:
        campaigns.next_batch(session, campaign_id, now=now)
        recipient_id = session.scalars(select(Recipient.id)).one()

    def start(_: int) -> sending.Claimed | None:
        with transaction() as session:
            return sending.start(session, campaign_id, recipient_id, recipient_id, now=now)

    claims = race(app, WORKERS, start)

    assert len([claim for claim in claims if claim is not None]) == 1
    with reading() as session:
        assert session.scalars(select(OutboundMessage.state)).one() is OutboundState.sending
        assert session.scalars(select(MessageWindow.remaining)).one() == 4


def test_two_workers_never_hold_the_same_people(app: Flask, now: datetime):
    campaign_id = launched(now, 60)
    with transaction() as session:
        campaigns.next_batch(session, campaign_id, now=now)
        ids = session.scalars(select(Recipient.id).order_by(Recipient.id)).all()

    def start(_: int) -> list[int]:
        with transaction() as session:
            claimed = sending.start(session, campaign_id, ids[0], ids[-1], now=now, limit=10)
            return [recipient_id for recipient_id, _ in claimed.recipients] if claimed else []

    groups = race(app, WORKERS, start)

    held = [id_ for group in groups if isinstance(group, list) for id_ in group]
    assert len(held) == len(set(held)) == 60
    with reading() as session:
        states = session.execute(
            select(Recipient.state, func.count()).group_by(Recipient.state)
        ).all()
        assert [tuple(row) for row in states] == [(RecipientState.sending, 60)]
        assert set(session.scalars(select(MessageWindow.remaining))) == {4}


def test_control_a_state_that_is_just_read_is_claimed_by_several(app: Flask, now: datetime):
    campaign_id = launched(now, 1)
    with transaction() as session:
        campaigns.next_batch(session, campaign_id, now=now)
        recipient_id = session.scalars(select(Recipient.id)).one()
    read = threading.Barrier(WORKERS)

    def naive(_: int) -> bool:
        with transaction() as session:
            row = session.get_one(Recipient, recipient_id)
            free = row.state is RecipientState.issued
            read.wait()
            row.state = RecipientState.sending
            return free

    assert race(app, WORKERS, naive) == [True] * WORKERS


def test_one_order_is_one_purchase_however_often_it_is_told(app: Flask, now: datetime):
    with transaction() as session:
        member, store = make_member(session), make_store(session)
        order_id = make_order_id(session, member, store)
        member_id, store_id = member.id, store.id

    def record(_: int) -> bool:
        with transaction() as session:
            return purchases.record_purchase(session, member_id, order_id, store_id, 5_000, now)

    def reverse(_: int) -> bool:
        with transaction() as session:
            return purchases.reverse_purchase(session, order_id, 5_000, now)

    assert sum(race(app, WORKERS, record)) == 1
    with reading() as session:
        member = session.get_one(Member, member_id)
        assert (member.orders_count, member.spent_fen, member.points_pending) == (1, 5_000, 50)

    assert sum(race(app, WORKERS, reverse)) == 1
    with reading() as session:
        member = session.get_one(Member, member_id)
        assert (member.orders_count, member.refunded_fen, member.points_pending) == (0, 5_000, 0)
        assert point_balance(session, member_id) == (0, 0)


def test_many_orders_of_one_member_add_up(app: Flask, now: datetime):
    with transaction() as session:
        member, store = make_member(session), make_store(session)
        orders = [make_order_id(session, member, store) for _ in range(WORKERS)]
        member_id, store_id = member.id, store.id

    def record(i: int) -> None:
        with transaction() as session:
            purchases.record_purchase(session, member_id, orders[i], store_id, 1_000, now)

    race(app, WORKERS, record)

    with reading() as session:
        member = session.get_one(Member, member_id)
        assert (member.orders_count, member.spent_fen, member.points_pending) == (6, 6_000, 60)
        assert point_balance(session, member_id) == (0, 60)


def lots_that_are_due(now: datetime) -> None:
    """Four orders each of five members, ten yuan an order."""
    with transaction() as session:
        store = make_store(session)
        members = [make_member(session).id for _ in range(5)]
        for member_id in members * 4:
            order_id = make_order_id(session, session.get_one(Member, member_id), store)
            purchases.record_purchase(session, member_id, order_id, store.id, 1_000, now)


def test_points_are_released_once_however_many_sweep(app: Flask, now: datetime):
    lots_that_are_due(now)
    due = now + points.REFUND_WINDOW

    def sweep(_: int) -> int:
        released = 0
        for _ in range(5):
            with transaction() as session:
                released += points.release_due(session, now=due, limit=4)
        return released

    answers = race(app, WORKERS, sweep)

    # A sweep that the database chose as a victim forgets what it counted before; the rows do not.
    assert sum(answers) <= 20
    with reading() as session:
        assert set(session.scalars(select(PointLot.state))) == {LotState.available}
        released = select(func.count()).where(PointEntry.kind == EntryKind.released)
        assert session.scalar(released) == 20
        for member in session.scalars(select(Member)):
            assert (member.points, member.points_pending) == (40, 0)
            assert point_balance(session, member.id) == (40, 0)


def test_control_points_of_a_list_that_is_just_read_are_given_twice(app: Flask, now: datetime):
    lots_that_are_due(now)
    read = threading.Barrier(WORKERS)

    def naive(_: int) -> int:
        with transaction() as session:
            due = session.scalars(select(PointLot).where(PointLot.state == LotState.pending)).all()
            read.wait()
            for lot in sorted(due, key=lambda lot: (lot.member_id, lot.id)):
                session.execute(
                    update(Member)
                    .where(Member.id == lot.member_id)
                    .values(points=Member.points + lot.points)
                )
            return len(due)

    assert race(app, WORKERS, naive) == [20] * WORKERS
    with reading() as session:
        assert set(session.scalars(select(Member.points))) == {40 * WORKERS}
