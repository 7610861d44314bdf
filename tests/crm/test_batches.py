"""Many coupons in one go: read, shown, written down, issued slice by slice, taken back."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.outbox import OutboxJob
from coupons import anonymous, codes, gifting, ledger, locking, redemption, undoing
from coupons.errors import AlreadyHeld, AlreadyRedeemed, CouponNotFound, CouponVoid, GiftGone
from coupons.models import Coupon, CouponEntry, CouponState
from crm import contacts
from crm.batches import lists, making, revoking, working
from crm.batches.lists import Line
from crm.campaigns import offers
from crm.errors import BatchInvalid, BatchMoved, BatchNotFound, ListInvalid
from crm.models import BatchKind, BatchRow, BatchState, CouponBatch, Member
from crm.segments import saving
from people import phones
from people.models import Person
from tests.factories.coupons import make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.factories.orders import make_order


class Desk:
    def __init__(self, session: Session, now: datetime) -> None:
        self.session, self.now = session, now
        self.merchant = make_merchant(session)
        self.store = make_store(session, self.merchant)
        self.staff = make_staff(session, self.merchant, stores=(self.store,))
        self.template = make_template(session, self.merchant)
        self.members = [self.member() for _ in range(7)]

    def member(self, phone: str = "") -> Member:
        member = make_member(self.session, merchant=self.merchant)
        if phone:
            person = self.session.get_one(Person, member.person_id)
            phones.attach(self.session, person, phone, self.now, works=lambda _: False)
        return member

    def read(self, text: str) -> list[Line]:
        return lists.read_members(self.session, self.merchant.id, text)

    def batch(self, lines: list[Line] | None = None, **values: Any) -> CouponBatch:
        arguments: dict[str, Any] = {
            "kind": BatchKind.members,
            "template_id": self.template.id,
            "lines": lines or self.read("\n".join(each.no for each in self.members)),
            "name": "周末回访",
            "staff_id": self.staff.id,
            "now": self.now,
        }
        return making.from_lines(self.session, self.merchant.id, **(arguments | values))

    def work(self, batch: CouponBatch, size: int = 3) -> int:
        """Slices until there is nothing left to do; how many did something."""
        slices = 0
        while working.next_slice(self.session, batch.id, now=self.now, size=size):
            slices += 1
        self.session.refresh(batch)
        return slices

    def coupons(self, batch: CouponBatch) -> list[Coupon]:
        mine = select(Coupon).where(Coupon.batch_id == batch.id).order_by(Coupon.id)
        return list(self.session.scalars(mine.execution_options(populate_existing=True)))


@pytest.fixture
def desk(session: Session, now: datetime) -> Desk:
    return Desk(session, now)


def test_every_line_says_what_is_wrong_with_it(desk: Desk) -> None:
    first, second = desk.members[:2]
    known = desk.member("13812345678")
    text = f"会员号\n{first.no}\n\n13812345678\n+86 138 1234 5678\n{second.no},林小满\n"
    text += "hello\n999999999999"

    lines = desk.read(text)

    assert lines == [
        Line(2, first.no, first.id),
        Line(4, "138****5678", known.id),
        Line(5, phones.mask("+86 138 1234 5678"), problem="和第 4 行是同一个人"),
        Line(6, second.no, second.id),
        Line(7, "hello", problem="不是会员号，也不是手机号"),
        Line(8, "999999999999", problem="没有这位会员"),
    ]


def test_another_merchants_members_are_not_known(desk: Desk, session: Session) -> None:
    stranger = make_member(session, merchant=make_merchant(session))

    assert [line.problem for line in desk.read(stranger.no)] == ["没有这位会员"]


@pytest.mark.parametrize("text", ["", " \n\n", "会员号\n", "1\n" * 20_001])
def test_a_list_with_nothing_or_too_much_is_refused(desk: Desk, text: str) -> None:
    with pytest.raises(ListInvalid):
        desk.read(text)


def test_everybody_gets_one_in_slices_and_again_nobody_gets_a_second(
    desk: Desk, session: Session
) -> None:
    batch = desk.batch()

    assert desk.work(batch) == 3
    assert desk.work(batch) == 0

    assert (batch.state, batch.total, batch.issued) == (BatchState.done, 7, 7)
    assert [coupon.member_id for coupon in desk.coupons(batch)] == [m.id for m in desk.members]
    assert desk.template.issued_count == 7
    jobs = session.scalars(select(OutboxJob.key).where(OutboxJob.name == "crm.coupon_batch")).all()
    assert len(jobs) == len(set(jobs)) == 4
    assert ledger.list_unbalanced(session, range(1, 1_000)) == []


def test_the_faulty_lines_are_kept_and_left_out(desk: Desk, session: Session) -> None:
    batch = desk.batch(desk.read(f"{desk.members[0].no}\nnobody"))
    desk.work(batch)

    assert (batch.total, batch.faulty, batch.issued) == (1, 1, 1)
    faults = making.list_faults(session, batch.id)
    assert [(row.number, row.problem) for row in faults] == [(2, "不是会员号，也不是手机号")]
    with pytest.raises(BatchInvalid):
        desk.batch(desk.read("nobody"))


def test_when_the_coupons_run_out_it_stops_says_why_and_goes_on_later(
    desk: Desk, session: Session
) -> None:
    desk.template.total_limit = 5
    batch = desk.batch()
    desk.work(batch)

    assert (batch.state, batch.issued, batch.stop_words) == (
        BatchState.stopped,
        5,
        "「见面礼」发完了",
    )
    desk.template.total_limit = 100
    session.flush()
    assert working.resume(session, batch, desk.now)
    assert not working.resume(session, batch, desk.now)
    desk.work(batch)
    assert (batch.state, batch.issued) == (BatchState.done, 7)
    assert len(desk.coupons(batch)) == 7


def test_a_segment_is_written_down_when_the_job_looks(desk: Desk, session: Session) -> None:
    rule = {"op": "and", "rules": [{"field": "orders", "op": "<=", "value": 0}]}
    segment = saving.create(
        session, desk.merchant.id, name="还没来过", rule=rule, actor="staff:1", now=desk.now
    )
    batch = making.to_segment(
        session,
        desk.merchant.id,
        template_id=desk.template.id,
        segment_id=segment.id,
        name="请来坐坐",
        staff_id=desk.staff.id,
        now=desk.now,
    )
    late = desk.member()
    assert batch.state is BatchState.preparing

    desk.work(batch)

    assert (batch.state, batch.total, batch.issued) == (BatchState.done, 8, 8)
    assert late.id in {coupon.member_id for coupon in desk.coupons(batch)}


def test_what_one_person_may_not_give_alone_is_refused(desk: Desk, session: Session) -> None:
    contacts.set_rules(session, desk.merchant.id, approval_people=6, actor="staff:1", now=desk.now)

    with pytest.raises(BatchInvalid) as refused:
        desk.batch()

    said = "要发给 7 人，超过 6 人。这么大的一批请建营销活动来发，另一个人同意了才发"
    assert refused.value.errors == {"template": said}
    assert session.scalars(select(BatchRow.id)).all() == []
    assert session.scalars(select(OutboxJob.id)).all() == []


def test_a_segment_that_one_person_may_not_give_to_stops_before_the_first(
    desk: Desk, session: Session
) -> None:
    most = 7 * offers.worth_fen(desk.template)
    contacts.set_rules(
        session, desk.merchant.id, approval_fen=most - 1, actor="staff:1", now=desk.now
    )
    everybody = {"op": "and", "rules": []}
    segment = saving.create(
        session, desk.merchant.id, name="都", rule=everybody, actor="staff:1", now=desk.now
    )
    batch = making.to_segment(
        session,
        desk.merchant.id,
        template_id=desk.template.id,
        segment_id=segment.id,
        name="一群",
        staff_id=desk.staff.id,
        now=desk.now,
    )

    assert desk.work(batch) == 0

    session.refresh(batch)
    assert (batch.state, batch.issued, batch.total) == (BatchState.stopped, 0, 7)
    assert batch.stop_words.startswith("预计花费 ¥")
    assert session.scalars(select(Coupon.id)).all() == []
    with pytest.raises(BatchInvalid):
        working.resume(session, batch, desk.now)
    assert batch.state is BatchState.stopped
    contacts.set_rules(session, desk.merchant.id, approval_fen=most, actor="staff:1", now=desk.now)
    assert working.resume(session, batch, desk.now)
    desk.work(batch)
    assert len(session.scalars(select(Coupon.id)).all()) == 7


def test_batches_that_were_laid_up_count_on_the_day_that_lets_them_go(desk: Desk) -> None:
    session, merchant_id = desk.session, desk.merchant.id
    contacts.set_rules(session, merchant_id, approval_people=6, actor="staff:1", now=desk.now)
    everybody = {"op": "and", "rules": []}
    segment = saving.create(
        session, merchant_id, name="都", rule=everybody, actor="staff:1", now=desk.now
    )
    laid_up = []
    for name in ("甲", "乙"):
        batch = making.to_segment(
            session,
            merchant_id,
            template_id=desk.template.id,
            segment_id=segment.id,
            name=name,
            staff_id=desk.staff.id,
            now=desk.now,
        )
        assert desk.work(batch) == 0
        laid_up.append(batch)
    contacts.set_rules(session, merchant_id, approval_people=10, actor="staff:1", now=desk.now)
    later = desk.now + timedelta(hours=25)

    assert working.resume(session, laid_up[0], later)
    with pytest.raises(BatchInvalid):
        working.resume(session, laid_up[1], later)

    states = [(each.state, each.allowed_at) for each in laid_up]
    assert states == [(BatchState.running, later), (BatchState.stopped, desk.now)]


def test_what_is_unused_of_a_batch_is_taken_back(desk: Desk, session: Session) -> None:
    batch = desk.batch()
    desk.work(batch)
    used, *unused = desk.coupons(batch)
    redemption.redeem(
        session,
        used.code,
        store_id=desk.store.id,
        staff_id=desk.staff.id,
        key="tap-1",
        now=desk.now,
    )

    revoking.start(session, batch, staff_id=desk.staff.id, reason="发错券了", now=desk.now)
    with pytest.raises(BatchMoved):
        revoking.start(session, batch, staff_id=desk.staff.id, reason="再来", now=desk.now)
    actor = f"staff:{desk.staff.id}"
    while revoking.next_slice(session, batch.id, actor=actor, now=desk.now):
        pass
    session.refresh(batch)

    assert (batch.state, batch.voided) == (BatchState.revoked, 6)
    states = [coupon.state for coupon in desk.coupons(batch)]
    assert states == [CouponState.redeemed, *[CouponState.void] * 6]
    entry = session.scalars(select(CouponEntry).order_by(CouponEntry.id.desc())).first()
    assert entry is not None
    assert (entry.kind, entry.actor, entry.reason) == ("voided", actor, "发错券了")
    with pytest.raises(CouponVoid):
        raise redemption.refused(session, unused[0], desk.now)
    assert ledger.list_unbalanced(session, range(1, 1_000)) == []


def test_nobody_keeps_a_revoked_coupon_by_giving_it_ordering_with_it_or_an_undo(
    desk: Desk, session: Session
) -> None:
    desk.template.giftable = True
    batch = desk.batch()
    desk.work(batch)
    given, ordered, used, *_ = desk.coupons(batch)
    _, secret = gifting.offer(session, given.id, desk.members[0].id, now=desk.now)
    order = make_order(session, desk.members[1], desk.store)
    locking.lock(session, ordered, order.id, desk.now)
    at = {"store_id": desk.store.id, "staff_id": desk.staff.id}
    redemption.redeem(session, used.code, key="tap-1", now=desk.now, **at)

    revoking.start(session, batch, staff_id=desk.staff.id, reason="错了", now=desk.now)
    while revoking.next_slice(session, batch.id, actor="staff:1", now=desk.now):
        pass
    with pytest.raises(GiftGone):
        to = {"member_id": desk.member().id, "merchant_id": desk.merchant.id}
        gifting.accept(session, secret, now=desk.now, **to)
    session.refresh(batch)
    assert (batch.state, batch.voided, ordered.state) == (
        BatchState.revoked,
        5,
        CouponState.locked,
    )

    session.execute(delete(OutboxJob))
    assert locking.release(session, order.id, desk.now)
    undoing.undo(session, used.id, staff_id=desk.staff.id, reason="扫错了", now=desk.now)
    told = session.scalars(select(OutboxJob).where(OutboxJob.name == "crm.void_returned"))
    for job in told.all():
        assert revoking.void_returned(session, job.args["coupon_id"], now=desk.now)
    assert {coupon.state for coupon in desk.coupons(batch)} == {CouponState.void}
    session.refresh(batch)
    assert batch.voided == 7
    assert ledger.list_unbalanced(session, range(1, 1_000)) == []


def test_a_batch_that_is_revoked_half_way_gives_nothing_more(desk: Desk, session: Session) -> None:
    batch = desk.batch()
    working.next_slice(session, batch.id, now=desk.now, size=3)
    revoking.start(session, batch, staff_id=desk.staff.id, reason="错了", now=desk.now)

    assert not working.next_slice(session, batch.id, now=desk.now, size=3)
    while revoking.next_slice(session, batch.id, actor="staff:1", now=desk.now):
        pass
    session.refresh(batch)
    assert (batch.state, batch.issued, batch.voided) == (BatchState.revoked, 3, 3)


def sheet(desk: Desk, number: int = 5) -> CouponBatch:
    batch = making.sheet(
        desk.session,
        desk.merchant.id,
        template_id=desk.template.id,
        number=number,
        name="开业传单",
        staff_id=desk.staff.id,
        now=desk.now,
    )
    desk.work(batch, size=2)
    return batch


def test_printed_codes_are_nobodys_until_somebody_claims_them(desk: Desk, session: Session) -> None:
    batch = sheet(desk)
    first, second = desk.coupons(batch)[:2]
    mine = {"member_id": desk.members[0].id, "merchant_id": desk.merchant.id, "now": desk.now}
    theirs = mine | {"member_id": desk.members[1].id}

    assert (batch.state, batch.issued, len(desk.coupons(batch))) == (BatchState.done, 5, 5)
    assert first.member_id is None
    claimed = anonymous.claim_code(session, first.code, **mine)  # type: ignore[arg-type]
    again = anonymous.claim_code(session, first.code, **mine)  # type: ignore[arg-type]
    assert (claimed.member_id, again.id) == (desk.members[0].id, first.id)
    with pytest.raises(AlreadyHeld):
        anonymous.claim_code(session, first.code, **theirs)  # type: ignore[arg-type]
    with pytest.raises(CouponNotFound):
        anonymous.claim_code(
            session, second.code, **theirs | {"merchant_id": make_merchant(session).id}
        )  # type: ignore[arg-type]
    assert ledger.list_unbalanced(session, range(1, 1_000)) == []


def test_a_printed_code_is_redeemed_at_the_counter_for_whom_the_clerk_says(
    desk: Desk, session: Session
) -> None:
    batch = sheet(desk)
    first, second = desk.coupons(batch)[:2]
    at_counter: dict[str, Any] = {
        "store_id": desk.store.id,
        "staff_id": desk.staff.id,
        "now": desk.now,
    }

    plain = redemption.redeem(session, first.code, key="tap-1", **at_counter)
    named = redemption.redeem(
        session, second.code, key="tap-2", member_id=desk.members[0].id, **at_counter
    )

    assert (plain.state, plain.member_id) == (CouponState.redeemed, None)
    assert (named.state, named.member_id) == (CouponState.redeemed, desk.members[0].id)
    kinds = select(CouponEntry.kind).where(CouponEntry.coupon_id == second.id)
    assert [kind.value for kind in session.scalars(kinds.order_by(CouponEntry.id))] == [
        "issued",
        "claimed",
        "redeemed",
    ]


def test_codes_of_another_system_come_over_once(desk: Desk, session: Session) -> None:
    holder = desk.members[0]
    read = lists.read_codes(
        session,
        desk.merchant.id,
        f"券码,会员\nOLD-0001,{holder.no}\nOLD-0002\nOLD-0001\n!!\nOLD-3,x",
    )
    assert [line.problem for line in read] == [
        "",
        "",
        "和第 2 行重复",
        "券码要 4 到 40 位字母数字",
        "没有第二列写的会员",
    ]
    batch = desk.batch(read, kind=BatchKind.codes)
    desk.work(batch)

    assert (batch.state, batch.issued, batch.faulty) == (BatchState.done, 2, 3)
    assert [coupon.member_id for coupon in desk.coupons(batch)] == [holder.id, None]
    again = lists.read_codes(session, desk.merchant.id, "OLD-0002")
    assert [line.problem for line in again] == ["这个券码导入过了"]
    race = desk.batch([Line(1, "OLD-0002", code="OLD-0002")], kind=BatchKind.codes)
    desk.work(race)
    assert (race.issued, race.faulty, race.total) == (0, 1, 0)
    rival = make_merchant(session)
    assert lists.read_codes(session, rival.id, "OLD-0002")[0].problem == ""

    seen = redemption.preview(session, "OLD-0002", [desk.store.id], desk.now)
    assert (seen.problem, seen.fresh) == ("", False)
    coupon = redemption.redeem(
        session,
        " OLD-0002 ",
        store_id=desk.store.id,
        staff_id=desk.staff.id,
        key="tap-1",
        now=desk.now,
    )
    assert coupon.state is CouponState.redeemed
    with pytest.raises(AlreadyRedeemed):
        redemption.redeem(
            session,
            coupon.code,
            store_id=desk.store.id,
            staff_id=desk.staff.id,
            key="tap-2",
            now=desk.now,
        )
    assert ledger.list_unbalanced(session, range(1, 1_000)) == []


def test_another_merchants_batch_and_template_are_not_found(desk: Desk, session: Session) -> None:
    batch = sheet(desk, 1)
    rival = make_merchant(session)

    with pytest.raises(BatchNotFound):
        making.get_batch(session, rival.id, batch.id)
    assert making.list_batches(session, rival.id) == []
    assert [each.id for each, _ in making.list_batches(session, desk.merchant.id)] == [batch.id]


def test_a_code_that_is_over_is_not_claimed(desk: Desk, session: Session) -> None:
    coupon = desk.coupons(sheet(desk, 1))[0]
    late = desk.now + timedelta(days=8)

    with pytest.raises(Exception, match="过期"):
        anonymous.claim_code(
            session,
            coupon.code,
            member_id=desk.members[0].id,
            merchant_id=desk.merchant.id,
            now=late,
        )
    token = codes.rotating(coupon.code, desk.now)[0]
    assert anonymous.is_fresh(token, desk.now)
    assert not anonymous.is_fresh(coupon.code, desk.now)
