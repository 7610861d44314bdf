"""Automatic answers at the console: written, tried out, refused in words, bound to the account."""

from typing import Any

import pytest
from sqlalchemy import select

from core.database import reading
from messaging.models import ReplyRule
from sandbox.demo_config import OFFICIAL
from tests.console.official.conftest import Desk

TYPED = {
    "kind": "keyword",
    "match": "contains",
    "word": "新品\n上新",
    "priority": "2",
    "from": "08:00",
    "until": "22:00",
    "days": ["0", "6"],
    "enabled": "on",
    "p0.type": "text",
    "p0.text": "桂花乌龙上了",
    "p1.type": "mini_card",
    "p1.title": "去点单",
    "p1.page": "pages/menu/menu",
}


def rules() -> list[ReplyRule]:
    with reading() as session:
        return list(session.scalars(select(ReplyRule).order_by(ReplyRule.id)))


def test_an_answer_is_written_changed_and_dropped(desk: Desk) -> None:
    owner = desk.browser()

    made = owner.post("/official/answers/new", **TYPED)

    assert made.status_code == 303, made.text
    rule = rules()[0]
    assert (rule.appid, rule.word, rule.priority, rule.weekdays) == (OFFICIAL, "新品\n上新", 2, 65)
    assert (rule.from_minute, rule.until_minute, rule.enabled) == (480, 1320, True)
    assert [part["type"] for part in rule.parts] == ["text", "mini_card"]
    assert "新品、上新" in owner.get("/official/").text
    assert "周一、日 08:00–22:00" in owner.get("/official/").text
    assert "桂花乌龙上了" in owner.get(f"/official/answers/{rule.id}").text

    owner.post(f"/official/answers/{rule.id}", **{**TYPED, "p0.text": "卖完了", "p1.type": ""})
    assert [part["text"] for part in rules()[0].parts] == ["卖完了"]

    owner.post(f"/official/answers/{rule.id}/drop")
    assert rules() == []
    assert [action for action, _ in desk.acts()] == ["reply.save", "reply.save", "reply.drop"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"word": ""}, "要填"),
        ({"match": "pattern", "word": "(a"}, "看不懂这个写法"),
        ({"match": "pattern", "word": "a" * 101}, "写 1 到 100 个字"),
        ({"from": "8点"}, "填几点几分"),
        ({"until": "25:00"}, "填几点几分"),
        ({"days": []}, "至少选一天"),
        ({"priority": "100"}, "在 0 到 99 之间"),
        ({"p0.text": ""}, "要填"),
        ({"p0.type": "news", "p0.title": "t", "p0.url": "javascript:1"}, "填 https:// 开头的网址"),
    ],
)
def test_what_is_wrong_is_said_beside_it_and_nothing_is_written(
    desk: Desk, change: dict[str, Any], said: str
) -> None:
    answer = desk.browser().post("/official/answers/new", **{**TYPED, **change})

    assert answer.status_code == 422
    assert said in answer.text
    assert rules() == []
    assert desk.acts() == []


def test_the_box_says_what_somebody_would_hear(desk: Desk) -> None:
    owner = desk.browser()
    always = {**TYPED, "from": "00:00", "until": "24:00", "days": list("0123456")}
    owner.post("/official/answers/new", **always)

    heard = owner.touch("/official/try", said="有新品吗")
    silence = owner.touch("/official/try", said="在吗")

    assert "桂花乌龙上了" in heard.text
    assert "接着发" in heard.text
    assert "没有回复" in silence.text


def test_the_fields_follow_the_kind(desk: Desk) -> None:
    again = desk.browser().touch("/official/answers/form", **{**TYPED, "p0.type": "music"})

    assert 'name="p0.thumb_media_id"' in again.text
    assert 'name="p0.text"' not in again.text


def test_another_merchant_finds_nothing_to_change(desk: Desk) -> None:
    desk.browser().post("/official/answers/new", **TYPED)
    rule = rules()[0]
    rival = desk.browser("rival")

    page = rival.get("/official/")
    taken = rival.post(f"/official/answers/{rule.id}/drop")

    assert "还没有连上公众号" in page.text
    assert taken.status_code == 409
    assert len(rules()) == 1
