"""Several workers on one batch, and one that dies in the middle, on MariaDB."""

import threading

import pytest
from flask import Flask
from sqlalchemy import func, select

from core import clock
from core.database import reading, transaction
from coupons import ledger
from coupons.models import Coupon, CouponEntry, CouponTemplate
from coupons.pack import following, moving
from coupons.pack.models import BatchState as BatchAtWechat
from coupons.pack.models import CardPack, PackCard, PackTemplate
from crm.batches import lists, making, working
from crm.models import BatchKind, BatchState, CouponBatch
from payments.queries import transactions_of
from people.models import Identity, IdentityKind
from tests import racing
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_staff
from tests.racing import race

pytestmark = pytest.mark.mariadb
shared, app = racing.shared, racing.app
PEOPLE, WORKERS, SLICE = 60, 6, 10


class Killed(Exception):
    """A worker's process ended here."""


def make_batch(kind: BatchKind) -> int:
    now = clock.now()
    with transaction() as session:
        merchant = make_merchant(session)
        staff = make_staff(session, merchant)
        template = make_template(session, merchant, total_limit=PEOPLE)
        members = [make_member(session, merchant=merchant) for _ in range(PEOPLE)]
        common = {
            "template_id": template.id,
            "name": "一批",
            "staff_id": staff.id,
            "now": now,
        }
        if kind is BatchKind.sheet:
            return making.sheet(session, merchant.id, number=PEOPLE, **common).id
        lines = lists.read_members(session, merchant.id, "\n".join(m.no for m in members))
        return making.from_lines(session, merchant.id, kind=kind, lines=lines, **common).id


def work(batch_id: int) -> bool:
    with transaction() as session:
        return working.next_slice(session, batch_id, now=clock.now(), size=SLICE)


def check_all_have_one(batch_id: int, kind: BatchKind) -> None:
    with reading() as session:
        batch = session.get_one(CouponBatch, batch_id)
        template = session.scalars(select(CouponTemplate)).one()
        holders = session.scalars(select(Coupon.member_id)).all()
        entries = session.scalar(select(func.count()).select_from(CouponEntry))
        assert (batch.state, batch.issued) == (BatchState.done, PEOPLE)
        assert (len(holders), entries, template.issued_count) == (PEOPLE, PEOPLE, PEOPLE)
        if kind is BatchKind.members:
            assert len(set(holders)) == PEOPLE
        low, high = session.execute(select(func.min(Coupon.id), func.max(Coupon.id))).one()
        assert ledger.list_unbalanced(session, range(low, high + 1)) == []


@pytest.mark.parametrize("kind", [BatchKind.members, BatchKind.sheet])
def test_six_workers_on_one_batch_give_everybody_one(app: Flask, kind: BatchKind) -> None:
    batch_id = make_batch(kind)

    def worker(_: int) -> int:
        return sum(work(batch_id) for _ in range(PEOPLE))

    done = race(app, WORKERS, worker)

    assert sum(int(each) for each in done) == PEOPLE // SLICE
    check_all_have_one(batch_id, kind)


@pytest.mark.parametrize("kind", [BatchKind.members, BatchKind.sheet])
def test_a_worker_that_dies_after_its_work_and_before_the_commit_left_nothing(
    app: Flask, kind: BatchKind
) -> None:
    batch_id = make_batch(kind)
    for _ in range(PEOPLE // SLICE):
        with pytest.raises(Killed), transaction() as session:
            assert working.next_slice(session, batch_id, now=clock.now(), size=SLICE)
            raise Killed
        assert work(batch_id)

    assert not work(batch_id)
    check_all_have_one(batch_id, kind)


def test_control_two_that_only_read_the_cursor_take_the_same_slice(app: Flask) -> None:
    batch_id = make_batch(BatchKind.sheet)
    together = threading.Barrier(2)

    def worker(_: int) -> int:
        with transaction() as session:
            batch = session.get_one(CouponBatch, batch_id)
            together.wait()
            first = batch.cursor + 1
            batch.cursor += SLICE
            return first

    assert race(app, 2, worker) == [1, 1]


def make_cards(number: int) -> int:
    """Coupons of as many members, whose cards wait to be sent to WeChat; the merchant's id."""
    now = clock.now()
    with transaction() as session:
        merchant = make_merchant(session)
        template = make_template(session, merchant, valid_days=30)
        batch = {"template_id": template.id, "merchant_id": merchant.id, "number": "tpl-1"}
        session.add(CardPack(merchant_id=merchant.id, is_on=True, seen_id=0, high_id=0))
        session.add(
            PackTemplate(**batch, state=BatchAtWechat.live, body={}, ends_at=now, changed_at=now)
        )
        for place in range(number):
            member = make_member(session, merchant=merchant)
            names = {"kind": IdentityKind.mini, "appid": "wx-mini", "openid": f"o{place}"}
            session.add(Identity(person_id=member.person_id, created_at=now, **names))
            make_coupon(session, member, template, now=now)
        session.flush()
        assert following.fill(session, template.id, 0, "wx-mini", now) == 0
        assert following.fill(session, template.id, 0, "wx-mini", now) == 0  # finds them there
        return merchant.id


def test_six_workers_ask_wechat_about_each_card_once(app: Flask) -> None:
    merchant_id = make_cards(PEOPLE)

    def worker(_: int) -> list[int]:
        mine: list[int] = []
        for _ in range(PEOPLE):
            with transaction() as session:
                asks, _ = moving.take(
                    session, merchant_id, clock.now(), paid=transactions_of, limit=SLICE
                )
                mine += [ask.coupon_id for ask in asks]
        return mine

    asked = [id_ for each in race(app, WORKERS, worker) if isinstance(each, list) for id_ in each]

    assert len(asked) == len(set(asked)) == PEOPLE
    with reading() as session:
        states = session.execute(select(PackCard.last, PackCard.unsure).distinct()).all()
        assert [tuple(row) for row in states] == [("send", True)]


def test_control_workers_that_only_look_ask_about_the_same_cards(app: Flask) -> None:
    make_cards(SLICE)
    together = threading.Barrier(2)

    def worker(_: int) -> list[int]:
        with transaction() as session:
            due = select(PackCard.coupon_id).where(PackCard.due_at <= clock.now())
            found = list(session.scalars(due.order_by(PackCard.coupon_id)))
            together.wait()
            return found

    first, second = race(app, 2, worker)
    assert first == second
