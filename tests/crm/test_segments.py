"""A rule is checked whole, and what it compiles to means what the rule says."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from core import database
from crm import events, segments, tags
from crm.errors import RuleInvalid, SegmentNotFound
from crm.segments import refs
from crm.segments.compiling import tree
from crm.segments.rules import conditions
from crm.segments.words import say
from tests.counting import statements
from tests.crm.people_drawn import settle, translated
from tests.crm.rules import Someone, holds, rule, someone
from tests.factories.crm import make_member, make_merchant, make_purchase, make_store, make_tag

quick = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def nodes(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for index, inner in enumerate(node.get("rules", ())):
        yield from nodes(inner, f"{path}.{index}".lstrip("."))


def check_agreement(
    session: Session, people: Sequence[Someone], drawn: Sequence[dict[str, Any]], now: datetime
) -> None:
    ids = settle(session, people, now)
    merchant_id = make_merchant(session).id
    make_member(session, merchant=make_merchant(session, code="other"))
    for one in drawn:
        expected = {ids["member"][i] for i, who in enumerate(people) if holds(one, who, now)}
        asked = translated(one, ids)
        assert segments.validate(asked) == {}
        found = set(session.scalars(segments.compile(asked, merchant_id, now)))
        assert found == expected, one
        shown = segments.preview(session, asked, merchant_id, now)
        assert (shown.members, shown.matched) == (len(people), len(expected))
        for path, node in nodes(one):
            assert shown.alone[path] == sum(holds(node, who, now) for who in people), (one, path)
        assert segments.count(session, asked, merchant_id, now) == len(expected)
        told = segments.sample(session, asked, merchant_id, now, limit=10)
        assert {sample.member.id for sample in told} == expected
        assert all(all(sample.reasons) for sample in told), one


@quick
@given(people=st.lists(someone, max_size=6), drawn=st.lists(rule, min_size=1, max_size=4))
def test_sql_means_what_the_rule_says(
    session: Session, now: datetime, people: list[Someone], drawn: list[dict[str, Any]]
):
    with session.begin_nested() as savepoint:
        check_agreement(session, people, drawn, now)
        savepoint.rollback()
    session.expunge_all()


@pytest.mark.mariadb
def test_sql_means_the_same_on_mariadb(mariadb_app: Flask, now: datetime):
    @settings(quick, max_examples=25)
    @given(people=st.lists(someone, max_size=6), drawn=st.lists(rule, min_size=1, max_size=4))
    def agree(people: list[Someone], drawn: list[dict[str, Any]]) -> None:
        with database.Session(database.db.engine) as session:
            check_agreement(session, people, drawn, now)
            session.rollback()

    agree()


def test_a_merged_member_is_in_no_segment(session: Session, now: datetime):
    member = make_member(session)
    make_member(session, merged_into_id=member.id)

    everybody = {"op": "and", "rules": []}

    assert segments.count(session, everybody, member.merchant_id, now) == 1


@pytest.mark.parametrize(
    ("broken", "errors"),
    [
        (None, {"": "条件要是一个对象"}),
        ({}, {"": "既不是条件也不是一组条件"}),
        ({"op": "or", "rules": []}, {"rules": "这一组至少要有一个条件"}),
        ({"op": "and", "rules": {}}, {"rules": "这一组要是条件的列表"}),
        (
            {"op": "xor", "rules": [{"field": "age", "op": "is"}]},
            {"op": "关系只能是 且（and）、或（or）、非（not）", "0.field": "没有这种条件"},
        ),
        (
            {"op": "and", "rules": [{"field": "spent", "op": ">", "value": "", "days": 0}]},
            {
                "0.op": "比较方式只能是 >=、<=",
                "0.value": "请填金额（分）",
                "0.days": "天数要在 1 到 3650 之间",
            },
        ),
        (
            {"op": "not", "rules": [{"op": "and", "rules": [{"field": "tag", "op": "has"}]}]},
            {"0.0.value": "请填标签"},
        ),
        (
            {"op": "not", "rules": [{"field": "last_visit", "op": "never"}] * 2},
            {"rules": "“非”里只能放一个条件或一组条件"},
        ),
        (
            {"field": "last_visit", "op": "before", "days": True},
            {"days": "天数要是整数"},
        ),
        ({"field": "last_visit", "op": "never", "days": 3}, {"days": "这里没有这一项"}),
        ({"field": ["spent"], "op": ">="}, {"field": "没有这种条件"}),
    ],
)
def test_faults_are_named_by_path(broken: Any, errors: dict[str, str]):
    assert segments.validate(broken) == errors
    with pytest.raises(RuleInvalid) as refused:
        segments.compile(broken, 1, datetime.now().astimezone())
    assert refused.value.errors == errors


def test_a_tree_that_is_too_deep_or_too_big_is_refused():
    leaf: dict[str, Any] = {"field": "last_visit", "op": "never"}
    deep = leaf
    for _ in range(2_000):
        deep = {"op": "and", "rules": [deep]}

    assert segments.validate(deep) == {"0.0.0.0.0.0": "嵌套太深，最多 6 层"}
    nested = {"op": "and", "rules": [{"op": "or", "rules": [leaf] * 16}] * 2}
    assert segments.validate(nested) == {"": "条件太多，最多 30 个"}


@given(
    junk=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(st.sampled_from(["op", "rules", "field", "value", "days"]), inner)
        ),
    )
)
@settings(deadline=None)
def test_junk_is_refused_and_never_crashes(junk: Any):
    segments.validate(junk)


def test_each_row_shows_its_own_count_and_the_narrowing(session: Session, now: datetime):
    tag = make_tag(session)
    spender = make_member(session, spent_fen=30_000)
    both = make_member(session, spent_fen=30_000)
    make_member(session)
    tags.put(session, tag, [both.id], actor="staff:1", now=now)
    asked = {
        "op": "and",
        "rules": [
            {"field": "spent", "op": ">=", "value": 20_000},
            {"op": "not", "rules": [{"field": "tag", "op": "has", "value": tag.id}]},
        ],
    }

    shown = segments.preview(session, asked, spender.merchant_id, now)

    assert (shown.members, shown.matched) == (3, 1)
    assert shown.alone == {"": 1, "0": 2, "1": 2, "1.0": 1}
    assert shown.steps == [2, 1]


def test_of_very_many_members_some_are_asked_and_the_total_stays_exact(
    session: Session, now: datetime
):
    merchant_id = make_merchant(session).id
    for number in range(400):
        make_member(session, spent_fen=number % 4 * 10_000, orders_count=number % 2)
    asked = {
        "op": "and",
        "rules": [
            {"field": "spent", "op": ">=", "value": 20_000},
            {"field": "orders", "op": ">=", "value": 1},
        ],
    }

    shown = segments.preview(session, asked, merchant_id, now, exact_up_to=200)
    exact = segments.preview(session, asked, merchant_id, now)

    assert (shown.members, shown.matched, shown.estimated) == (400, 100, True)
    assert (shown.steps[-1], shown.alone[""]) == (100, 100)
    for path in ("0", "1"):
        assert shown.alone[path] % 8 == 0  # one in eight was asked
        assert 120 <= shown.alone[path] <= 280
    assert not exact.estimated
    assert exact.alone == {"": 100, "0": 200, "1": 200}
    assert exact.steps == [200, 100]


def test_the_editor_asks_as_often_for_ten_conditions_as_for_one(session: Session, now: datetime):
    member, sent = make_member(session, orders_count=3), []
    for number in (1, 10):
        asked = [{"field": "orders", "op": ">=", "value": n} for n in range(number)]
        with statements(session.get_bind()) as told:
            segments.preview(session, {"op": "and", "rules": asked}, member.merchant_id, now)
        sent.append(len(told))

    assert sent == [2, 2]


def test_a_sample_says_why_in_words(session: Session, now: datetime):
    store, tag = make_store(session, name="梧桐里店"), make_tag(session, name="爱喝手冲")
    member = make_member(
        session,
        spent_fen=61_200,
        orders_count=1,
        last_paid_at=now - timedelta(days=31),
        last_visit_at=now - timedelta(days=31),
        source_store_id=store.id,
    )
    make_purchase(session, member, store, amount_fen=61_200, at=now - timedelta(days=31))
    tags.put(session, tag, [member.id], actor="staff:1", now=now)
    asked = {
        "op": "and",
        "rules": [
            {"field": "spent", "op": ">=", "value": 20_000, "days": 90},
            {"field": "orders", "op": "<=", "value": 3},
            {"field": "last_visit", "op": "before", "days": 30},
            {
                "op": "or",
                "rules": [
                    {"field": "tag", "op": "has", "value": tag.id},
                    {"field": "joined", "op": "before", "days": 5},
                ],
            },
            {"op": "not", "rules": [{"field": "last_visit", "op": "never"}]},
            {"field": "source_store", "op": "is", "value": store.id},
        ],
    }

    [found] = segments.sample(session, asked, member.merchant_id, now)

    assert found.member is member
    assert found.reasons == [
        "近 90 天消费 ¥612.00",
        "累计 1 单",
        "31 天没来",
        "有标签「爱喝手冲」",
        "来自「梧桐里店」",
    ]


def test_a_segment_is_saved_once_by_name_and_only_with_the_merchants_own_tags(
    session: Session, now: datetime
):
    merchant = make_merchant(session)
    foreign = make_tag(session, merchant=make_merchant(session, code="other"))
    fine = {"field": "last_visit", "op": "before", "days": 30}

    saved = segments.create(
        session, merchant.id, name=" 快要流失 ", rule=fine, actor="staff:1", now=now
    )
    with pytest.raises(RuleInvalid) as refused:
        segments.create(
            session,
            merchant.id,
            name="快要流失",
            rule={"field": "tag", "op": "has", "value": foreign.id},
            actor="staff:1",
            now=now,
        )

    assert refused.value.errors == {"value": "没有这个标签", "name": "已经有同名的人群"}
    assert segments.list_segments(session, merchant.id) == [saved]
    segments.change(session, saved, name="快要流失", rule={"op": "not", "rules": [fine]}, now=now)
    assert segments.get_segment(session, merchant.id, saved.id).rule["op"] == "not"
    with pytest.raises(SegmentNotFound):
        segments.get_segment(session, foreign.merchant_id, saved.id)


def test_a_property_belongs_to_the_events_that_carry_it() -> None:
    bought = {"field": "event", "op": ">=", "kind": "paid", "value": 2, "days": 30}

    assert segments.validate({**bought, "store": 1, "amount": 5_000, "channel": "dine_in"}) == {}
    assert segments.validate({**bought, "way": "online"}) == {"way": "这里没有这一项"}
    assert segments.validate({**bought, "product": 1}) == {"product": "这里没有这一项"}
    assert segments.validate({**bought, "kind": "viewed", "product": 1}) == {}
    assert segments.validate({**bought, "channel": "by air"}) == {"channel": "没有这种怎么拿"}


def test_events_with_properties_are_said_and_explained(session: Session, now: datetime) -> None:
    store, member = make_store(session, name="梧桐里店"), make_member(session)
    for fen, channel in ((6_000, "dine_in"), (5_000, "dine_in"), (4_999, "dine_in"), (9_000, "")):
        data = {"paid_fen": fen, "channel": channel}
        events.record(session, member.id, "paid", store_id=store.id, data=data, now=now)
    asked = {"field": "event", "op": ">=", "kind": "paid", "value": 2, "days": 30}
    asked |= {"store": store.id, "amount": 5_000, "channel": "dine_in"}

    [found] = segments.sample(session, asked, member.merchant_id, now)
    names = refs.names(session, member.merchant_id, conditions(tree(asked)))

    assert found.reasons == ["近 30 天消费 2 次（在「梧桐里店」，满 ¥50，堂食）"]
    assert (
        say(tree(asked), names) == "消费至少 2 次在最近 30 天，在「梧桐里店」，每次满 50 元，堂食"
    )
