"""Recorded callbacks: shown raw and read, tried without a trace, acted upon once."""

import re
from typing import Any

from sqlalchemy import func, select

from core import clock
from core.database import Base, reading, transaction
from core.inbox import EventState, InboundEvent
from crm.models import Member
from messaging import inbox, receiving
from messaging.models import Follower, SubscribeGrant
from people.models import Identity
from sandbox.demo_config import MINI, OFFICIAL, SUBSCRIBE_TEMPLATES
from tests.console.official.conftest import Desk


def rows() -> dict[str, int]:
    with reading() as session:
        return {
            name: session.scalar(select(func.count()).select_from(table)) or 0
            for name, table in Base.metadata.tables.items()
        }


def the_event(**where: Any) -> InboundEvent:
    with reading() as session:
        return session.scalars(select(InboundEvent).filter_by(**where)).one()


def left_behind(desk: Desk) -> InboundEvent:
    """A follow that was stored and not acted upon."""
    desk.shop.follow("aqing")
    desk.shop.drain()
    told = the_event(kind="subscribe")
    with transaction() as session:
        body = {**told.body, "openid": "o-somebody", "msg_id": "left"}
        message = receiving.from_body(body, told.raw or "")
        inbox.store(session, f"wechat.official:{OFFICIAL}", message, now=clock.now())
    return the_event(external_id="left")


def test_a_record_shows_what_came_and_what_it_would_do_without_doing_it(desk: Desk) -> None:
    desk.shop.follow("aqing")
    desk.shop.say("aqing", "你好")
    desk.shop.drain()
    owner = desk.browser()
    before = rows()

    listed = owner.get("/official/records").text
    shown = owner.get(f"/official/records/{the_event(kind='subscribe').id}").text

    assert "你好" in listed
    assert "关注" in listed
    assert "&lt;![CDATA[subscribe]]&gt;" in shown
    assert re.search(r"<b>会员 \d{4}</b>", listed)
    assert "处理过</span>" not in listed  # said only where it is not so
    assert "微信重复推的话不会再做" in shown  # the job would be queued once more
    assert "<li><span>接着要做的事</span><span>新写 1 条</span></li>" in shown
    assert "outbox_jobs" not in shown
    assert rows() == before


def test_what_was_left_behind_is_acted_upon_once(desk: Desk) -> None:
    event = left_behind(desk)
    owner = desk.browser()
    assert "还没处理" in owner.get("/official/records").text

    owner.post(f"/official/records/{event.id}/replay")
    after = rows()
    owner.post(f"/official/records/{event.id}/replay")

    assert the_event(id=event.id).state is EventState.done
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Follower)) == 2
    assert rows() == after
    assert [name for name, _ in desk.acts()].count("record.replay") == 1


def test_a_grant_that_was_counted_is_not_counted_again(desk: Desk) -> None:
    """Of all events only this one adds: replaying it may not add."""
    template = SUBSCRIBE_TEMPLATES["order_ready"]
    answers = {template: "accept"}
    desk.shop.app_post("people/aqing/subscribe", {"appid": MINI, "answers": answers, "wait": True})
    event = the_event(kind="subscribe_msg_popup_event")
    runner = desk.shop.app.test_cli_runner()

    for arguments in (["--id", str(event.id)], ["--id", str(event.id), "--act"]):
        told = runner.invoke(args=["replay", *arguments]).output
        assert "would update 1 row(s) of subscribe_grants" in told

    with reading() as session:
        assert session.scalars(select(SubscribeGrant.remaining)).one() == 1


def test_the_command_acts_only_when_told_to(desk: Desk) -> None:
    event = left_behind(desk)
    runner = desk.shop.app.test_cli_runner()

    looked = runner.invoke(args=["replay", "--kind", "subscribe"]).output
    assert f"#{event.id}" in looked
    assert "would insert 1 row(s) of followers" in looked
    assert the_event(id=event.id).state is EventState.received

    acted = runner.invoke(args=["replay", "--id", str(event.id), "--act"]).output
    assert "acted upon now: insert followers" in acted
    assert the_event(id=event.id).state is EventState.done
    assert runner.invoke(args=["replay"]).exit_code == 2


def test_records_are_found_by_where_they_come_from_what_they_are_and_whose(desk: Desk) -> None:
    template = SUBSCRIBE_TEMPLATES["order_ready"]
    desk.shop.follow("aqing")
    desk.shop.follow("xiaozhou")
    desk.shop.say("aqing", "杯子漏了")
    desk.shop.say("xiaozhou", "几点开门")
    desk.shop.drain()
    answers = {template: "accept"}
    desk.shop.app_post("people/aqing/subscribe", {"appid": MINI, "answers": answers, "wait": True})
    with transaction() as session:
        openid = desk.shop.openid("aqing")
        identity = session.scalars(select(Identity).where(Identity.openid == openid)).one()
        member = session.scalars(select(Member).where(Member.person_id == identity.person_id)).one()
        member.name = "林小满"
    owner = desk.browser()

    def shown(query: str) -> list[int]:
        page = owner.get(f"/official/records{query}").text
        return [int(found) for found in re.findall(r'records/(\d+)"', page)]

    assert ">林小满</b>" in owner.get("/official/records?from=official").text
    assert f'href="/console/members/{member.no}"' in owner.get("/official/records/3").text
    assert shown("") == [5, 4, 3, 2, 1]
    assert shown("?from=mini") == [5]
    assert shown("?from=official") == [4, 3, 2, 1]
    assert shown("?person=林小满") == [5, 3, 1] or shown("?person=林小满") == [3, 1]
    assert shown(f"?person={member.no}&kind=text") == [3]
    assert shown("?kind=text&before=4") == [3]
    assert shown("?person=谁也不是") == []
    record = owner.get("/official/records/5")
    assert (record.status_code, "subscribe_msg_popup_event" in record.text) == (200, True)


def test_anothers_record_is_not_found(desk: Desk) -> None:
    desk.shop.follow("aqing")
    event = the_event(kind="subscribe")

    assert desk.browser("rival").get(f"/official/records/{event.id}").status_code == 409
    assert desk.browser("manager").get("/official/records").status_code == 403
