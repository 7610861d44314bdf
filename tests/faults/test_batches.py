"""A worker dies with half a slice of coupons written, or taken back: everybody has just one."""

from collections import Counter

import pytest
from sqlalchemy import Executable, Insert, func, insert, select, text

from core import clock, database
from core.database import reading, transaction
from coupons import ledger
from coupons.codes import new_code
from coupons.issuing import many_key, row_of
from coupons.models import Coupon, CouponEntry, CouponState, CouponTemplate, EntryKind
from crm import segments, tags
from crm.batches import making, revoking
from crm.batches.working import SLICE
from crm.models import BatchState, CouponBatch
from merchants.models import Merchant, Staff
from tests.factories.coupons import make_template
from tests.faults.crowd import _members
from tests.faults.test_campaigns import PAST_EVERY_LEASE
from tests.faults.world import World, fetch, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

SIZE = 3 * SLICE
FIRST = 90_000  # far from every campaign's crowd and journey's
MIDDLE = SLICE // 2


def test_a_worker_killed_in_each_slice_leaves_everybody_with_one_coupon(world: World) -> None:
    world.tree.kill("worker-1")
    batch_id, members = hand_out()
    for done in range(3):
        kill_when_it_reaches(world, taken(batch_id, members[done * SLICE + MIDDLE]))
        assert count(batch_id) == done * SLICE, "half a slice stayed"
    world.tree.start_worker("worker-1")
    wait(lambda: state(batch_id) is BatchState.done, "the batch's end")

    holders = Counter(fetch(select(Coupon.member_id).where(Coupon.batch_id == batch_id)))
    assert (len(holders), set(holders.values())) == (SIZE, {1})
    assert books(batch_id) == {"issued": SIZE, "template": SIZE, "voided": 0}

    world.tree.kill("worker-1")
    coupons = take_back(batch_id)
    middle = select(Coupon.id).where(Coupon.id == coupons[SLICE + MIDDLE])
    kill_when_it_reaches(world, middle.with_for_update())
    assert count(batch_id, CouponState.void) == SLICE, "half a slice stayed"
    world.tree.start_worker("worker-1")
    wait(lambda: state(batch_id) is BatchState.revoked, "all of them to be taken back")

    assert count(batch_id, CouponState.void) == SIZE
    assert books(batch_id) == {"issued": SIZE, "template": SIZE, "voided": SIZE}
    kinds = fetch(
        select(CouponEntry.kind, func.count())
        .join(Coupon, Coupon.id == CouponEntry.coupon_id)
        .where(Coupon.batch_id == batch_id)
        .group_by(CouponEntry.kind)
    )
    assert {tuple(row) for row in kinds} == {(EntryKind.issued, SIZE), (EntryKind.voided, SIZE)}
    with reading() as session:
        assert ledger.list_unbalanced(session, range(min(coupons), max(coupons) + 1)) == []


def hand_out() -> tuple[int, list[int]]:
    """A batch for three slices of people; the ids of the members in its order."""
    now = clock.now()
    with transaction() as session:
        merchant = session.scalars(select(Merchant).where(Merchant.code == "qinghe")).one()
        people = _members(session, merchant, range(FIRST, FIRST + SIZE), now)
        session.flush()
        ids = [member.id for member in people]
        tag = tags.ensure_tag(session, merchant.id, "人人有份", now=now)
        tags.put(session, tag, ids, actor="system", now=now)
        rule = {"field": "tag", "op": "has", "value": tag.id}
        segment = segments.create(
            session, merchant.id, name="人人有份", rule=rule, actor="system", now=now
        )
        batch = making.to_segment(
            session,
            merchant.id,
            template_id=make_template(session, merchant).id,
            segment_id=segment.id,
            name="人人有份",
            staff_id=session.scalars(select(Staff.id).limit(1)).one(),
            now=now,
        )
        return batch.id, sorted(ids)


def take_back(batch_id: int) -> list[int]:
    with transaction() as session:
        batch = session.get_one(CouponBatch, batch_id)
        staff_id = session.scalars(select(Staff.id).limit(1)).one()
        revoking.start(session, batch, staff_id=staff_id, reason="发错了", now=clock.now())
    mine = select(Coupon.id).where(Coupon.batch_id == batch_id)
    return [int(id_) for id_ in fetch(mine.order_by(Coupon.id))]


def taken(batch_id: int, member_id: int) -> Insert:
    """The member's place in the batch, written by somebody who has not committed yet."""
    with reading() as session:
        batch = session.get_one(CouponBatch, batch_id)
        template = session.get_one(CouponTemplate, batch.template_id)
        row = row_of(template, f"batch:{batch_id}", clock.now())
    key = many_key(row["source"], row["template_id"], member_id)
    return insert(Coupon).values(**row, code=new_code(), member_id=member_id, issue_key=key)


def kill_when_it_reaches(world: World, hold: Executable) -> None:
    """A row in the middle of the slice is held, and the worker dies waiting for it."""
    with database.Session(database.db.engine) as session:
        # A foreign key's check would hold the template as well, which comes first.
        session.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
        session.execute(hold)
        ours = session.execute(text("SELECT CONNECTION_ID()")).scalar()
        world.tree.start_worker("worker-1")
        wait(lambda: somebody_waits_for(ours), "the worker to come to the row")
        world.tree.kill("worker-1")
        session.rollback()
        session.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
    world.sandbox.advance(PAST_EVERY_LEASE)


def somebody_waits_for(connection: int | None) -> bool:
    waiting = (
        "SELECT COUNT(*) FROM information_schema.innodb_lock_waits w"
        " JOIN information_schema.innodb_trx t ON t.trx_id = w.blocking_trx_id"
        " WHERE t.trx_mysql_thread_id = :connection"
    )
    with reading() as session:
        return bool(session.execute(text(waiting), {"connection": connection}).scalar())


def count(batch_id: int, *states: CouponState) -> int:
    found = select(func.count(Coupon.id)).where(Coupon.batch_id == batch_id)
    return int(fetch(found.where(Coupon.state.in_(states)) if states else found)[0])


def state(batch_id: int) -> BatchState:
    return BatchState(fetch(select(CouponBatch.state).where(CouponBatch.id == batch_id))[0])


def books(batch_id: int) -> dict[str, int]:
    """What the batch and its template say."""
    with reading() as session:
        batch = session.get_one(CouponBatch, batch_id)
        template = session.get_one(CouponTemplate, batch.template_id)
        return {
            "issued": batch.issued,
            "template": template.issued_count,
            "voided": batch.voided,
        }
