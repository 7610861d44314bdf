"""The pages about segments: comings and goings, the grid of scores, the tag that is worn."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from sqlalchemy import select

from core.database import reading
from core.outbox import OutboxJob
from crm import segments, tags
from crm.models import JourneyVersion, Segment, SegmentMember, Tag
from crm.segments import living, rfm
from tests.console.conftest import Chain


def assert_says(page: str, *texts: str) -> None:
    assert [text for text in texts if text not in page] == []


def test_who_came_into_a_segment_and_who_left_is_shown(chain: Chain) -> None:
    owner = chain.browser("owner")
    chain.member("林小满", spent_fen=50_000)
    poor_id = chain.member("乔安").id
    rule = {"0.op": "all", "0-0.field": "spent", "0-0.cmp": ">=", "0-0.value": "200"}
    owner.post("/segments/new", name="大客", do="save", **rule, **{"0-0.days": ""})
    with chain.writing() as session:
        segment = session.scalars(select(Segment)).one()
        living.refresh(session, segment, chain.now)
    chain.member("许星野", spent_fen=50_000)
    with chain.writing() as session:
        segment = session.scalars(select(Segment)).one()
        late = chain.now + timedelta(seconds=1)
        poor = {"segment_id": segment.id, "member_id": poor_id, "entered_at": chain.now}
        session.add(SegmentMember(**poor))
        living.refresh(session, segment, late)

    page = owner.get(f"/segments/{segment.id}/members").text
    assert_says(page, "大客", "许星野", "乔安", "近 14 天进来 1 人，离开 1 人")
    assert "林小满" not in page  # found by the first look: nobody came then
    assert_says(owner.get("/segments/").text, "进来 1 · 离开 1")
    asked = owner.post(f"/segments/{segment.id}/refresh")

    assert asked.status_code == 303
    with reading() as session:
        names = session.scalars(select(OutboxJob.name)).all()
    assert names.count("crm.refresh_segment") == 2  # drawn, and asked for
    assert chain.browser("rival").get(f"/segments/{segment.id}/members").status_code == 404


def test_a_cell_of_the_grid_is_a_segment(chain: Chain) -> None:
    owner = chain.browser("owner")
    assert_says(owner.get("/segments/rfm").text, "还没有分数")
    member = chain.member("林小满", spent_fen=50_000, orders_count=3, last_paid_at=chain.now)
    with chain.writing() as session:
        rfm.score(session, member.merchant_id, chain.now)

    assert_says(owner.get("/segments/rfm").text, "500.00", "/segments/new?r=1&amp;f=1")
    drawn = owner.get("/segments/new?r=1&f=1").text

    assert_says(drawn, "最近度 1 分、频次 1 分", "占会员 100.0%", "林小满", "最近度 R 1 分")


def test_a_segment_may_wear_a_tag_but_not_the_one_it_asks_for(chain: Chain) -> None:
    owner = chain.browser("owner")
    rule = {"0.op": "all", "0-0.field": "last_visit", "0-0.cmp": "never"}
    owner.post("/segments/new", name="没来过", tag="没来过", do="save", **rule)
    with reading() as session:
        segment, tag = session.scalars(select(Segment)).one(), session.scalars(select(Tag)).one()
    assert segment.tag_id == tag.id
    circle = {"0.op": "all", "0-0.field": "tag", "0-0.cmp": "has", "0-0.value": str(tag.id)}

    refused = owner.post(
        f"/segments/{segment.id}", name="没来过", tag="没来过", do="save", **circle
    )

    assert refused.status_code == 422
    assert_says(refused.text, "条件里用了这个标签")


def test_who_uses_a_segment_is_said_and_it_is_saved_under_another_name(chain: Chain) -> None:
    owner = chain.browser("owner")
    rule = {"0.op": "all", "0-0.field": "last_visit", "0-0.cmp": "never"}
    owner.post("/segments/new", name="没来过", do="save", **rule)
    with reading() as session:
        segment_id = session.scalars(select(Segment.id)).one()
    assert "正在用它的" not in owner.get(f"/segments/{segment_id}").text
    there = owner.post("/journeys/new", model="blank").location
    start = {"name": "请进来坐", "trigger": "segment", "segment": str(segment_id), "already": "1"}
    owner.post(
        f"/journeys/{there.split('/')[-1].split('?')[0]}/start",
        **start,
        entry="once",
        goal="left_segment",
        goal_segment=str(segment_id),
        holdout="1000",
    )

    assert_says(owner.get(f"/segments/{segment_id}").text, "正在用它的", "请进来坐", "旅程")
    with reading() as session:
        graph = session.scalars(select(JourneyVersion.graph)).one()
    assert (graph["trigger"], graph["goal"]) == (
        {"kind": "segment", "segment_id": segment_id, "already": True},
        {"kind": "left_segment", "segment_id": segment_id},
    )
    same = owner.post("/segments/new", name="没来过", do="save", **rule)
    other = owner.post("/segments/new", name="没来过（新）", do="save", **rule)
    assert (same.status_code, "已经有同名的人群" in same.text) == (422, True)
    assert other.status_code == 303


def test_rows_are_added_nested_and_turned_into_other_kinds(chain: Chain) -> None:
    owner = chain.browser("owner")
    form = {
        "0.op": "all",
        "0-0.field": "product",
        "0-0.was": "spent",
        "0-0.cmp": ">=",
        "0-1.op": "none",
        "0-1-0.field": "coupon",
        "0-1-0.cmp": "expiring",
        "0-1-0.days": "7",
        "0-1-1.field": "event",
        "0-1-1.was": "spent",
        "0-1-1.cmp": ">=",
    }

    without = owner.touch("/segments/preview", **form).text
    fixed = owner.touch("/segments/preview", **form, do="rule 0-1").text
    dropped = owner.touch("/segments/preview", **form, do="drop 0-0").text

    assert_says(without, 'name="0-0.count"', "还没有商品", 'name="0-1-1.kind"', "请填商品")
    assert_says(fixed, 'name="0-1-2.field"')
    assert_says(dropped, "占会员", "都不")


def test_the_list_asks_as_often_for_twenty_rules_as_for_one(
    chain: Chain, count_queries: Callable[[Callable[[], Any]], int]
) -> None:
    owner, asked = chain.browser("owner"), []
    for number in range(20):
        with chain.writing() as session:
            tag = tags.ensure_tag(session, chain.merchant_id, f"标签{number}", now=chain.now)
            segments.create(
                session,
                chain.merchant_id,
                name=f"人群{number}",
                rule={"field": "tag", "op": "has", "value": tag.id},
                actor="staff:1",
                now=chain.now,
            )
        if number in (0, 19):
            asked.append(count_queries(lambda: owner.get("/segments/")))

    assert asked[0] == asked[1]
    assert_says(owner.get("/segments/").text, "有「标签")
