"""Members who come over from another system: what a file means, and that each line is done once."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from analytics import day
from core.crypto import keyring
from core.outbox import OutboxJob
from crm import balance, consent, contacts, merging, profiles, purchases, tiers
from crm.campaigns import thresholds
from crm.errors import ApprovalNeeded, ListInvalid
from crm.importing import making, reading, working
from crm.models import (
    BASE_TIER,
    BalanceEntry,
    BalanceLot,
    ImportState,
    Member,
    MemberImport,
    MemberImportRow,
    PointEntry,
    PointLot,
    TierMove,
)
from crm.tiers import Programme, Step, by_hand, editing
from payments import stored
from payments.models import LedgerEntry
from people import phones
from people.models import Person
from tests.factories.crm import (
    make_member,
    make_merchant,
    make_order_id,
    make_person,
    make_store,
    point_balance,
)
from tests.factories.merchants import make_staff

HEADING = "手机号,称呼,等级,积分,积分到期,储值本金,储值赠送,营销消息,生日,来自哪里"
FULL = '13800000001,林小满,银毫,"1,280",2027-06-30,200,20.50,接受,1992-05-14,有赞'
PLAIN = "138 0000 0002,乔安,,,,,,,,"


def bring(session: Session, *lines: str, now: datetime, run: bool = True) -> MemberImport:
    merchant = make_merchant(session)
    text = "\n".join((HEADING, *lines))
    file = reading.read(session, merchant.id, text, now)
    found, fresh = making.keep(
        session,
        merchant.id,
        name="有赞.csv",
        raw=text.encode(),
        file=file,
        actor="staff:7",
        now=now,
    )
    if run and fresh:
        assert making.start(session, found, actor="staff:7", now=now)
        finish(session, found, now)
    return found


def finish(session: Session, found: MemberImport, now: datetime) -> None:
    while working.next_slice(session, found.id, now=now, book=stored.post_imported, size=2):
        pass
    session.refresh(found)


def by_phone(session: Session, phone: str) -> Member:
    asked = select(Member).join(Person, Person.id == Member.person_id)
    return session.scalars(asked.where(Person.phone_hash == keyring().blind_index(phone))).one()


def number(session: Session, model: Any) -> int:
    return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_line_brings_phone_tier_points_and_balance(session: Session, now: datetime):
    found = bring(session, FULL, PLAIN, now=now)

    assert (found.state, found.imported, found.faulty) == (ImportState.done, 2, 0)
    member = by_phone(session, "13800000001")
    assert (member.name, member.tier, member.birthday) == (
        "林小满",
        "silver_tip",
        date(1992, 5, 14),
    )
    assert (member.points, point_balance(session, member.id)) == (1280, (1280, 0))
    lot = session.scalars(select(PointLot)).one()
    assert (lot.points, lot.expires_at) == (1280, datetime(2027, 6, 30, 16, tzinfo=UTC))
    assert (member.balance_fen, member.balance_bonus_fen) == (22_050, 2_050)
    kept = session.scalars(select(BalanceLot)).one()
    assert (kept.principal_fen, kept.bonus_fen, kept.order_id) == (20_000, 2_050, None)
    owed = session.execute(select(LedgerEntry.account, LedgerEntry.amount_fen))
    assert sorted(tuple(row) for row in owed) == [
        (f"balance:{member.merchant_id}", -22_050),
        (f"bonus:{member.merchant_id}", 2_050),
        (f"imported:{member.merchant_id}", 20_000),
    ]
    assert stored.list_different(session, [member.merchant_id]) == []
    assert member.marketing_consent is True
    other = by_phone(session, "13800000002")
    assert (other.marketing_consent, other.points, other.balance_fen) == (False, 0, 0)
    assert consent.history(session, other.id) == []  # nobody asked them yet
    assert {row.data for row in session.scalars(select(MemberImportRow))} == {None}
    lately = (now - timedelta(hours=1), now + timedelta(hours=1))
    assert day.new_members(session, member.merchant_id, *lately) == (0, 0)


def test_nobody_hears_of_it(session: Session, now: datetime):
    bring(session, FULL, now=now)

    jobs = session.scalars(select(OutboxJob.name)).all()
    assert set(jobs) == {"crm.import_members"}
    assert session.scalars(select(TierMove.reason)).all() == ["imported"]


def test_what_is_brought_can_be_spent(session: Session, now: datetime):
    bring(session, FULL, now=now)
    member = by_phone(session, "13800000001")

    assert balance.freeze(session, member.id, "order:1", 21_000, now=now)

    assert (member.balance_fen, member.balance_bonus_fen) == (1_050, 1_050)


def test_the_same_file_or_the_same_phone_gives_nothing_twice(session: Session, now: datetime):
    first = bring(session, FULL, now=now)
    again = bring(session, FULL, now=now)
    corrected = bring(session, FULL.replace("林小满", "林满"), PLAIN, now=now)

    assert again.id == first.id
    assert (corrected.imported, corrected.faulty) == (1, 1)
    [fault] = making.list_faults(session, corrected.id)
    assert (fault.number, fault.problem) == (2, "这个手机号以前导入过了")
    assert making.cells_of(fault)[:2] == ["13800000001", "林满"]
    member = by_phone(session, "13800000001")
    assert (member.points, member.balance_fen) == (1280, 22_050)
    assert (number(session, PointEntry), number(session, BalanceEntry)) == (1, 1)


def test_two_files_that_were_looked_at_together_give_once(session: Session, now: datetime):
    first = bring(session, FULL, now=now, run=False)
    second = bring(session, FULL, PLAIN, now=now, run=False)
    for found in (first, second):
        assert making.start(session, found, actor="staff:7", now=now)
        assert not making.start(session, found, actor="staff:7", now=now)
        finish(session, found, now)

    assert (first.imported, second.imported, second.total, second.faulty) == (1, 1, 1, 1)
    assert by_phone(session, "13800000001").points == 1280


def test_who_is_here_already_keeps_what_they_said(session: Session, now: datetime):
    person = make_person(session)
    person.phone, person.phone_hash = "13800000001", keyring().blind_index("13800000001")
    known = make_member(
        session, person=person, name="自己写的", tier="golden_bud", marketing_consent=False
    )

    bring(session, FULL, now=now)

    session.refresh(known)
    assert by_phone(session, "13800000001").id == known.id
    assert (known.name, known.tier, known.marketing_consent) == ("自己写的", "golden_bud", False)
    assert (known.points, known.balance_fen) == (1280, 22_050)
    assert number(session, Member) == 1


def test_a_refusal_in_the_file_counts(session: Session, now: datetime):
    person = make_person(session)
    person.phone, person.phone_hash = "13800000002", keyring().blind_index("13800000002")
    known = make_member(session, person=person)

    bring(session, PLAIN.replace(",乔安,,,,,,", ",乔安,,,,,,不接受"), now=now)

    session.refresh(known)
    assert known.marketing_consent is False
    [change] = consent.history(session, known.id)
    assert (change.what, change.allowed, change.actor) == ("marketing", False, "staff:7")


@pytest.mark.parametrize(
    ("word", "said", "after"),
    [("", None, True), ("接受", None, True), ("不接受", None, False), ("", False, False)],
)
def test_who_verifies_an_imported_phone_goes_on_allowing_what_they_allowed(
    session: Session, now: datetime, word: str, said: bool | None, after: bool
):
    """A line that says nothing of it means that nobody was asked, not that they refused."""
    mine = make_member(session)
    consent.change(session, mine, marketing=said, actor=f"member:{mine.id}", now=now)
    bring(session, PLAIN.replace(",乔安,,,,,,", f",乔安,,5,,,,{word}"), now=now)

    person = session.get_one(Person, mine.person_id)
    attached = phones.attach(session, person, "13800000002", now)
    assert attached.absorbed is not None
    merging.join_persons(session, kept=person, absorbed=attached.absorbed, now=now)

    session.refresh(mine)
    assert (mine.marketing_consent, mine.points) == (after, 5)


def test_a_refusal_at_the_counter_counts_where_nobody_asked(session: Session, now: datetime):
    mine = make_member(session)
    bring(session, PLAIN, now=now)
    imported = by_phone(session, "13800000002")

    consent.refuse_for(session, imported, consent.MARKETING, actor="staff:9", now=now)
    merging.merge(session, winner_id=mine.id, loser_id=imported.id, now=now)

    session.refresh(mine)
    assert mine.marketing_consent is False
    assert [row.actor for row in consent.history(session, mine.id)] == ["staff:9"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("12,林,,,,,,,,", "手机号不对"),
        ("1380000000,林,,,,,,,,", "手机号不对"),
        ("13800000003,林,钻石,,,,,,,", "等级：没有「钻石」这一级"),
        ("13800000003,林,,-5,,,,,,", "积分：要是整数"),
        ("13800000003,林,,5,2020-01-01,,,,,", "积分到期：已经过了"),
        ("13800000003,林,,5,明年,,,,,", "积分到期：日期写成 2026-12-31"),
        ("13800000003,林,,,,12.345,,,,", "储值本金：金额不对"),
        ("13800000003,林,,,,,Infinity,,,", "储值赠送：金额不对"),
        ("13800000003,林,,,,,,也许,,", "营销消息：写「接受」或「不接受」"),
        ("13800000003,林,,,,,,,2999-01-01,", "生日：日期不对"),
        ("13800000003,林,,,,1e999999,,,,", "储值本金：金额不对"),
        ("13800000003,林,,,,1e-999999999,,,,", "储值本金：金额不对"),
        (f"13800000003,林,,{'9' * 190},,,,,,", "积分：要是整数"),
        (f"13800000003,林,,5,{'9' * 190}-1-1,,,,,", "积分到期：日期写成 2026-12-31"),
        ("13800000003,林,,5,9999-12-31,,,,,", "积分到期：最晚写 2099-12-31"),
        (f"13800000003,{'长' * 21},,,,,,,,", "称呼：最多 20 个字"),
        ("+86 138 0000 0001,林,,,,,,,,", "和第 2 行是同一个手机号"),
    ],
)
def test_a_wrong_line_says_what_is_wrong_and_nothing_of_it_happens(
    session: Session, now: datetime, line: str, problem: str
):
    found = bring(session, FULL, line, now=now)

    assert (found.imported, found.faulty) == (1, 1)
    [fault] = making.list_faults(session, found.id)
    assert (fault.number, fault.problem) == (3, problem)
    assert making.cells_of(fault) == line.split(",")
    assert number(session, Member) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "文件是空的：第一行是列名，下面一行一个会员"),
        ("手机号\n", "文件是空的：第一行是列名，下面一行一个会员"),
        ("姓名,积分\n林,5", "第一行要是列名，里面要有一列「手机号」"),
        ("手机号,手机\n1,2", "「手机号」有两列，留一列"),
    ],
)
def test_a_file_without_sense_is_refused(session: Session, now: datetime, text: str, why: str):
    with pytest.raises(ListInvalid) as refused:
        reading.read(session, make_merchant(session).id, text, now)

    assert refused.value.detail == why


def test_a_worker_that_died_is_gone_on_with(session: Session, now: datetime):
    lines = [f"1380000{n:04},客{n},,10,,,,,," for n in range(5)]
    found = bring(session, *lines, now=now, run=False)
    making.start(session, found, actor="staff:7", now=now)
    working.next_slice(session, found.id, now=now, book=stored.post_imported, size=2)
    with pytest.raises(RuntimeError), session.begin_nested():
        working.next_slice(session, found.id, now=now, book=stored.post_imported, size=2)
        raise RuntimeError
    session.expire_all()
    assert (found.imported, number(session, Member)) == (2, 2)

    finish(session, found, now)

    assert (found.imported, found.state) == (5, ImportState.done)
    assert session.scalar(select(func.sum(Member.points))) == 50
    assert not working.next_slice(session, found.id, now=now, book=stored.post_imported)


def test_a_file_that_gives_much_is_started_by_somebody_else(session: Session, now: datetime):
    contacts.set_rules(
        session, make_merchant(session).id, approval_fen=25_000, actor="staff:7", now=now
    )
    small = bring(session, PLAIN.replace("乔安,,", "乔安,,2000"), now=now)  # worth ¥20 of points
    found = bring(session, FULL, now=now, run=False)

    with pytest.raises(ApprovalNeeded) as refused:
        making.start(session, found, actor="staff:7", now=now)
    assert refused.value.detail == (
        "预计花费 ¥233.30，24 小时里没有第二个人点头的加起来 ¥253.30，"
        "超过 ¥250.00，要另一位店主来这页点导入"
    )
    assert (small.imported, found.state) == (1, ImportState.checked)
    assert making.why_other(session, found, actor="staff:8", now=now) == ""
    assert making.why_other(session, found, actor="staff:7", now=now + timedelta(hours=25)) == ""

    assert making.start(session, found, actor="staff:8", now=now)
    finish(session, found, now)
    assert (found.imported, by_phone(session, "13800000001").balance_fen) == (1, 22_050)


def test_what_files_give_counts_against_the_day_of_campaigns(session: Session, now: datetime):
    merchant_id = make_merchant(session).id
    contacts.set_rules(session, merchant_id, approval_people=1, actor="staff:7", now=now)
    bring(session, PLAIN, now=now)  # gives nothing
    one = thresholds.Size(1, 0)
    assert thresholds.why_large(session, merchant_id, one, now=now) == ""

    bring(session, FULL, now=now)

    assert thresholds.why_large(session, merchant_id, one, now=now) == (
        "要发给 1 人，24 小时里没有第二个人点头的加起来 2 人，超过 1 人"
    )


def test_who_works_there_gets_nothing_by_a_file(session: Session, now: datetime):
    person = make_person(session)
    line = FULL.replace("0001", "0009")
    early = bring(session, line, now=now, run=False)  # looked at before they worked there
    phones.attach(session, person, "13800000009", now)
    make_staff(session, make_merchant(session), person=person)
    late = bring(session, line, PLAIN, now=now)
    making.start(session, early, actor="staff:7", now=now)
    finish(session, early, now)

    for found in (early, late):
        [fault] = making.list_faults(session, found.id)
        assert (fault.number, fault.problem) == (2, "这是店员的手机号，不从文件里导")
    assert (early.imported, late.imported, number(session, PointEntry)) == (0, 1, 0)


def test_a_running_import_is_stopped_and_gone_on_with(session: Session, now: datetime):
    lines = [f"1380000{n:04},客{n},,10,,,,,," for n in range(5)]
    found = bring(session, *lines, now=now, run=False)
    making.start(session, found, actor="staff:7", now=now)
    working.next_slice(session, found.id, now=now, book=stored.post_imported, size=2)

    assert making.stop(session, found, actor="staff:8", now=now)
    assert not making.stop(session, found, actor="staff:8", now=now)
    finish(session, found, now)
    assert (found.state, found.imported) == (ImportState.stopped, 2)
    assert session.scalar(select(func.sum(Member.points))) == 20

    assert making.start(session, found, actor="staff:7", now=now + timedelta(hours=1))
    finish(session, found, now)
    assert (found.state, found.imported) == (ImportState.done, 5)
    assert session.scalar(select(func.sum(Member.points))) == 50


def test_what_changed_since_the_file_was_looked_at_is_a_faulty_line(
    session: Session, now: datetime
):
    last_day = PLAIN.replace("乔安,,,,", "乔安,,5,2026-11-22,")
    found = bring(session, FULL.replace("银毫", "金芽"), last_day, now=now, run=False)
    steps = (Step("vip", 1, "贵客", 100_000), Step(BASE_TIER, 0, "叶", 0))
    editing.write(session, found.merchant_id, Programme(steps), now)
    later = now + timedelta(days=1)
    making.start(session, found, actor="staff:7", now=later)
    finish(session, found, later)

    assert (found.imported, found.faulty) == (0, 2)
    assert [row.problem for row in making.list_faults(session, found.id)] == [
        "等级：现在没有这一级了",
        "积分到期：已经过了",
    ]
    assert (number(session, Member), number(session, PointLot)) == (0, 0)
    assert bring(session, last_day.replace("11-22", "12-22"), now=later).imported == 1


def test_an_imported_birthday_may_still_be_corrected(session: Session, now: datetime):
    bring(session, FULL, now=now)
    member = by_phone(session, "13800000001")

    right = date(1993, 6, 1)
    profiles.change(session, member, birthday=right, actor=f"member:{member.id}", now=now)

    assert (member.birthday, member.birthday_changed_at) == (right, now)


def test_a_tier_that_no_purchase_earned_outlives_a_refund(session: Session, now: datetime):
    bring(session, FULL, PLAIN, now=now)
    by_hand_one, store = by_phone(session, "13800000002"), make_store(session)
    by_hand.put(session, by_hand_one.id, "silver_tip", reason="老客", actor="staff:7", now=now)
    bought = make_member(session)
    fen = tiers.load(session, bought.merchant_id).of("silver_tip").threshold
    for member in (by_phone(session, "13800000001"), by_hand_one, bought):
        order_id = make_order_id(session, member, store)
        purchases.record_purchase(session, member.id, order_id, store.id, fen, now)
        session.refresh(member)
        assert member.tier == "silver_tip"
        purchases.reverse_purchase(session, order_id, fen, now + timedelta(days=1))
        session.refresh(member)

    assert by_phone(session, "13800000001").tier == by_hand_one.tier == "silver_tip"
    assert bought.tier == BASE_TIER


def test_a_file_that_was_only_looked_at_can_be_thrown_away(session: Session, now: datetime):
    found = bring(session, FULL, now=now, run=False)
    assert "13800000001" not in str(session.scalars(select(MemberImportRow.shown)).all())

    assert making.drop(session, found, actor="staff:7", now=now)
    assert not making.drop(session, found, actor="staff:7", now=now)

    assert (number(session, MemberImport), number(session, MemberImportRow)) == (0, 0)
    assert number(session, Member) == 0


def test_a_file_that_was_looked_at_a_month_ago_is_looked_at_anew(session: Session, now: datetime):
    found = bring(session, FULL, now=now, run=False)
    later = now + timedelta(days=31)
    making.forget(session, now=later)

    with pytest.raises(making.ImportTooOld):
        making.start(session, found, actor="staff:7", now=later)
    assert (found.state, number(session, OutboxJob)) == (ImportState.checked, 0)

    again = bring(session, FULL, now=later)
    assert (again.created_at, again.imported, number(session, MemberImport)) == (later, 1, 1)
    assert by_phone(session, "13800000001").points == 1280


def test_what_stood_in_old_files_is_forgotten(session: Session, now: datetime):
    found = bring(session, "12,林,,,,,,,,", FULL, now=now)

    assert making.forget(session, now=now + timedelta(days=29)) == 0
    assert making.forget(session, now=now + timedelta(days=31)) == 1
    session.expire_all()
    assert making.cells_of(making.list_faults(session, found.id)[0]) == []
