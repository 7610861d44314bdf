"""Which answer is given: closest words, patterns that cannot hang, hours and weekdays."""

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging import answers
from messaging.reply_rules import (
    BadPattern,
    Match,
    Rule,
    choose,
    compile_pattern,
    prepare,
)

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=ZoneInfo("Asia/Shanghai"))  # a Sunday
SUNDAY, MONDAY = 1 << 6, 1 << 0


def rule(id_: int, word: str, match: Match = Match.contains, **values: object) -> Rule:
    kind = str(values.pop("kind", "keyword"))
    return prepare(Rule(id_, kind, match, word, (answers.text(str(id_)),), **values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "chosen"),
    [
        ("营业时间", 3),  # all of it
        ("请问营业时间？", 2),  # the longer part
        ("营业吗", 1),
        ("１２３号桌", 4),  # full width is the same
        ("WIFI 密码", 5),
        ("wifi", 5),
        ("", None),
        ("别的", None),
    ],
)
def test_the_closest_rule_answers(said: str, chosen: int | None) -> None:
    rules = [
        rule(1, "营业"),
        rule(2, "营业时间\n开门"),
        rule(3, "营业时间", Match.exact),
        rule(4, r"^\d{3}号桌", Match.pattern),
        rule(5, "WiFi"),
    ]

    found = choose(rules, "keyword", said, NOON)

    assert (found and found.id) == chosen


def test_priority_comes_before_closeness_and_the_older_wins_a_tie() -> None:
    rules = [
        rule(1, "营业时间", Match.exact),
        rule(2, "营业", priority=5),
        rule(3, "营业", priority=5),
    ]

    assert choose(rules, "keyword", "营业时间", NOON) == rules[1]


def test_a_scan_of_one_code_comes_before_any() -> None:
    rules = [rule(1, "", kind="scan"), rule(2, "poster.A", kind="scan")]

    assert choose(rules, "scan", "poster.A", NOON) == rules[1]
    assert choose(rules, "scan", "poster.B", NOON) == rules[0]
    assert choose(rules, "click", "", NOON) is None


@pytest.mark.parametrize(
    ("at", "on"),
    [
        (NOON, False),
        (NOON.replace(hour=21, minute=59), False),
        (NOON.replace(hour=22), True),
        (NOON + timedelta(hours=13), True),  # 01:00 on Monday is still Sunday's evening
        (NOON + timedelta(hours=20), False),  # 08:00
        (NOON - timedelta(hours=11), False),  # 01:00 on Sunday is Saturday's
    ],
)
def test_hours_past_midnight_belong_to_the_evening(at: datetime, on: bool) -> None:
    night = rule(1, "", kind="default", weekdays=SUNDAY, from_minute=22 * 60, until_minute=8 * 60)

    assert (choose([night], "default", "", at) is not None) is on


@given(st.integers(0, 1439), st.integers(0, 1440), st.integers(0, 127), st.integers(0, 10_079))
@settings(max_examples=60, deadline=None)
def test_a_week_has_as_many_minutes_as_the_rule_says(
    begin: int, end: int, days: int, offset: int
) -> None:
    """A minute is on exactly when it lies in a stretch that began on one of its days."""
    one = rule(1, "", kind="default", weekdays=days, from_minute=begin, until_minute=end)
    monday = datetime(2026, 11, 16, tzinfo=ZoneInfo("Asia/Shanghai"))
    length = (end - begin) if end > begin else end - begin + 1440
    stretches = [(day * 1440 + begin) for day in range(-1, 7) if days >> (day % 7) & 1]

    assert one.is_on(monday + timedelta(minutes=offset)) is any(
        start <= offset < start + length for start in stretches
    )


@pytest.mark.parametrize(
    "bad", ["", "(", "a" * 101, r"(?<=a)b", r"(a)\1", "(((a{100}){100}){100})"]
)
def test_a_pattern_that_could_hang_is_refused(bad: str) -> None:
    with pytest.raises(BadPattern):
        compile_pattern(bad)
    assert choose([rule(1, bad, Match.pattern)], "keyword", "aaaa", NOON) is None


@pytest.mark.parametrize("evil", [r"(a+)+$", r"(a|aa)*$", r"([a-z]+)*!$", r"^(.*a){20}$"])
def test_no_message_makes_a_pattern_slow(evil: str) -> None:
    """Python's own engine takes years for these; ours grows with the length and nothing else."""
    one = [rule(1, evil, Match.pattern)]
    began = time.process_time()

    choose(one, "keyword", "a" * 20_000 + "b", NOON)

    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ({"type": "text", "text": "好"}, {}),
        ({"type": "text", "text": " "}, {"text": "要填"}),
        ({"type": "text", "text": "长" * 601}, {"text": "最多 600 个字"}),
        ({"type": "news", "title": "t", "url": "javascript:1"}, {"url": "填 https:// 开头的网址"}),
        ({"type": "mini_card", "title": "t", "page": ""}, {"page": "要填"}),
        ({"type": "transfer"}, {}),
    ],
)
def test_a_part_is_checked_in_words(part: dict[str, str], wrong: dict[str, str]) -> None:
    assert answers.check(part) == wrong
